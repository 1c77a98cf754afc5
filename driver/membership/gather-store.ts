/**
 * Gathers the facts of the store by Consul's API. The trial of the token's rights writes one key of its own
 * under `doctor/` and removes it.
 */
import { randomUUID } from 'node:crypto'
import { asDriverError } from '../core/errors.ts'
import type { HostRecord } from '../core/records.ts'
import { silentLog } from '../log.ts'
import { aliveKey, announcedIn, keysIn } from '../store/consul/alive.ts'
import type { Item } from '../store/consul/answers.ts'
import { askLeaders, type ClientOptions, type ConsulClient, createClient } from '../store/consul/client.ts'
import { createPeerSessions } from '../store/consul/peer-sessions.ts'
import { usualTtlMs } from '../store/consul/session.ts'
import { parseStoreUrl, showAddress } from '../store/consul/url.ts'
import { readDiskCopyFile } from '../store/disk-copy-file.ts'
import { clusterKey } from '../store/incarnation.ts'
import { type OwnSessions, openOwnSessions } from '../store/own-sessions.ts'
import { readRecord } from '../store/schemas.ts'
import type { LastAnnouncement } from '../store/store.ts'
import {
  type Asked,
  asked,
  failureIn,
  foundIn,
  type HostFacts,
  leaderIn,
  type Rights,
  type StoreFacts,
} from './facts.ts'

export interface StoreQuestion {
  kvStore: string
  tokenFile?: string | undefined
  tls: ClientOptions['tls']
  stateDir: string
  /** This host's name in the cluster, and its id if its state folder has one. */
  name: string
  id: string | undefined
}

const answersWithinMs = 4000

export function clientOptions({
  kvStore,
  tokenFile,
  tls,
}: Pick<StoreQuestion, 'kvStore' | 'tokenFile' | 'tls'>): ClientOptions {
  return { address: parseStoreUrl(kvStore), timeoutMs: answersWithinMs, tokenFile, tls }
}

export async function storeFacts(question: StoreQuestion): Promise<StoreFacts> {
  const { name, id, stateDir } = question
  const options = clientOptions(question)
  const url = showAddress(options.address)
  const ownCluster = await ownClusterIn(stateDir, url)
  const before = Date.now()
  const { leader, date, silent, others, certificateEndsAt } = leaderOf(await asked(() => askLeaders(options)))
  const clockOffsetMs = Number.isNaN(date) ? undefined : (before + Date.now()) / 2 - (date + 500)
  const certificateLeftMs = certificateEndsAt && certificateEndsAt - Date.now()
  const common = { url, leader, silent, others, clockOffsetMs, certificateLeftMs, ownCluster }
  if ('failed' in leader) return { ...common, ...unasked(leader.failed, { name, id }) }
  // Nothing is written where no Consul answers.
  if (!leaderIn(leader.found)) return { ...common, ...unasked('no Consul leads there', { name, id }) }
  const client = createClient(options)
  try {
    const { prefix } = options.address
    const own = await openOwnSessions(stateDir, silentLog)
    const itemsIn = (folder: string): Promise<Asked<Item[]>> =>
      asked(async () => (await client.list(`${prefix}/${folder}`, { consistent: true })).items)
    const [cluster, hosts, alive] = await Promise.all([
      itemsIn(clusterKey),
      itemsIn('hosts/'),
      itemsIn('alive/'),
    ])
    return {
      ...common,
      cluster: mapped(cluster, (items) => items.find(({ key }) => key === `${prefix}/${clusterKey}`)?.text),
      rights: await tryRights(client, options, name),
      name: { name, id, holder: mapped(alive, (items) => holderIn(items, aliveKey(prefix, name), own)) },
      hosts: await hostsIn(client, hosts, alive, prefix),
    }
  } finally {
    client.close()
  }
}

type Answers = Awaited<ReturnType<typeof askLeaders>>

/** The answer of a server that knows the leader, else of one that answers, else the first failure. */
function leaderOf(asking: Asked<Answers>): Pick<StoreFacts, 'leader' | 'silent' | 'others'> & {
  date: number
  certificateEndsAt?: number | undefined
} {
  if ('failed' in asking) return { leader: asking, date: Number.NaN, silent: [], others: [] }
  const found = asking.found.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []))
  const failures = asking.found.flatMap((each) =>
    each.status === 'rejected' ? [asDriverError(each.reason)] : [],
  )
  const best = found.find(({ body }) => leaderIn(body)) ?? found[0]
  const [first, ...more] = failures
  const leader: Asked<string> =
    best === undefined ? { failed: first?.message ?? '', hint: first?.hint } : { found: best.body }
  const silent = (best === undefined ? more : failures).map(({ message }) => message)
  const others = found.map(({ body }) => body).filter((body) => body !== best?.body)
  const [certificateEndsAt] = found.flatMap((each) => each.certificateEndsAt ?? []).sort((a, b) => a - b)
  return { leader, date: Date.parse(best?.date ?? ''), silent, others, certificateEndsAt }
}

