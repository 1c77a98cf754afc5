/**
 * Whether Consul answers: the result of the last call of any kind, and whether the watch is connected.
 *
 * Some calls may fail for long while others succeed: a token may read and not write, a proxy may spoil
 * lists. Such a failure is logged once, until everything works again.
 */
import type { DriverError } from '../../core/errors.ts'
import type { Log } from '../../log.ts'

export interface Health {
  heard(failure: DriverError | undefined): void
  watching(yes: boolean): void
  fresh(): boolean
  ageMs(): number | undefined
  /** The last failure since everything worked. */
  lastError(): string | undefined
}

/**
 * Fresh while the watch is connected and the last call was answered. Calls `becameFresh` each time that turns
 * true.
 */
export function createHealth(log: Log, becameFresh: () => void): Health {
  let watching = false
  let answeredAt: number | undefined
  let failing = false
  /** Since everything worked: the last failure, and what was logged. */
  let last: DriverError | undefined
  const logged = new Set<string>()
  const isFresh = (): boolean => watching && !failing
  const change = (set: () => void): void => {
    const was = isFresh()
    set()
    if (was || !isFresh()) return
    if (last !== undefined) log.info({}, 'Consul answers again')
    last = undefined
    logged.clear()
    becameFresh()
  }
  return {
    heard(failure) {
      if (failure === undefined) answeredAt = performance.now()
      else {
        // In an outage the calls fail in words of their own; the first ones are enough.
        if (!failing && !logged.has(failure.message)) log.warn({ err: failure }, 'Consul does not answer')
        logged.add(failure.message)
        last = failure
      }
      change(() => {
        failing = failure !== undefined
      })
    },
    watching: (yes) =>
      change(() => {
        watching = yes
      }),
    fresh: isFresh,
    ageMs: () => (answeredAt === undefined ? undefined : Math.round(performance.now() - answeredAt)),
    lastError: () => last?.message,
  }
}
