/**
 * The error of a scenario that failed and whose clean-up failed too. `await using` throws a SuppressedError
 * with an empty message. This module replaces it by the first failure, with the message of the second
 * appended.
 *
 * The compiled code takes the global SuppressedError; Node 20 has none.
 */
function bothFailed(error: unknown, suppressed: unknown): Error {
  const first = asError(suppressed)
  first.message += `\n\nand then, cleaning up: ${asError(error).message}`
  return first
}

/** Undoes what was made before the failure. Throws the failure, with that of the undoing. */
export async function undoAfter(error: unknown, undo: () => PromiseLike<unknown>): Promise<never> {
  try {
    await undo()
  } catch (then) {
    throw bothFailed(then, error)
  }
  throw error
}

function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(`${thrown}`)
}

Object.assign(globalThis, { SuppressedError: bothFailed })
