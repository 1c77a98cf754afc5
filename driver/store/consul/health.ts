/**
 * Whether Consul answers: the result of the last call of any kind.
 */
import type { DriverError } from '../../core/errors.ts'
import type { Log } from '../../log.ts'

export interface Health {
  heard(failure: DriverError | undefined): void
  watching(yes: boolean): void
  fresh(): boolean
  ageMs(): number | undefined
  lastError(): string | undefined
}

/**
 * Fresh while the watch is connected and the last call was answered. Calls `becameFresh` each time that turns
 * true.
 */
export function createHealth(log: Log, becameFresh: () => void): Health {
  let watching = false
  let answeredAt: number | undefined
  let failure: DriverError | undefined
  const isFresh = (): boolean => watching && failure === undefined
  const change = (set: () => void): void => {
    const was = isFresh()
    set()
    if (!was && isFresh()) becameFresh()
  }
  return {
    heard(now) {
      if (now !== undefined && failure === undefined) log.warn({ err: now }, 'Consul does not answer')
      if (now === undefined && failure !== undefined) log.info({}, 'Consul answers again')
      if (now === undefined) answeredAt = performance.now()
      change(() => {
        failure = now
      })
    },
    watching: (yes) =>
      change(() => {
        watching = yes
      }),
    fresh: isFresh,
    ageMs: () => (answeredAt === undefined ? undefined : Math.round(performance.now() - answeredAt)),
    lastError: () => failure?.message,
  }
}
