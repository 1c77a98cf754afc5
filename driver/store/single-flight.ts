/**
 * Runs one call of a task at a time and shares it among callers, for example a read of the whole store.
 *
 * A caller that arrives during a call shares the next call, which starts after it: a result is never older
 * than its request.
 */
export function singleFlight(task: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | undefined
  let next: Promise<void> | undefined
  const start = (): Promise<void> => {
    const mine = task().finally(() => {
      if (running === mine) running = undefined
    })
    running = mine
    return mine
  }
  return () => {
    if (running === undefined) return start()
    next ??= running
      .finally(() => {
        next = undefined
      })
      .then(start)
    return next
  }
}
