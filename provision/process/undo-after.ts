/**
 * What was made is undone after a failure. When the undoing fails too, both errors are told, the failure
 * first: it is the cause.
 */

/** Undoes what was made before the failure. Throws the failure, with that of the undoing. */
export async function undoAfter(error: unknown, undo: () => PromiseLike<unknown>): Promise<never> {
  try {
    await undo()
  } catch (then) {
    throw bothFailed(then, error)
  }
  throw error
}

/** The first failure, with the message of the second appended. The parameters are those of SuppressedError. */
export function bothFailed(error: unknown, suppressed: unknown): Error {
  const first = asError(suppressed)
  first.message += `\n\nand then, cleaning up: ${asError(error).message}`
  return first
}

function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(`${thrown}`)
}
