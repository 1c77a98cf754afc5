/**
 * Which hosts are away: their containers cannot be reached from here.
 *
 * The probes judge a host that is probed: a silent host is away, also while the store shows its session, and
 * a host that answers is not away, also without a session. A driver that is down changes nothing: the kernel
 * forwards without it, and a host that has started again is back with its driver. The store judges the other
 * hosts.
 */
import type { Life } from '../liveness.ts'
import type { HostName } from '../records.ts'
import type { TunnelState } from './peers.ts'

export type Reach = 'reached' | 'away' | 'unknown'

/** `state`: undefined for a host that is not probed. */
export function reachOf(state: TunnelState | undefined, life: Life): Reach {
  if (state === undefined) return life === 'alive' ? 'reached' : life
  if (state === 'unknown' || state === 'driver-down') return 'unknown'
  return isReached(state) ? 'reached' : 'away'
}

export function isReached(state: TunnelState): boolean {
  return state === 'answers' || state === 'small-only'
}

/** What is unknown stays as it was. The same set when nothing has changed. */
export function awayAfter(
  before: ReadonlySet<HostName>,
  reaches: ReadonlyMap<HostName, Reach>,
): ReadonlySet<HostName> {
  const isOut = ([host, reach]: [HostName, Reach]): boolean =>
    reach === 'away' || (reach === 'unknown' && before.has(host))
  const now = new Set([...reaches].filter(isOut).map(([host]) => host))
  return now.size === before.size && [...now].every((host) => before.has(host)) ? before : now
}
