/**
 * A run that is asked for later. Of several times asked for, the earliest counts. It is never early: a timer
 * of Node's can end a millisecond before its time, and a grace period of the same length would begin anew.
 */
export interface RunAgain {
  after(ms: number): void
  cancel(): void
}

export function createRunAgain(run: () => void): RunAgain {
  let pending: { at: number; timer: NodeJS.Timeout } | undefined
  return {
    after(ms) {
      const at = performance.now() + ms
      if (pending !== undefined && pending.at <= at) return
      clearTimeout(pending?.timer)
      const fire = (): void => {
        pending = undefined
        const leftMs = at - performance.now()
        if (leftMs > 0) arm(leftMs)
        else run()
      }
      const arm = (inMs: number): void => {
        pending = { at, timer: setTimeout(fire, Math.ceil(inMs)) }
      }
      arm(ms)
    },
    cancel() {
      clearTimeout(pending?.timer)
      pending = undefined
    },
  }
}
