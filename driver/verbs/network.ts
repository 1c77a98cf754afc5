/**
 * CreateNetwork and DeleteNetwork.
 *
 * One commit creates a network with everything it needs: its VNI, its pools, its replica on this host. The
 * plugin protocol does not pass the name: the networks loop learns it from the engine, and then the other
 * hosts make their replicas. A removal has two steps, so that it cannot cross the creation of an endpoint on
 * another host: first the network is marked, and the creation of an endpoint requires the network in the
 * version that it has read.
 *
 * DeleteNetwork means "not on this host": `docker network prune` calls it as well. The network is removed
 * everywhere only if no host needs it. Otherwise the networks loop makes this host's replica again. Docker
 * calls it, too, for a replica that it could not keep: then the network stays in any case.
 */

import { innerMtu, smallestMtu } from '../core/datapath/mtu.ts'
import { defined } from '../core/defined.ts'
import { DriverError, isCode } from '../core/errors.ts'
import { canonicalCidr, lastUsable, withoutLength } from '../core/ip.ts'
import { addReplica, markRemoved, removeNetwork, removeReplica } from '../core/record-changes.ts'
import {
  type Change,
  type ForeignVxlan,
  type HostName,
  type Ip,
  type Network,
  type NetworkId,
  type Pool,
  type PoolClaim,
  replicaOption,
  type Snapshot,
  type Versioned,
  type Vni,
} from '../core/records.ts'
import {
  endpointsOf,
  localIdsOf,
  networkIdOnHost,
  networkOfKey,
  restOf,
  servicesOf,
  usesOfNetwork,
} from '../core/snapshot.ts'
import { judgedPorts } from '../core/tunnels/filter.ts'
import { foreignVxlansIn } from '../core/tunnels/foreign-vxlans.ts'
import { checkVni, nextVni } from '../core/vnis.ts'
import { unreadableKeys } from '../store/lookup.ts'
import type { Store, StoreStatus } from '../store/store.ts'
import { splitIntoCommits } from '../store/transaction-limits.ts'
import { becomes } from './becomes.ts'
import type { VerbContext } from './context.ts'
import { type NetworkOptions, parseOptions } from './network-options.ts'
import { optimisticTransaction, type Proposal } from './optimistic-transaction.ts'
import { poolTaken } from './pool.ts'
import type { RemovedNetworks } from './removed-networks.ts'
import { addressSpace, type NetworkAsk, type PoolData, type Verbs } from './verbs.ts'

export function networkVerbs(
  context: VerbContext,
  removed: RemovedNetworks,
): Pick<Verbs, 'createNetwork' | 'deleteNetwork'> {
  const { store, host, inFlight } = context
  return {
    async createNetwork(ask, signal) {
      const propose = await proposalFor(ask, context, removed)
      checkIpam(ask)
      inFlight.newNetworks.add(ask.localId)
      try {
        await optimisticTransaction(store, propose, { signal })
      } catch (error) {
        // Docker was told of an error. The commit can be in the store all the same: then the networks loop
        // discards it.
        inFlight.newNetworks.remove(ask.localId)
        throw error
      }
    },
    async deleteNetwork(localId) {
      const isNew = inFlight.newNetworks.all().includes(localId)
      inFlight.newNetworks.remove(localId)
      if (isNew && isCopy(store.snapshot(), host, localId)) return takeCopyBack(context, localId)
      // Docker removes its network after every answer, and does not call again. So the next start of the
      // driver reads it.
      const { removedNetworks } = store.journal
      const written = removedNetworks.add(localId)
      written.catch(() => 'thrown below')
      await removeFromHost(context, localId)
      if (removedNetworks.all().includes(localId)) await written
    },
  }
}

