/**
 * Keeps this host's record: where its tunnel ends, which versions run, and the session that shows it as alive.
 *
 * The tunnel end stands in the record of every endpoint too, so that other hosts need one record only; when it has
 * moved (a new lease, another interface), they all move with it. A host that was taken out of the cluster while it was
 * away makes its record again, and those of the networks that its engine has.
 */
import { DriverError } from '../../core/errors.ts'
import { addReplica } from '../../core/record-changes.ts'
import type { Change, HostName, HostRecord, Ip, NetworkId, Snapshot } from '../../core/records.ts'
import { endpointsOnHost, isReplicaOn, keyIn, replicasOn } from '../../core/snapshot.ts'
import type { Engine } from '../../engine/engine.ts'
import type { Log } from '../../log.ts'
import type { Announcement, ChangedKey, Store } from '../../store/store.ts'
import { splitIntoCommits } from '../../store/transaction-limits.ts'
import { type Loop, type LoopRun, startLoop } from '../kit/loop.ts'

export interface HostOptions {
  store: Store
  engine: Pick<Engine, 'version'>
  host: HostName
  blank(): HostRecord
  log: Log
  everyMs?: number
  onRun?(run: LoopRun): void
}

export function startHost({ store, engine, host, blank, log, everyMs = 10_000, onRun }: HostOptions): Loop {
  let last = networksHere(store.snapshot(), host)
  const work = async (): Promise<void> => {
    const { vtep, driverVersion } = blank()
    const session = await announce(store, { id: host, vtep })
    // The engine may be away, or start after us: the record does without.
    const engineVersion = await engine.version().catch(() => undefined)
    const facts = { vtep, driverVersion, session, ...(engineVersion === undefined ? {} : { engineVersion }) }
    const snapshot = await freshEnough(store, host)
    const before = snapshot.hosts.get(host)?.value
    if (before !== undefined && before.vtep !== vtep) {
      log.warn({ was: before.vtep, is: vtep }, 'the tunnel end of this host has moved')
    }
    if (differs(before, facts)) {
      if (before === undefined && last !== undefined) log.warn({}, 'this host was taken out, and is back')
      const again = before === undefined ? replicasAgain(snapshot, host, last ?? new Map()) : []
      // Together with the record, as far as one commit goes: who sees them sees that this host lives.
      await commitAll(store, [recordChange(snapshot, host, { ...before, ...facts }), ...again])
    }
    await commitAll(store, moves(store.snapshot(), host, vtep))
  }
  const loop = startLoop({ name: 'host', everyMs, log, work, onRun })
  const stop = store.onChange((snapshot, keys) => {
    if (!keys.some((key) => isOwn(key, host))) return
    const now = networksHere(snapshot, host)
    last = now ?? last
    if (now === undefined) loop.poke()
  })
  return {
    ...loop,
    async close() {
      stop()
      await loop.close()
    },
  }
}

/**
 * This host's session. A holder with this host's VTEP is this host's earlier life: no two machines have one address of
 * the underlay. Throws `taken` for any other holder.
 */
async function announce(store: Store, self: Announcement): Promise<string> {
  const outcome = await store.announce(self)
  if (outcome.held) return outcome.session
  const { host, session, vtep, id } = outcome.by
  if (vtep !== self.vtep) {
    throw new DriverError('taken', `another live host is called ${host}: VTEP ${vtep}, id ${id}`, {
      hint: 'give this host a name of its own with --host-name',
    })
  }
  await store.endSession(session)
  const again = await store.announce(self)
  if (again.held) return again.session
  throw new DriverError('unavailable', `the name ${host} is held by session ${again.by.session}`)
}

function isOwn(changed: ChangedKey, host: HostName): boolean {
  return (changed.table === 'hosts' && changed.key === host) || isReplicaOn(changed, host)
}

/** Undefined where the store does not have the host: what it has of the networks then is on its way out. */
function networksHere(snapshot: Snapshot, host: HostName): ReadonlyMap<string, NetworkId> | undefined {
  return snapshot.hosts.has(host) ? replicasOn(snapshot, host) : undefined
}

/** The engine has them as it had, and is not waited for. */
function replicasAgain(snapshot: Snapshot, host: HostName, last: ReadonlyMap<string, NetworkId>): Change[] {
  const stillThere = [...last].filter(([, network]) => snapshot.networks.has(network))
  return stillThere.map(([local, network]) => addReplica(snapshot, host, local, network))
}

function recordChange(snapshot: Snapshot, host: HostName, value: HostRecord): Change {
  const before = snapshot.hosts.get(host)
  if (before === undefined) return { op: 'create', table: 'hosts', key: host, value }
  return { op: 'update', table: 'hosts', key: host, value, index: before.index }
}

async function commitAll(store: Store, changes: readonly Change[]): Promise<void> {
  for (const part of splitIntoCommits(changes)) await store.commit(part)
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

function moves(snapshot: Snapshot, host: HostName, vtep: Ip): Change[] {
  const stale = endpointsOnHost(snapshot, host).filter(({ value }) => value.vtep !== vtep)
  return stale.map(({ value, index }): Change => {
    return {
      op: 'update',
      table: 'endpoints',
      key: keyIn(value.network, value.id),
      value: { ...value, vtep },
      index,
    }
  })
}
