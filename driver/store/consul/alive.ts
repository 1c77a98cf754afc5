/**
 * This host's key `alive/<host>`, locked by its session, and what those of the others say.
 *
 * The lock shows the life of the driver and owns nothing else: a Consul that restarts, or a driver that dies, deletes
 * no record. Sessions have no lock delay, so that a driver that starts again has its key at once. Source: Consul's
 * documentation of sessions, "lock-delay".
 */
import type { HostName, Ip } from '../../core/records.ts'
import type { Log } from '../../log.ts'
import type { Announcement, AnnounceOutcome, Store } from '../store.ts'
import type { ConsulClient, Item } from './client.ts'
import { createSessionKeeper } from './session.ts'

export interface Announcer extends Pick<Store, 'announce' | 'lastAnnouncement' | 'liveness'> {
  close(): Promise<void>
}

export interface AnnouncerOptions {
  client: ConsulClient
  prefix: string
  host: HostName
  ttlMs: number
  log: Log
}

const folder = 'alive'

/** The key that the session of a host locks. */
export function aliveKey(prefix: string, host: HostName): string {
  return `${prefix}/${folder}/${encodeURIComponent(host)}`
}

/** The hosts whose keys are held, among all keys of the store. */
export function aliveIn(prefix: string, items: readonly Item[]): Set<HostName> {
  const own = `${prefix}/${folder}/`
  const held = items.filter(({ key, session }) => session !== undefined && key.startsWith(own))
  return new Set(held.map(({ key }) => decodeURIComponent(key.slice(own.length))))
}

export function createAnnouncer({ client, prefix, host, ttlMs, log }: AnnouncerOptions): Announcer {
  const keeper = createSessionKeeper(client, {
    name: `multihost ${host}`,
    ttlMs,
    lost: (id) => log.warn({ session: id }, 'Consul has lost the session, it is made anew'),
  })
  const list = async (): Promise<Item[]> => {
    const { items } = await client.list(`${prefix}/${folder}/`, { consistent: true })
    return items.filter(({ key }) => key !== `${prefix}/${folder}/`)
  }
  const hostOf = ({ key }: Item): HostName => decodeURIComponent(key.slice(prefix.length + folder.length + 2))
  const vtepIn = (item: Item): [HostName, Ip][] => {
    const { vtep } = announcementIn(item)
    return vtep === undefined ? [] : [[hostOf(item), vtep]]
  }
  const Key = aliveKey(prefix, host)
  const own = async (): Promise<Item | undefined> => (await list()).find(({ key }) => key === Key)
  return {
    async announce(self): Promise<AnnounceOutcome> {
      const session = await keeper.session()
      const Value = Buffer.from(JSON.stringify(self)).toString('base64')
      const answer = await client.transact([{ Verb: 'lock', Key, Value, Session: session }])
      if (!('failedStep' in answer)) return { held: true, session }
      const held = await own()
      if (held?.session === undefined || held.session === session) return this.announce(self)
      return { held: false, by: { host, session: held.session, ...announcementIn(held) } }
    },
    async lastAnnouncement() {
      const item = await own()
      return item && { ...announcementIn(item), session: item.session }
    },
    async liveness() {
      const [items, sessions, session] = await Promise.all([list(), client.sessions(), keeper.session()])
      return {
        keys: new Map(items.map((item) => [hostOf(item), item.session])),
        announced: new Map(items.sort((a, b) => a.created - b.created).flatMap(vtepIn)),
        sessions: new Set(sessions),
        seesSessions: sessions.includes(session),
      }
    },
    close: keeper.close,
  }
}

function announcementIn({ text }: Item): Partial<Announcement> {
  try {
    const { id, vtep } = JSON.parse(text)
    return { id: String(id), vtep: String(vtep) }
  } catch {
    // Written by hand: the session alone tells of the holder.
    return {}
  }
}