/** The options of a replica are the network's: the host that created it has checked them, with its own underlay. */
async function proposalFor(
  ask: NetworkAsk,
  context: VerbContext,
  removed: RemovedNetworks,
): Promise<(snapshot: Snapshot) => Proposal<void>> {
  const { [replicaOption]: replicaOf, ...given } = ask.options
  if (replicaOf !== undefined) return (snapshot) => addReplicaOf(snapshot, ask, replicaOf, context)
  const { device, address, mtuBytes } = context.underlay()
  const smallestMtuBytes = ask.v6.length > 0 ? smallestMtu.v6 : smallestMtu.v4
  const largestMtuBytes = Math.max(smallestMtuBytes, innerMtu(mtuBytes, address))
  const options = parseOptions(given, { device, smallestMtuBytes, largestMtuBytes })
  const own = { host: context.host, vxlans: await foreignVxlansOf(context) }
  const choose = (snapshot: Snapshot): Vni => {
    const foreign = foreignVxlansIn(snapshot, own)
    return chooseVni(snapshot, options, foreign, {
      removed,
      unreadable: unreadableKeys(context.store.status(), 'vnis'),
    })
  }
  return (snapshot) => create(snapshot, ask, options, context, choose)
}

function isCopy(snapshot: Snapshot, host: HostName, localId: string): boolean {
  const id = networkIdOnHost(snapshot, host, localId)
  return id !== undefined && id !== localId
}

/**
 * Docker calls DeleteNetwork, too, when it cannot keep a network that it has just made (a full disk): moby's
 * NewNetwork in libnetwork/controller.go. Docker lists no such copy, so no person can have removed it.
 */
function takeCopyBack({ store, host, inFlight }: VerbContext, localId: string): Promise<void> {
  return inFlight.deferred.do(`forget network ${localId.slice(0, 12)}`, () =>
    optimisticTransaction(store, (snapshot) => {
      return { changes: removeReplica(snapshot, host, localId), answer: undefined }
    }),
  )
}

/** Where the kernel does not say, those of this host's record. */
function foreignVxlansOf({ store, host, foreignVxlans }: VerbContext): Promise<readonly ForeignVxlan[]> {
  return foreignVxlans().catch(() => store.snapshot().hosts.get(host)?.value.foreignVxlans ?? [])
}

/** Resolves when the store has it, or when it is kept for a store that is away. */
function removeFromHost(context: VerbContext, localId: string): Promise<void> {
  const { store, host, inFlight } = context
  const known = networkIdOnHost(store.snapshot(), host, localId)
  return inFlight.deferred.do(`delete network ${localId.slice(0, 12)}`, async () => {
    try {
      await usesMayEnd(store, host, localId)
      const unused = await optimisticTransaction(store, (snapshot) =>
        markForRemoval(snapshot, localId, context, known),
      )
      if (unused !== undefined) await finishRemoval(store, unused, host)
    } catch (error) {
      if (isCode(error, 'unavailable')) throw error
      store.journal.removedNetworks.done(localId)
      throw error
    }
    store.journal.removedNetworks.done(localId)
  })
}

/** The engine's own IPAM would hand out the same addresses on every host. */
function checkIpam({ v4, v6 }: NetworkAsk): void {
  if ([...v4, ...v6].some((data) => data.addressSpace !== addressSpace)) throw foreignIpam()
  if (v4.length === 0) {
    throw new DriverError('invalid', 'a network needs an IPv4 subnet', { hint: 'omit --ipv4=false' })
  }
  if (v4.length > 1 || v6.length > 1) {
    throw new DriverError('invalid', 'a network has at most one IPv4 and one IPv6 subnet', {
      hint: 'give one --subnet of each kind, or create a second network',
    })
  }
}

function create(
  snapshot: Snapshot,
  ask: NetworkAsk,
  options: NetworkOptions,
  context: VerbContext,
  vniIn: (snapshot: Snapshot) => Vni,
): Proposal<void> {
  const { host, now } = context
  const id = ask.localId
  if (snapshot.networks.get(id)?.value.createdBy === host) return { changes: [], answer: undefined }
  const pools = [...ask.v4, ...ask.v6].map((data) => ownClaim(snapshot, data, context))
  const [v4, v6] = pools.map(({ pool }) => pool)
  if (v4 === undefined) throw foreignIpam()
  const vni = vniIn(snapshot)
  const network: Network = defined({
    id,
    vni,
    v4,
    v6,
    mtuBytes: options.mtuBytes,
    datapath: options.datapath,
    port: options.port,
    internal: ask.internal,
    options: options.given,
    labels: {},
    createdBy: host,
    createdAt: now().toISOString(),
  })
  const bind = pools.map(({ pool: { cidr }, claim }): Change => {
    const value: PoolClaim = { ...claim.value, network: id }
    return { op: 'update', table: 'pools', key: cidr, value, index: claim.index }
  })
  const changes: Change[] = [
    { op: 'create', table: 'networks', key: id, value: network },
    { op: 'create', table: 'vnis', key: String(vni), value: id },
    ...bind,
    addReplica(snapshot, host, id, id),
  ]
  return { changes, answer: undefined }
}

