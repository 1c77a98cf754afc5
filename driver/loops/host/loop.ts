/**
 * Keeps this host's record: its VTEP, the versions of driver and engine, and the session that shows it as
 * alive.
 *
 * Every endpoint's record has its host's VTEP too, so that other hosts need one record only. When the VTEP
 * changes (a new DHCP lease, another interface), this loop changes the records of all endpoints of the host.
 * A host that was removed from the cluster while it was away makes its record again, and the replicas of the
 * networks in its engine.
 */
import { isDeepStrictEqual } from 'node:util'
import { type AskedOnce, askedOnce } from '../../core/asked-once.ts'
import { defined } from '../../core/defined.ts'
import { mayMeetEngines } from '../../core/pools.ts'
import { addReplica } from '../../core/record-changes.ts'
import type {
  Change,
  Cidr,
  ForeignVxlan,
  HostName,
  HostRecord,
  Ip,
  NetworkId,
  Snapshot,
} from '../../core/records.ts'
import { publishedRoutes, type Route } from '../../core/routes.ts'
import { endpointsOnHost, isReplicaOn, keyIn, replicasOn } from '../../core/snapshot.ts'
import { publishedVxlans } from '../../core/tunnels/foreign-vxlans.ts'
import type { Engine } from '../../engine/engine.ts'
import type { Log } from '../../log.ts'
import type { ChangedKey, Store } from '../../store/store.ts'
import { splitIntoCommits } from '../../store/transaction-limits.ts'
import { within } from '../../within.ts'
import { type Loop, type LoopRun, startLoop } from '../kit/loop.ts'
import type { HostClaim } from './claim.ts'
import { createGatewayBridge, type GatewayBridge, type GatewayBridgeOptions } from './gateway-bridge.ts'

export interface HostOptions {
  store: Store
  engine: Pick<Engine, 'version' | 'addressPools'> & GatewayBridgeOptions['engine']
  host: HostName
  claim: Pick<HostClaim, 'renew'>
  /** This host's networks before the store was read: Docker's id -> the network. */
  replicas?: ReadonlyMap<string, NetworkId> | undefined
  blank(): HostRecord
  /** This host's routes now. */
  routes(): Promise<readonly Route[]>
  /** Other programs' VXLAN devices on this host now. */
  foreignVxlans(): Promise<readonly ForeignVxlan[]>
  /** This host's name servers now, as it publishes them. Undefined: not known, the record keeps its earlier ones. */
  resolvers(): Promise<Ip[] | undefined>
  /** What this host publishes of its tunnel. */
  tunnel(): HostRecord['tunnel']
  log: Log
  everyMs: number
  onRun?(run: LoopRun): void
}

export interface HostLoop extends Loop {
  /** The engine may have other options and other networks than before. */
  engineRestarted(): void
  /** The host may have other VXLAN devices than before. */
  linksChanged(): void
  /** The engine has made or removed a network of that name. */
  engineNetworkChanged(name: string | undefined): void
  problems(): string[]
}

const answersWithinMs = 200
/** A bridge that takes longer is published when the engine tells of it. */
const makesBridgeWithinMs = 1000

export function startHost(options: HostOptions): HostLoop {
  const { store, engine, host, claim, blank, tunnel, log, everyMs, onRun } = options
  let last = networksHere(store.snapshot(), host) ?? (options.replicas?.size ? options.replicas : undefined)
  const known = rememberPools(engine)
  const vxlans = askedOnce(async () => publishedVxlans(await options.foreignVxlans()))
  const mayClash = (): boolean => mayMeetEngines(store.snapshot().pools.keys(), known.pools())
  const bridge = createGatewayBridge({ engine, log, mayClash, graceMs: everyMs })
  const work = async ({ poke }: Loop): Promise<void> => {
    const { vtep, driverVersion } = blank()
    const session = await claim.renew(vtep)
    // The bridge that the engine makes has one of the routes.
    const ofEngine = await engineFacts(known, bridge, poke)
    const facts = defined({
      vtep,
      driverVersion,
      session,
      ...ofEngine,
      tunnel: tunnel(),
      ...(await machineFacts(options, vxlans)),
    })
    const snapshot = await freshEnough(store, host)
    const before = snapshot.hosts.get(host)?.value
    if (before !== undefined && before.vtep !== vtep) {
      log.warn({ was: before.vtep, is: vtep }, 'the VTEP of this host has changed')
    }
    if (differs(before, facts)) {
      if (before === undefined && last !== undefined)
        log.warn({}, 'this host was removed from the cluster, and is back')
      const again = before === undefined ? replicasAgain(snapshot, host, last ?? new Map()) : []
      // In the commit of the host's record where they fit: another host that reads the replicas reads a live host.
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
    linksChanged: vxlans.forget,
    engineRestarted() {
      known.forgetPools()
      bridge.changed()
    },
    engineNetworkChanged(name) {
      bridge.changed(name)
      loop.poke()
    },
    problems: bridge.problems,
    async close() {
      stop()
      await loop.close()
    },
  }
}

/** What cannot be read is as before. */
async function machineFacts(
  { routes, resolvers }: HostOptions,
  vxlans: AskedOnce<ForeignVxlan[]>,
): Promise<Partial<HostRecord>> {
  return defined({
    routes: await routes().then(publishedRoutes, () => undefined),
    foreignVxlans: await vxlans.get().catch(() => undefined),
    resolvers: await resolvers(),
  })
}

/**
 * An engine that starts is not waited for: it asks for networks when it answers, and the record may be gone.
 */
async function engineFacts(
  known: ReturnType<typeof rememberPools>,
  bridge: GatewayBridge,
  poke: () => void,
): Promise<{ engineVersion: string | undefined; enginePools: Cidr[] | undefined }> {
  const asked = known.version()
  const engineVersion = await within(asked, answersWithinMs)
  if (engineVersion === undefined) void asked.then((late) => late !== undefined && poke())
  else await within(bridge.keep(), makesBridgeWithinMs)
  return { engineVersion, enginePools: known.pools() }
}

/** The engine may be away, or start later than the driver: the record then has no engine version. */
function rememberPools(engine: HostOptions['engine']) {
  let pools: Cidr[] | undefined
  return {
    async version(): Promise<string | undefined> {
      const asked = pools ?? engine.addressPools().catch(() => undefined)
      const version = await engine.version().catch(() => undefined)
      pools ??= await asked
      return version
    },
    pools: () => pools,
    forgetPools() {
      pools = undefined
    },
  }
}

function isOwn(changed: ChangedKey, host: HostName): boolean {
  return (changed.table === 'hosts' && changed.key === host) || isReplicaOn(changed, host)
}

/** Undefined where the store does not have the host: an eviction is then removing the host's replicas. */
function networksHere(snapshot: Snapshot, host: HostName): ReadonlyMap<string, NetworkId> | undefined {
  return snapshot.hosts.has(host) ? replicasOn(snapshot, host) : undefined
}

/** The host's earlier replicas. The engine, which may be away, still has the networks. */
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

/** The store's snapshot. Read from Consul where it lacks the host, since a record is then made. */
async function freshEnough(store: Store, host: HostName): Promise<Snapshot> {
  return store.snapshot().hosts.has(host) ? store.snapshot() : store.read()
}

function differs(record: HostRecord | undefined, facts: Partial<HostRecord>): boolean {
  return (
    record === undefined ||
    Object.entries(facts).some(([key, value]) => !isDeepStrictEqual(record[key as keyof HostRecord], value))
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
