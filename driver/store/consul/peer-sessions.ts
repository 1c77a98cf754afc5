/**
 * Whether the sessions of hosts that hold no key are there: of a host that is dead, or has a driver from
 * before the keys. Each is asked for by its id, since a list has the sessions of the whole datacenter.
 *
 * Consul hides what the token may not see. So a session that is missing has ended only if Consul shows this
 * host's own.
 */
import type { Liveness } from '../../core/liveness.ts'
import type { HostName, HostRecord } from '../../core/records.ts'
import type { ConsulClient } from './client.ts'

type Client = Pick<ConsulClient, 'hasSession'>
type Records = ReadonlyMap<HostName, HostRecord>
type Keys = Liveness['keys']

/** `ownSession` is called when a session is missing. The function throws `unavailable`. */
export function createPeerSessions(
  client: Client,
  ownSession: () => Promise<string>,
): (records: Records, keys: Keys) => Promise<Liveness['sessions']> {
  /** Of hosts whose keys are free, as after a power failure: a session that has ended does not come back. */
  let ended: ReadonlySet<string> = new Set()
  return async (records, keys) => {
    const peers = withoutHeldKey(records, keys)
    const isKnown = ({ host, session }: Peer): boolean => keys.has(host) && ended.has(session)
    const asked = peers.filter((peer) => !isKnown(peer))
    const found = await sessionsOf(client, asked)
    const isMissing = ({ session }: Peer): boolean => found.get(session) === false
    const isProof = asked.some(isMissing) && (await client.hasSession(await ownSession())) === true
    const areEnded = peers.filter((peer) => isKnown(peer) || (isProof && isMissing(peer)))
    ended = new Set(areEnded.map(({ session }) => session))
    return new Map([...found].filter(([, isThere]) => isThere || isProof))
  }
}

interface Peer {
  host: HostName
  session: string
}

/** Hosts whose keys no session holds, with the sessions of their records. */
export function withoutHeldKey(records: Records, keys: Keys): Peer[] {
  return [...records].flatMap(([host, { session }]) =>
    session === undefined || keys.get(host) !== undefined ? [] : [{ host, session }],
  )
}

/** Whether each session is there, without those that the token may not see. */
export async function sessionsOf(client: Client, peers: readonly Peer[]): Promise<Map<string, boolean>> {
  const answers = await Promise.all(
    peers.map(async ({ session }) => ({ session, isThere: await client.hasSession(session) })),
  )
  return new Map(
    answers.flatMap(({ session, isThere }) => (isThere === undefined ? [] : [[session, isThere]])),
  )
}