/** One that is asked for may be that of a device on a port whose packets the filter does not judge. */
function chooseVni(
  snapshot: Snapshot,
  { vni: asked, port }: Pick<NetworkOptions, 'vni' | 'port'>,
  foreign: ReturnType<typeof foreignVxlansIn>,
  { removed, unreadable }: { removed: RemovedNetworks; unreadable: ReadonlySet<string> },
): Vni {
  if (asked !== undefined) {
    const networks = [...snapshot.networks.values()].map(({ value }) => value)
    const ports = [port, ...judgedPorts(snapshot)]
    return checkVni(
      asked,
      networks,
      foreign.filter((it) => ports.includes(it.port)),
    )
  }
  const avoided = new Set([...removed.restingVnis(), ...foreign.map(({ vni }) => vni)])
  const isClaimed = (key: string): boolean => snapshot.vnis.has(key) || unreadable.has(key)
  const has = (vni: Vni): boolean => avoided.has(vni) || isClaimed(String(vni))
  return nextVni({ has }, removed.lastVni())
}

/** The pool as Docker passes it, and the claim that RequestPool made for it on this host. */
function ownClaim(
  snapshot: Snapshot,
  data: PoolData,
  { host }: VerbContext,
): { pool: Pool; claim: Versioned<PoolClaim> } {
  const cidr = canonicalCidr(data.pool)
  const claim = snapshot.pools.get(cidr)
  if (claim === undefined) throw foreignIpam()
  if (claim.value.host !== host || claim.value.network !== undefined)
    throw poolTaken(snapshot, cidr, cidr, claim.value)
  const { range, gateway } = claim.value
  const entries = Object.entries(data.aux).map(([name, address]) => [name, withoutLength(address)])
  const aux: Record<string, Ip> = Object.fromEntries(entries)
  const pool: Pool = defined({
    cidr,
    gateway: data.gateway === undefined ? (gateway ?? lastUsable(cidr)) : withoutLength(data.gateway),
    range,
    aux,
  })
  return { pool, claim }
}

/** The replica of an existing network on this host: only the replica's record is new. */
function addReplicaOf(
  snapshot: Snapshot,
  ask: NetworkAsk,
  id: NetworkId,
  context: VerbContext,
): Proposal<void> {
  const network = snapshot.networks.get(id)
  if (network === undefined || network.value.removing) {
    throw new DriverError('not-found', `the cluster has no network ${id.slice(0, 12)}`, {
      hint: 'omit -o multihost.id: only the driver itself uses it',
    })
  }
  const [data] = ask.v4
  if (data === undefined || canonicalCidr(data.pool) !== network.value.v4.cidr) throw foreignIpam()
  if (networkIdOnHost(snapshot, context.host, ask.localId) === id) return { changes: [], answer: undefined }
  return {
    changes: [
      { op: 'expect', table: 'networks', key: id, index: network.index },
      addReplica(snapshot, context.host, ask.localId, id),
    ],
    answer: undefined,
  }
}

/**
 * Removes this host's replica. When no host needs the network, the network is marked too and returned: then
 * it can be removed everywhere. `known`: the network whose replica this host had; its record can be gone
 * after a commit that was not answered.
 */