function unasked(failed: string, name: Pick<StoreQuestion, 'name' | 'id'>) {
  return {
    cluster: { failed },
    rights: { session: failed, write: failed, list: failed, claim: failed },
    name: { ...name, holder: { failed } },
    hosts: { failed },
  }
}

function mapped<A, B>(answer: Asked<A>, change: (value: A) => B): Asked<B> {
  return 'found' in answer ? { found: change(answer.found) } : answer
}

/** The cluster that the copy of the store in the state folder is of. */
async function ownClusterIn(stateDir: string, url: string): Promise<string | undefined> {
  const copy = await readDiskCopyFile(`${stateDir}/snapshot.json`, url).catch(() => undefined)
  return copy?.position.cluster?.id
}

/** What the key `alive/<name>` says. */
export function holderIn(
  items: readonly Item[],
  key: string,
  own: OwnSessions,
): LastAnnouncement | undefined {
  const item = items.find((it) => it.key === key)
  return item && announcedIn(item, own)
}

/** Where Consul does not answer for a session, nothing is known of it. */
async function hostsIn(
  client: ConsulClient,
  hosts: Asked<Item[]>,
  alive: Asked<Item[]>,
  prefix: string,
): Promise<Asked<HostFacts>> {
  if ('failed' in hosts) return hosts
  if ('failed' in alive) return alive
  const records = recordsIn(hosts.found, prefix)
  const seen = keysIn(alive.found, prefix)
  const answers = await asked(() => createPeerSessions(client, prefix)(records, seen.keys))
  return { found: { records, liveness: { ...seen, sessions: foundIn(answers) ?? new Map() } } }
}

/** Without records that cannot be read: `multihost status` names those. */
function recordsIn(items: readonly Item[], prefix: string): Map<string, HostRecord> {
  const folder = `${prefix}/hosts/`
  const records = items.flatMap(({ key, text }): [string, HostRecord][] => {
    try {
      const name = decodeURIComponent(key.slice(folder.length))
      return [[name, readRecord('hosts', name, text)]]
    } catch {
      // As the driver skips it.
      return []
    }
  })
  return new Map(records)
}

async function tryRights(client: ConsulClient, options: ClientOptions, name: string): Promise<Rights> {
  const folder = `${options.address.prefix}/doctor/`
  const Key = `${folder}${randomUUID()}`
  const session = await trySessions(options)
  const Value = Buffer.from('"a trial of the token"').toString('base64')
  const write = await asked(() => client.transact([{ Verb: 'cas', Key, Value, Index: 0 }]))
  try {
    const list = await asked(() => client.list(folder, { consistent: true }))
    const isListed = 'found' in list && list.found.items.some(({ key }) => key === Key)
    const unlisted = 'failed' in list ? list.failed : 'Consul leaves them out'
    return {
      session,
      write: 'failed' in write ? write.failed : undefined,
      list: isListed || 'failed' in write ? undefined : unlisted,
      claim: 'failed' in write ? undefined : await tryClaim(client, aliveKey(options.address.prefix, name)),
    }
  } finally {
    // A store that goes away at this moment ends the session by itself.
    if ('found' in write) await asked(() => client.transact([{ Verb: 'delete', Key }]))
  }
}

/** No key has the index. Consul looks at the token's rights first, and changes nothing. */
async function tryClaim(client: ConsulClient, Key: string): Promise<string | undefined> {
  const step = { Verb: 'cas', Key, Value: '', Index: Number.MAX_SAFE_INTEGER } as const
  return failureIn(await asked(() => client.transact([step])))
}

/**
 * A session belongs to the server that made it, and rules name servers: each that answers makes one. The
 * first refusal.
 */
async function trySessions(options: ClientOptions): Promise<string | undefined> {
  const refusals = await Promise.all(
    options.address.servers.map(async (server) => {
      const client = createClient({ ...options, address: { ...options.address, servers: [server] } })
      try {
        const session = await asked(() => client.createSession('multihost doctor', usualTtlMs))
        if ('found' in session) await asked(() => client.destroySession(session.found.id))
        return session
      } finally {
        client.close()
      }
    }),
  )
  const failed = refusals.flatMap((each) => failureIn(each) ?? [])
  // A server that is away is a finding of its own.
  return (
    failed.find((words) => / refuses: /.test(words)) ??
    (failed.length === refusals.length ? failed[0] : undefined)
  )
}
