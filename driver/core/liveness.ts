/**
 * Whether a host lives. Its driver's Consul session holds the lock of the key `alive/<host>`, which is
 * readable with the key, while a token may hide the session. Consul ends a session that is not renewed after
 * 15 to 30 s, so a dead host counts as alive for that long.
 */
import type { HostName, HostRecord, Ip } from './records.ts'

export interface Liveness {
  /** Host -> the session that holds its key; undefined where no session does. */
  keys: ReadonlyMap<HostName, string | undefined>
  /** The VTEP that each host's key says, in the order in which the keys were made. Without what cannot be read. */
  announced: ReadonlyMap<HostName, Ip>
  /**
   * Whether the sessions of the records whose hosts hold no key are there. Absent where Consul was not asked,
   * or did not answer.
   */
  sessions: ReadonlyMap<string, boolean>
}

export type Life = 'alive' | 'away' | 'unknown'

/** A driver older than the keys has a session in its host's record alone. */
export function lifeOf(host: HostName, record: HostRecord | undefined, seen: Liveness): Life {
  if (seen.keys.get(host) !== undefined) return 'alive'
  const isThere = record?.session === undefined ? false : seen.sessions.get(record.session)
  if (isThere === true) return 'alive'
  return isThere === false || seen.keys.has(host) ? 'away' : 'unknown'
}
