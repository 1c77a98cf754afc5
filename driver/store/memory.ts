/**
 * The store in memory, for tests: several stores of one cluster see each other's commits.
 *
 * It is as strict as Consul: the same checks of keys and values, indexes that only grow, and other stores are
 * notified later than the store that commits. With `away` set, every call fails as if Consul could not be
 * reached.
 */
import { randomUUID } from 'node:crypto'
import { setImmediate as later } from 'node:timers/promises'
import { DriverError } from '../core/errors.ts'
import type { Change, HostName, Snapshot } from '../core/records.ts'
import { emptySnapshot } from '../core/snapshot.ts'
import { type Log, silentLog } from '../log.ts'
import { conflictAt, type Step, stepsOf, writtenBy } from './consul/operations.ts'
import { createListeners } from './listeners.ts'
import { lookupIn } from './lookup.ts'
import { createMirror, type Mirror, type RawRecord, type Written } from './mirror.ts'
import type { Announcement, ChangedKey, Store, StoreStatus } from './store.ts'

export interface MemoryCluster {
  open(host: HostName, log?: Log): Store
  /** While true, every call fails with `unavailable`. */
  away: boolean
  /** Writes a value as a person would with Consul's CLI; stores notice when they read. */
  put(table: RawRecord['table'], key: string, text: string): void
}

interface Shared {
  away: boolean
  index: number
  records: Map<string, RawRecord>
  sessions: Set<string>
  /** Host -> its announcement, and the session that holds it. */
  alive: Map<HostName, Announcement & { session: string }>
  members: Set<Member>
}

interface Member {
  mirror: Mirror
  missed: boolean
  becameFresh(): void
}

export function createMemoryCluster(): MemoryCluster {
  const shared: Shared = {
    away: false,
    index: 0,
    records: new Map(),
    sessions: new Set(),
    alive: new Map(),
    members: new Set(),
  }
  return {
    get away() {
      return shared.away
    },
    set away(away) {
      shared.away = away
      if (away) return
      for (const member of shared.members) {
        if (member.missed) refresh(shared, member)
        member.becameFresh()
      }
    },
    open: (host, log) => open(shared, host, log),
    put: (table, key, text) => {
      shared.records.set(`${table}/${key}`, { table, key, text, index: ++shared.index })
    },
  }
}

/** A cluster with one store, for tests of one host. */
export function createMemoryStore(host: HostName = 'net-1'): Store {
  return createMemoryCluster().open(host)
}

function open(shared: Shared, host: HostName, log: Log = silentLog): Store {
  const failed = (error: unknown): void => log.error({ err: error }, 'a listener of the store threw an error')
  const listeners = createListeners<[Snapshot, readonly ChangedKey[]]>(failed)
  const freshness = createListeners<[]>(failed)
  const mirror = createMirror(emptySnapshot(), {
    changed: listeners.notify,
    corrupt: (error) => log.error({ err: error }, 'a value in the store is invalid and is ignored'),
  })
  const member = { mirror, missed: false, becameFresh: freshness.notify }
  const id = `${host}-${randomUUID()}`
  let closed = false
  const answer = async (): Promise<void> => {
    await later()
    if (shared.away || closed) throw away(shared.away)
  }
  const status = (): StoreStatus => ({
    url: 'memory',
    fresh: !shared.away,
    ageMs: 0,
    index: mirror.index(),
    lastError: shared.away ? away(true).message : undefined,
    corrupt: mirror.corrupt(),
    doubt: undefined,
    cluster: 'memory',
  })
  shared.members.add(member)
  refresh(shared, member)
  return {
    snapshot: () => mirror.snapshot(),
    async read(): Promise<Snapshot> {
      await answer()
      refresh(shared, member)
      return mirror.snapshot()
    },
    async commit(changes) {
      const steps = stepsOf(changes)
      await answer()
      commit(shared, member, steps)
    },
    onChange: listeners.add,
    onFresh: freshness.add,
    lookup: (table, key) => lookupIn(mirror.snapshot(), status(), table, key),
    status,
    ...livesIn(shared, host, id, answer),
    async close() {
      closed = true
      shared.sessions.delete(id)
      shared.members.delete(member)
    },
  }
}

/** Locks and sessions, as Consul has them. */
function livesIn(
  shared: Shared,
  host: HostName,
  id: string,
  answer: () => Promise<void>,
): Pick<Store, 'announce' | 'endSession' | 'liveness'> {
  return {
    async announce(self) {
      await answer()
      shared.sessions.add(id)
      const holder = shared.alive.get(host)
      if (holder !== undefined && holder.session !== id && shared.sessions.has(holder.session))
        return { held: false, by: { host, ...holder } }
      shared.alive.set(host, { ...self, session: id })
      return { held: true, session: id }
    },
    async endSession(session) {
      await answer()
      shared.sessions.delete(session)
    },
    async liveness() {
      await answer()
      const { alive, sessions } = shared
      const keys = [...alive].map(
        ([name, { session }]) => [name, sessions.has(session) ? session : undefined] as const,
      )
      return { keys: new Map(keys), sessions: new Set(sessions), seesSessions: true }
    },
  }
}

function commit(shared: Shared, own: { mirror: Mirror }, steps: readonly Step[]): void {
  const failed = steps.find((step) => !holds(step.change, indexOf(shared, step)))
  if (failed !== undefined) {
    const unreadable = own.mirror.corrupt().includes(`${failed.table}/${failed.key}`)
    throw conflictAt(failed, unreadable ? 'its value cannot be read' : undefined)
  }
  const written = writtenBy(steps)
  if (written.length === 0) return
  const index = ++shared.index
  for (const { table, key, value } of written) {
    const name = `${table}/${key}`
    if (value === undefined) shared.records.delete(name)
    else shared.records.set(name, { table, key, index, text: JSON.stringify(value) })
  }
  own.mirror.commit(index, written)
  for (const member of shared.members) void deliver(shared, member, index, written)
}

async function deliver(
  shared: Shared,
  member: Member,
  index: number,
  written: readonly Written[],
): Promise<void> {
  await later()
  if (shared.away) member.missed = true
  else member.mirror.follow([{ index, written }], index)
}

function refresh(shared: Shared, member: Member): void {
  member.missed = false
  member.mirror.beginFullRead().finish([...shared.records.values()], shared.index)
}

function holds(change: Change, index: number | undefined): boolean {
  switch (change.op) {
    case 'create':
      return index === undefined
    case 'update':
    case 'expect':
      return index === change.index
    case 'remove':
      return index === undefined || index === change.index
    case 'drop':
      return true
  }
}

function indexOf(shared: Shared, { table, key }: Step): number | undefined {
  return shared.records.get(`${table}/${key}`)?.index
}

function away(isAway: boolean): DriverError {
  const why = isAway ? 'the store in memory does not answer' : 'the store is closed'
  return new DriverError('unavailable', why, { hint: 'running containers are not affected' })
}
