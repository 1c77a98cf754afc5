/**
 * Runs one call of a task at a time and shares it among callers, for example a read of the whole store.
 *
 * A caller that arrives during a call shares the next call, which starts after it: a result is never older
 * than its request. When the call fails, they get its failure, and there is no next call.
 */
export function singleFlight(task: () => Promise<void>): () => Promise<void> {
  let isRunning = false
  let next: { shared: Promise<void>; settle(by: Promise<void>): void } | undefined
  /** In the turn in which a call ends: no caller finds none running and starts one beside the next. */
  const end = (then: () => Promise<void>): void => {
    const waiting = next
    isRunning = false
    next = undefined
    waiting?.settle(then())
  }
  const start = async (): Promise<void> => {
    isRunning = true
    try {
      await task()
    } catch (error) {
      end(() => Promise.reject(error))
      throw error
    }
    end(start)
  }
  return () => {
    if (!isRunning) return start()
    next ??= waiting()
    return next.shared
  }
}

function waiting(): { shared: Promise<void>; settle(by: Promise<void>): void } {
  let settle: (by: Promise<void>) => void = () => undefined
  const shared = new Promise<void>((resolve) => {
    settle = resolve
  })
  return { shared, settle }
}
