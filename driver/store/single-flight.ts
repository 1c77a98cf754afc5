/**
 * One call at a time of something that answers everybody, such as a read of the whole store.
 *
 * Who comes while one is on its way shares the next one, which begins after it: an answer is never older than the
 * question.
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
