/**
 * Whether Consul answers, as the last call told: any call, whoever made it.
 */
import type { DriverError } from '../../core/errors.ts'
import type { Log } from '../log.ts'

export interface Health {
  heard(failure: DriverError | undefined): void
  watching(yes: boolean): void
  fresh(): boolean
  ageMs(): number | undefined
  lastError(): string | undefined
}

/** Fresh while the watch is connected and the last call, whosever it was, was answered. */
export function createHealth(log: Log): Health {
  let watching = false
  let answeredAt: number | undefined
  let failure: DriverError | undefined
  return {
    heard(now) {
      if (now !== undefined && failure === undefined) log.warn({ err: now }, 'Consul does not answer')
      if (now === undefined && failure !== undefined) log.info({}, 'Consul answers again')
      failure = now
      if (now === undefined) answeredAt = performance.now()
    },
    watching: (yes) => {
      watching = yes
    },
    fresh: () => watching && failure === undefined,
    ageMs: () => (answeredAt === undefined ? undefined : Math.round(performance.now() - answeredAt)),
    lastError: () => failure?.message,
  }
}
