/**
 * Whether Consul answers: the result of the last call of any kind, and whether the watch is connected.
 *
 * Some calls may fail for long while others succeed: a token may read and not write, a proxy may spoil
 * lists. Such a failure is logged once, until everything works again. A refusal of the token lasts until a
 * call of the same sort succeeds: what the token may read says nothing of what it may write. So does an error
 * that Consul answers to a session's call, as for a node that is not registered: keys work without sessions.
 */
import type { DriverError } from '../../core/errors.ts'
import type { Log } from '../../log.ts'
import { hasResponse, isDenied } from './failures.ts'
import type { CallSort } from './servers.ts'

export interface Health {
  heard(failure: DriverError | undefined, sort?: CallSort): void
  watching(yes: boolean): void
  fresh(): boolean
  ageMs(): number | undefined
  /** The last failure since everything worked. */
  lastError(): string | undefined
}

/** In a long outage each failure may have words of its own, as the ports of Consul's own connections. */
const mostOpen = 100

/**
 * Fresh while the watch is connected and the last call was answered; an answer that no session can be made
 * counts for sessions alone. Calls `becameFresh` each time that turns true.
 */
export function createHealth(log: Log, becameFresh: () => void): Health {
  let watching = false
  let answeredAt: number | undefined
  let failing = false
  /** The sorts of calls that Consul refuses until one of them succeeds. */
  const refused = new Set<CallSort>()
  /**
   * Since everything worked: the last `mostOpen` failures, the last one last. A refusal's key is the sort of
   * its calls.
   */
  const open = new Map<string, DriverError>()
  const isFresh = (): boolean => watching && !failing
  const change = (set: () => void): void => {
    const was = isFresh()
    set()
    if (!isFresh()) return
    const ended = [...open.keys()].filter((key) => !refused.has(key as CallSort))
    for (const key of ended) open.delete(key)
    if (ended.length > 0) log.info({}, 'Consul answers again')
    if (!was) becameFresh()
  }
  const remember = (failure: DriverError, sort: CallSort): void => {
    const isRefused = isDenied(failure) || isOfSessions(failure, sort)
    const key = isRefused ? sort : failure.message
    // In an outage the calls fail in words of their own; the first ones are enough.
    if ((isRefused || !failing) && !open.has(key)) log.warn({ err: failure }, 'Consul does not answer')
    open.delete(key)
    open.set(key, failure)
    if (isRefused) refused.add(sort)
    const oldest = [...open.keys()].find((it) => !refused.has(it as CallSort))
    if (open.size > mostOpen && oldest !== undefined) open.delete(oldest)
  }
  return {
    heard(failure, sort = 'read') {
      if (failure !== undefined) remember(failure, sort)
      else {
        answeredAt = performance.now()
        refused.delete(sort)
      }
      if (failure !== undefined && isOfSessions(failure, sort)) return
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
    lastError: () => [...open.values()].at(-1)?.message,
  }
}

function isOfSessions(failure: DriverError, sort: CallSort): boolean {
  return sort === 'session' && hasResponse(failure)
}
