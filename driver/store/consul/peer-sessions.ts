/**
 * Whether the sessions of hosts that hold no key are there: of a host that is dead, or has a driver from
 * before the keys. Each is asked for by its id, since a list has the sessions of the whole datacenter.
 *
 * Consul hides the sessions that the token may not see, and says so from 1.11 on. So where the host has no
 * key, a session that a read does not show is tried by a transaction that locks a key for the session. Consul
 * refuses the lock for a session that has ended, and grants it for the session of any host. The transaction
 * changes nothing: its second operation always fails.
 */
import type { Liveness } from '../../core/liveness.ts'
import type { HostName, HostRecord } from '../../core/records.ts'
import type { ConsulClient, TxnStep } from './client.ts'

type Records = ReadonlyMap<HostName, HostRecord>
type Keys = Liveness['keys']

/** The function throws `unavailable`. */
export function createPeerSessions(
  client: Pick<ConsulClient, 'hasSession' | 'transact'>,
  prefix: string,
): (records: Records, keys: Keys) => Promise<Liveness['sessions']> {
  /** Of hosts whose keys are free, as after a power failure: a session that has ended does not come back. */
  let ended: ReadonlySet<string> = new Set()
  const isThere = async ({ host, session }: Peer, keys: Keys): Promise<boolean> => {
    if (keys.has(host) && ended.has(session)) return false
    if ((await client.hasSession(session)) === true) return true
    // A key that is free says that its host is away.
    return keys.has(host) ? false : canLock(client, prefix, session)
  }
  return async (records, keys) => {
    const peers = withoutHeldKey(records, keys)
    const found = await Promise.all(
      peers.map(async (peer) => [peer.session, await isThere(peer, keys)] as const),
    )
    ended = new Set(found.flatMap(([session, isThere]) => (isThere ? [] : [session])))
    return new Map(found)
  }
}

/** In the folder that `multihost doctor` tries a token in. Nothing is written. */
async function canLock(
  client: Pick<ConsulClient, 'transact'>,
  prefix: string,
  Session: string,
): Promise<boolean> {
  const Key = `${prefix}/doctor/session`
  const lock: TxnStep = { Verb: 'lock', Key, Value: '', Session }
  // No key has the index. Consul reports the first operation that is refused.
  const never: TxnStep = { Verb: 'check-index', Key, Index: Number.MAX_SAFE_INTEGER }
  const answer = await client.transact([lock, never])
  return 'failedStep' in answer && answer.failedStep > 0
}

interface Peer {
  host: HostName
  session: string
}

/** Hosts whose keys no session holds, with the sessions of their records. */
function withoutHeldKey(records: Records, keys: Keys): Peer[] {
  return [...records].flatMap(([host, { session }]) =>
    session === undefined || keys.get(host) !== undefined ? [] : [{ host, session }],
  )
}
