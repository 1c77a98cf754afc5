/**
 * Which hosts are away: their containers cannot be reached from here.
 *
 * A host that is probed is judged by the probes: one that is silent is away whatever the store says, and one that answers
 * is not, though its driver may have lost its session. The store judges the others.
 */
import type { Life } from '../liveness.ts'
import type { HostName } from '../records.ts'
import type { TunnelState } from './peers.ts'

export type Reach = 'reached' | 'away' | 'unknown'

/** `state`: undefined for a host that is not probed. */
export function reachOf(state: TunnelState | undefined, life: Life): Reach {
  if (state === undefined) return life === 'alive' ? 'reached' : life
  if (state === 'unknown') return 'unknown'
  return state === 'answers' || state === 'small-only' ? 'reached' : 'away'
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