function markForRemoval(
  snapshot: Snapshot,
  localId: string,
  { host, store }: Pick<VerbContext, 'host' | 'store'>,
  known?: NetworkId,
): Proposal<NetworkId | undefined> {
  const marked = snapshot.networks.get(known ?? '')?.value.removing ? known : undefined
  const id = networkIdOnHost(snapshot, host, localId) ?? marked
  const changes = removeReplica(snapshot, host, localId)
  const network = id === undefined ? undefined : snapshot.networks.get(id)
  const twice = id !== undefined && localIdsOf(snapshot, host, id).some((other) => other !== localId)
  if (network === undefined || twice) return { changes, answer: undefined }
  // An earlier attempt has set the mark: finishRemoval decides, and removes the mark if the network is needed.
  if (network.value.removing) return { changes, answer: network.value.id }
  if (isNeeded(snapshot, host, network.value.id) || mayBeNeeded(store.status(), network.value.id))
    return { changes, answer: undefined }
  return { changes: [...changes, markRemoved(network)], answer: network.value.id }
}

/**
 * A host has an endpoint on the network, a service is published on it, or another host has a container for
 * it, stopped or not. This host's own stopped containers do not count, as for Docker's bridge networks.
 */
function isNeeded(snapshot: Snapshot, host: HostName | undefined, id: NetworkId): boolean {
  return isNeededNow(snapshot, id) || isUsedElsewhere(snapshot, host, id)
}

/** A record that cannot be read may be that of a container or a service on the network. */
function mayBeNeeded({ corrupt }: Pick<StoreStatus, 'corrupt'>, id: NetworkId): boolean {
  return corrupt.some(({ table, key }) => {
    if (table === 'uses') return restOf(key) === id
    return (table === 'endpoints' || table === 'services') && networkOfKey(key) === id
  })
}

function isNeededNow(snapshot: Snapshot, id: NetworkId): boolean {
  return endpointsOf(snapshot, id).length > 0 || servicesOf(snapshot, id).length > 0
}

function isUsedElsewhere(snapshot: Snapshot, host: HostName | undefined, id: NetworkId): boolean {
  return [...usesOfNetwork(snapshot, id).keys()].some((other) => other !== host)
}

/** A container that was removed on another host a moment ago is in that host's record for some 100 ms more. */
const usesEndWithinMs = 1000

/** Waits while only other hosts' uses keep the network. */
function usesMayEnd(store: Store, host: HostName, localId: string): Promise<boolean> {
  const isOver = (): boolean => {
    const snapshot = store.snapshot()
    const id = networkIdOnHost(snapshot, host, localId)
    return id === undefined || isNeededNow(snapshot, id) || !isUsedElsewhere(snapshot, host, id)
  }
  return becomes(store, isOver, usesEndWithinMs)
}

function unmark({ value: { removing: _, ...value }, index }: Versioned<Network>): Change {
  return { op: 'update', table: 'networks', key: value.id, value, index }
}

/**
 * Removes a marked network and its records. When the network was needed before the mark was set, which this
 * host's copy of the store did not show yet, the mark is removed instead. `host`: this host, when it has set
 * the mark; its own stopped containers do not keep the network. Any host may do this, at any time, also
 * several at once.
 */
export async function finishRemoval(store: Store, id: NetworkId, host?: HostName): Promise<void> {
  for (let attempt = 0; attempt < 5; attempt++) {
    const snapshot = await store.read()
    const network = snapshot.networks.get(id)
    if (!network?.value.removing) return
    try {
      const stays = isNeeded(snapshot, host, id) || mayBeNeeded(store.status(), id)
      const commits = stays ? [[unmark(network)]] : removalCommits(snapshot, network)
      for (const changes of commits) await store.commit(changes)
      return
    } catch (error) {
      // Another host does the same, or the name was learnt meanwhile: read again.
      if (!isCode(error, 'conflict')) throw error
    }
  }
  throw new DriverError('unavailable', `other hosts change the records of network ${id.slice(0, 12)}`)
}

function removalCommits(snapshot: Snapshot, network: Versioned<Network>): Change[][] {
  const { contents, claims } = removeNetwork(snapshot, network)
  return [...splitIntoCommits(contents), claims]
}

function foreignIpam(): DriverError {
  return new DriverError('invalid', 'the addresses of a vxlan network must come from the vxlan IPAM driver', {
    hint: 'use: docker network create -d vxlan --ipam-driver vxlan NAME',
  })
}
