/**
 * Whether a host lives. Its driver's Consul session holds the lock of the key `alive/<host>`, which is
 * readable with the key and not by a list that a token may filter. Consul ends a session that is not renewed
 * after 15 to 30 s, so a dead host counts as alive for that long.
 */
import type { HostName, HostRecord, Ip } from './records.ts'

export interface Liveness {
  /** Host -> the session that holds its key; undefined where no session does. */
  keys: ReadonlyMap<HostName, string | undefined>
  /** The VTEP that each host's key says, in the order in which the keys were made. Without what cannot be read. */
  announced: ReadonlyMap<HostName, Ip>
  /** Sessions that the token may see. */
  sessions: ReadonlySet<string>
  /**
   * False when the token does not even show this host's own session: then a session that is missing proves
   * nothing.
   */
  seesSessions: boolean
}

export type Life = 'alive' | 'away' | 'unknown'

/** A driver of before the keys has a session in its host's record alone. */
export function lifeOf(host: HostName, record: HostRecord | undefined, seen: Liveness): Life {
  if (seen.keys.get(host) !== undefined) return 'alive'
  if (record?.session !== undefined && seen.sessions.has(record.session)) return 'alive'
  if (seen.keys.has(host) || record?.session === undefined) return 'away'
  return seen.seesSessions ? 'away' : 'unknown'
}
