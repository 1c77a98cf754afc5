/** A run that is asked for later. Of several times asked for, the earliest counts. */
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
        run()
      }
      pending = { at, timer: setTimeout(fire, ms) }
    },
    cancel() {
      clearTimeout(pending?.timer)
      pending = undefined
    },
  }
}
