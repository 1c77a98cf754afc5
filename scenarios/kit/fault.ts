/**
 * One fault: made, seen to be in force, and undone and seen to be over when its scope ends.
 */
export interface Fault extends AsyncDisposable {
  /** Resolves when it is seen to be over. Twice is as good as once. */
  heal(): Promise<void>
}

export interface Seen {
  holds(): Promise<unknown>
  healed(): Promise<unknown>
}

export interface Lasting extends Seen {
  make(): Promise<unknown>
  undo(): Promise<unknown>
}

/** What was made is undone also when it cannot be seen to be in force. */
export async function lasting({ make, holds, undo, healed }: Lasting): Promise<Fault> {
  let over = false
  const heal = async (): Promise<void> => {
    if (over) return
    over = true
    await undo()
    await healed()
  }
  try {
    await make()
    await holds()
  } catch (error) {
    await undo()
    throw error
  }
  return { heal, [Symbol.asyncDispose]: heal }
}
