/**
 * This host's key `alive/<host>`, locked by its session, and what those of the others say.
 *
 * The lock shows the life of the driver and owns nothing else: a Consul that restarts, or a driver that dies,
 * deletes no record. Sessions have no lock delay, so that a driver that starts again has its key at once.
 * Source: Consul's documentation of sessions, "lock-delay".
 */
import { setTimeout as delay } from 'node:timers/promises'
import { defined } from '../../core/defined.ts'
import { DriverError } from '../../core/errors.ts'
import { jsonIn } from '../../core/json.ts'
import type { Liveness } from '../../core/liveness.ts'
import type { HostName, HostRecord, Ip } from '../../core/records.ts'
import type { Log } from '../../log.ts'
import { noOwnSessions, type OwnSessions } from '../own-sessions.ts'
import type { Announcement, AnnounceOutcome, LastAnnouncement, Store } from '../store.ts'
import type { Item } from './answers.ts'
import type { ConsulClient } from './client.ts'
import { decodedPart } from './keys.ts'
import { createPeerSessions } from './peer-sessions.ts'
import { createSessionKeeper } from './session.ts'

export interface Announcer extends Pick<Store, 'announce' | 'lastAnnouncement' | 'liveness'> {
  /** The last `announce` locked the key: the records under the name are this host's. */
  holdsKey(): boolean
  close(): Promise<void>
}

export interface AnnouncerOptions {
  client: ConsulClient
  /** Of the snapshot. */
  records: () => ReadonlyMap<HostName, HostRecord>
  prefix: string
  host: HostName
  ttlMs: number
  ownSessions?: OwnSessions | undefined
  log: Log
}

const folder = 'alive'
const maxAttempts = 5
const pauseMs = 100
/**
 * A key that is held is read, and locked again this often: a lock that is taken again is a write of Consul's,
 * on every host. It also tells of a Consul that takes no writes.
 */
const lockEveryMs = 60_000

/** The key that the session of a host locks. */
export function aliveKey(prefix: string, host: HostName): string {
  return `${prefix}/${folder}/${encodeURIComponent(host)}`
}

/** The hosts whose keys are held, among all keys of the store. */
export function aliveIn(prefix: string, items: readonly Item[]): Set<HostName> {
  const own = `${prefix}/${folder}/`
  const held = items.filter(({ key, session }) => session !== undefined && key.startsWith(own))
  return new Set(byHost(prefix, held).map(([host]) => host))
}

/** Without keys that do not decode: multihost did not write them. */
function byHost(prefix: string, items: readonly Item[]): [HostName, Item][] {
  return items.flatMap((item) => {
    const host = decodedPart(item.key.slice(prefix.length + folder.length + 2))
    return host === undefined ? [] : [[host, item]]
  })
}

export function createAnnouncer(options: AnnouncerOptions): Announcer {
  const { client, records, prefix, host, ttlMs, ownSessions = noOwnSessions, log } = options
  const keeper = createSessionKeeper(listing(client, ownSessions), {
    name: `multihost ${host}`,
    ttlMs,
    lost: (id) => log.warn({ session: id }, 'Consul has lost the session, it is made anew'),
  })
  const list = async (): Promise<Item[]> => {
    const { items } = await client.list(`${prefix}/${folder}/`, { consistent: true })
    return items.filter(({ key }) => key !== `${prefix}/${folder}/`)
  }
  const Key = aliveKey(prefix, host)
  const own = async (): Promise<Item | undefined> => (await list()).find(({ key }) => key === Key)
  const peerSessions = createPeerSessions(client, prefix)
  let holdsKey = false
  let lockedAt = Number.NEGATIVE_INFINITY
  const isHeldAs = async (text: string, session: string): Promise<boolean> => {
    if (!holdsKey || performance.now() - lockedAt > lockEveryMs) return false
    const held = await own()
    return held?.session === session && held.text === text
  }
  return {
    holdsKey: () => holdsKey,
    async announce(self): Promise<AnnounceOutcome> {
      const text = JSON.stringify(self)
      const Value = Buffer.from(text).toString('base64')
      for (let attempt = 1; attempt <= maxAttempts; attempt++) {
        const session = await keeper.session()
        if (await isHeldAs(text, session)) return { held: true, session }
        const answer = await client.transact([{ Verb: 'lock', Key, Value, Session: session }])
        holdsKey = !('failedStep' in answer)
        if (holdsKey) {
          lockedAt = performance.now()
          return { held: true, session }
        }
        const held = await own()
        if (held?.session !== undefined && held.session !== session)
          return { held: false, by: { ...announcedIn(held, ownSessions), host, session: held.session } }
        // The holder has given the key up since.
        if (attempt < maxAttempts) await delay(pauseMs)
      }
      throw new DriverError(
        'unavailable',
        `Consul did not lock the key ${Key} in ${maxAttempts} attempts, and shows no other holder`,
      )
    },
    async lastAnnouncement() {
      const item = await own()
      return item && announcedIn(item, ownSessions)
    },
    async liveness() {
      // Before the first answer: the callers compare with the snapshot of the moment of their call.
      const recorded = records()
      const seen = keysIn(await list(), prefix)
      return { ...seen, sessions: await peerSessions(recorded, seen.keys) }
    },
    close: keeper.close,
  }
}

/** A session is in the list before it is used. */
function listing(client: ConsulClient, { add }: OwnSessions): ConsulClient {
  return {
    ...client,
    async createSession(name, ttlMs) {
      const made = await client.createSession(name, ttlMs)
      await add(made.id)
      return made
    },
  }
}

/** `item`: the key `alive/<host>`. */
export function announcedIn({ text, session }: Item, { has }: OwnSessions): LastAnnouncement {
  return {
    ...readAnnouncement(text),
    session,
    isOwnSession: session === undefined ? undefined : has(session),
  }
}

/** `items` are the keys `alive/…`. */
export function keysIn(items: readonly Item[], prefix: string): Omit<Liveness, 'sessions'> {
  const keys = byHost(prefix, items)
  const vtepIn = ([host, { text }]: [HostName, Item]): [HostName, Ip][] => {
    const { vtep } = readAnnouncement(text)
    return vtep === undefined ? [] : [[host, vtep]]
  }
  return {
    keys: new Map(keys.map(([host, { session }]) => [host, session])),
    announced: new Map(keys.toSorted(([, a], [, b]) => a.created - b.created).flatMap(vtepIn)),
  }
}

/** The value of a key `alive/<host>`. Id and VTEP are absent where a person has written another value. */
export function readAnnouncement(text: string): Partial<Announcement> {
  const { id, vtep } = Object(jsonIn(text)) as Record<string, unknown>
  const textOf = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined)
  return defined({ id: textOf(id), vtep: textOf(vtep) })
}
