/**
 * Keeps this host's record: where its tunnel ends, which versions run, and the session that shows it as alive.
 *
 * The tunnel end stands in the record of every endpoint too, so that other hosts need one record only; when it has
 * moved (a new lease, another interface), they all move with it. A host that was taken out of the cluster while it was
 * away makes its record again, with the networks that it had.
 */
import { changeHost } from '../core/changes.ts'
import type { Change, HostName, HostRecord, Ip, Snapshot } from '../core/model.ts'
import { endpointsOnHost, keyIn } from '../core/snapshot.ts'
import type { Engine } from '../engine/engine.ts'
import type { Store } from '../store/store.ts'
import type { Log } from './log.ts'
import { type Loop, type LoopRun, startLoop } from './loop.ts'

export interface HostOptions {
  store: Store
  engine: Pick<Engine, 'version'>
  host: HostName
  blank(): HostRecord
  log: Log
  everyMs?: number
  onRun?(run: LoopRun): void
}

/** Far below the 60 steps of a commit. */
const endpointsPerCommit = 40

export function startHost({ store, engine, host, blank, log, everyMs = 10_000, onRun }: HostOptions): Loop {
  let last = store.snapshot().hosts.get(host)?.value
  const work = async (): Promise<void> => {
    const session = await store.session()
    // The engine may be away, or start after us: the record does without.
    const engineVersion = await engine.version().catch(() => undefined)
    const { vtep, driverVersion } = blank()
    const facts = { vtep, driverVersion, session, ...(engineVersion === undefined ? {} : { engineVersion }) }
    const snapshot = await freshEnough(store, host)
    const before = snapshot.hosts.get(host)?.value
    if (before !== undefined && before.vtep !== vtep) {
      log.warn({ was: before.vtep, is: vtep }, 'the tunnel end of this host has moved')
    }
    if (differs(before, facts)) {
      if (before === undefined && last !== undefined) log.warn({}, 'this host was taken out, and is back')
      const anew = { ...blank(), networks: stillThere(snapshot, last) }
      await store.commit([changeHost(snapshot, host, anew, (record) => ({ ...record, ...facts }))])
    }
    for (const changes of moves(store.snapshot(), host, vtep)) await store.commit(changes)
  }
  const loop = startLoop({ name: 'host', everyMs, log, work, onRun })
  const stop = store.onChange((snapshot, changed) => {
    if (!changed.some(({ table, key }) => table === 'hosts' && key === host)) return
    const record = snapshot.hosts.get(host)?.value
    last = record ?? last
    if (record === undefined) loop.poke()
  })
  return {
    ...loop,
    async close() {
      stop()
      await loop.close()
    },
  }
}

/** The engine has them as it had, and is not waited for. */
function stillThere({ networks }: Snapshot, last: HostRecord | undefined): HostRecord['networks'] {
  return Object.fromEntries(Object.entries(last?.networks ?? {}).filter(([, id]) => networks.has(id)))
}

/** The copy at hand, but read anew before a record is made where there seems to be none. */
async function freshEnough(store: Store, host: HostName): Promise<Snapshot> {
  return store.snapshot().hosts.has(host) ? store.snapshot() : store.read()
}

function differs(record: HostRecord | undefined, facts: Partial<HostRecord>): boolean {
  return (
    record === undefined ||
    Object.entries(facts).some(([key, value]) => record[key as keyof HostRecord] !== value)
  )
}

function moves(snapshot: Snapshot, host: HostName, vtep: Ip): Change[][] {
  const stale = endpointsOnHost(snapshot, host).filter(({ value }) => value.vtep !== vtep)
  const changes = stale.map(({ value, index }): Change => {
    return {
      op: 'update',
      table: 'endpoints',
      key: keyIn(value.network, value.id),
      value: { ...value, vtep },
      index,
    }
  })
  const commits: Change[][] = []
  for (let at = 0; at < changes.length; at += endpointsPerCommit) {
    commits.push(changes.slice(at, at + endpointsPerCommit))
  }
  return commits
}
