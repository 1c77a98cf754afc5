/**
 * RequestPool and ReleasePool: claims of address blocks, made before the network has an id.
 *
 * A claim is a key that can only be created, so the same block cannot be claimed twice. Two hosts can claim
 * different blocks that overlap at the same moment. So each host reads again after its claim was written, and
 * retracts the claim when an overlapping one was first. A host that makes its copy of an existing network
 * passes an option (`multihost.id`) and gets that network's pool.
 */

import { DriverError } from '../core/errors.ts'
import { canonicalCidr, isCidr, overlaps, parseCidr } from '../core/ip.ts'
import { checkPool, checkRange, choosePool } from '../core/pools.ts'
import {
  type Change,
  type Cidr,
  type HostName,
  type Network,
  type PoolClaim,
  replicaOption,
  type Snapshot,
  type Versioned,
} from '../core/records.ts'
import {
  type Clash,
  enginePoolsIn,
  type Route,
  refusedByEngine,
  routeClash,
  routedInCluster,
} from '../core/routes.ts'
import { unreadableKeys } from '../store/lookup.ts'
import type { StoreStatus } from '../store/store.ts'
import type { VerbContext } from './context.ts'
import type { KeyedMutex } from './keyed-mutex.ts'
import { optimisticTransaction, type Proposal } from './optimistic-transaction.ts'
import type { RemovedNetworks } from './removed-networks.ts'
import { createTtlSet } from './ttl-set.ts'
import type { PoolAsk, Verbs } from './verbs.ts'

/** dockerd releases a pool that does not suit it and requests another at once. */
const offeredForMs = 15_000
/** Docker goes from RequestPool to CreateNetwork or ReleasePool in less, unless it was killed between them. */
const underWayForMs = 15_000
/** Consul can write an unanswered commit for so long. What comes later, the endpoints loop finds. */
const unansweredForMs = 10 * 60_000
const maxRetractions = 10

export function poolVerbs(
  context: VerbContext,
  mutex: KeyedMutex,
  removed: RemovedNetworks,
): Pick<Verbs, 'requestPool' | 'releasePool'> {
  const { store } = context
  const offered = createTtlSet<Cidr>(offeredForMs)
  /** Pools that Docker was given for a network that it is making. After a restart of the driver there are none. */
  const underWay = createTtlSet<Cidr>(underWayForMs)
  const releases = createReleases(context, mutex)

  const claimOnce = async (ask: PoolAsk, signal: AbortSignal): Promise<Cidr | undefined> => {
    const routes = await context.routes()
    const choose = (snapshot: Snapshot): Cidr =>
      ask.pool === undefined
        ? chooseFor(snapshot, context, routes, [...offered.all(), ...removed.restingPools()])
        : checkAsked(snapshot, ask.pool, context, { routes, underWay: underWay.all() })
    let proposed: Change | undefined
    const propose = (snapshot: Snapshot): Proposal<Cidr> => {
      const proposal = claim(snapshot, choose(snapshot), ask, context)
      proposed = proposal.changes.find(({ table }) => table === 'pools')
      return proposal
    }
    try {
      const cidr = await optimisticTransaction(store, propose, { signal })
      const retracted = await retractIfLate(context, cidr)
      signal.throwIfAborted()
      offered.add(cidr)
      if (retracted) return undefined
      underWay.add(cidr)
      return cidr
    } catch (error) {
      if (proposed !== undefined) releases.ofUnanswered(proposed)
      throw error
    }
  }

  return {
    async requestPool(ask, signal) {
      checkAsk(ask)
      const replicaOf = ask.options[replicaOption]
      if (replicaOf !== undefined)
        return optimisticTransaction(store, (snapshot) => poolOfReplica(snapshot, replicaOf, ask))
      return mutex('pools', async () => {
        for (let attempt = 0; attempt < maxRetractions; attempt++) {
          const cidr = await claimOnce(ask, signal)
          if (cidr !== undefined) return cidr
        }
        throw new DriverError('unavailable', 'other hosts claimed every pool at the same moment', {
          hint: 'try again',
        })
      })
    },
    releasePool(pool) {
      underWay.remove(poolKey(pool))
      return releases.ofAnswered(pool)
    },
  }
}

function checkAsk({ pool, range, options, v6 }: PoolAsk): void {
  const unknown = Object.keys(options).find((key) => key !== replicaOption)
  if (unknown !== undefined) {
    throw new DriverError('invalid', `unknown --ipam-opt '${unknown}'`, {
      hint: 'omit it: the vxlan IPAM driver has no options',
    })
  }
  if (pool === undefined && v6) {
    throw new DriverError('invalid', 'an IPv6 network needs a --subnet', {
      hint: 'for example --ipv6 --subnet fd00:1::/64',
    })
  }
  if (pool !== undefined && range !== undefined) checkRange(range, pool)
  if (pool !== undefined && (parseCidr(pool).family === 6) !== v6) {
    throw new DriverError('invalid', `${pool} is not an ${v6 ? 'IPv6' : 'IPv4'} subnet`)
  }
}

/** The pool of the existing network; nothing is claimed. */
function poolOfReplica(snapshot: Snapshot, id: string, { pool, v6 }: PoolAsk): Proposal<Cidr> {
  const network = snapshot.networks.get(id)?.value
  if (network === undefined || network.removing) {
    throw new DriverError('not-found', `the cluster has no network ${id.slice(0, 12)}`)
  }
  const own = v6 ? network.v6 : network.v4
  if (own === undefined) throw new DriverError('invalid', `network ${nameOf(network)} has no IPv6 subnet`)
  if (pool !== undefined && canonicalCidr(pool) !== own.cidr) {
    throw new DriverError('invalid', `network ${nameOf(network)} has the subnet ${own.cidr}, not ${pool}`)
  }
  return { changes: [], answer: own.cidr }
}

function chooseFor(
  snapshot: Snapshot,
  { host, pools, store }: VerbContext,
  routes: readonly Route[],
  avoided: readonly Cidr[],
): Cidr {
  return choosePool({
    sources: pools,
    claimed: claimedPools(snapshot, store.status()),
    routed: routedInCluster(snapshot, routes),
    ofEngines: enginePoolsIn(snapshot),
    refused: refusedByEngine(routes, snapshot.hosts.get(host)?.value.engineVersion),
    avoided,
  })
}

/**
 * The block of `--subnet`. Throws `taken` with the name of the network that has it, or of the host that
 * routes it or needs an address in it. `underWay`: pools whose claim belongs to another create of this host,
 * and is no leftover.
 */
function checkAsked(
  snapshot: Snapshot,
  asked: string,
  { host, store }: Pick<VerbContext, 'host' | 'store'>,
  { routes, underWay }: { routes: readonly Route[]; underWay: readonly Cidr[] },
): Cidr {
  const cidr = checkPool(asked)
  const unreadable = unreadablePools(store.status()).find((other) => overlaps(cidr, other))
  if (unreadable !== undefined) throw poolUnreadable(cidr, unreadable)
  for (const [other, { value }] of snapshot.pools) {
    const isOwn = other === cidr && value.host === host && value.network === undefined
    const ownLeftover = isOwn && !underWay.includes(cidr)
    if (overlaps(cidr, other) && !ownLeftover) throw poolTaken(snapshot, cidr, other, value)
  }
  const found = routeClash(snapshot, cidr, { host, routes })
  if (found !== undefined) throw poolOfHost(cidr, found)
  return cidr
}

/** Pools that a new network cannot have: of all networks, and those whose claims cannot be read. */
export function claimedPools(snapshot: Snapshot, status: Pick<StoreStatus, 'corrupt'>): Cidr[] {
  return [...snapshot.pools.keys(), ...unreadablePools(status)]
}

/** A key that a person has made may be no block. */
function unreadablePools(status: Pick<StoreStatus, 'corrupt'>): Cidr[] {
  return [...unreadableKeys(status, 'pools')].filter(isCidr)
}

function claim(
  snapshot: Snapshot,
  cidr: Cidr,
  ask: PoolAsk,
  { host, now }: Pick<VerbContext, 'host' | 'now'>,
): Proposal<Cidr> {
  const value: PoolClaim = {
    host,
    ...(ask.range === undefined ? {} : { range: checkRange(ask.range, cidr) }),
    ...(ask.pool === undefined ? { chosen: true as const } : {}),
    reserved: [],
    claimedAt: now().toISOString(),
  }
  // A claim of this host that is not under way is left from a failed create, or this is the repetition of
  // that create.
  const leftover = snapshot.pools.get(cidr)
  const change: Change =
    leftover === undefined
      ? { op: 'create', table: 'pools', key: cidr, value }
      : { op: 'update', table: 'pools', key: cidr, value, index: leftover.index }
  return { changes: [change], answer: cidr }
}

/** True when the claim was retracted, because an overlapping one was first. */
async function retractIfLate({ store, host }: VerbContext, cidr: Cidr): Promise<boolean> {
  const snapshot = await store.read()
  const own = snapshot.pools.get(cidr)
  const first = firstRival(snapshot, cidr)
  if (own === undefined || first === undefined) return false
  await optimisticTransaction(store, (now) => release(now, host, cidr))
  return true
}

/**
 * An overlapping claim that was written before this one. A claim that has been changed since its creation was
 * confirmed to Docker, so it was first; among the others the lower index decides.
 */
export function firstRival(snapshot: Snapshot, cidr: Cidr): Cidr | undefined {
  const own = snapshot.pools.get(cidr)
  if (own === undefined) return undefined
  const rivals = [...snapshot.pools].filter(([other]) => other !== cidr && overlaps(other, cidr))
  return rivals.find(([, other]) => wasAnswered(other) || other.index < own.index)?.[0]
}

function wasAnswered({ value }: Versioned<PoolClaim>): boolean {
  return value.network !== undefined || value.gateway !== undefined || value.reserved.length > 0
}

interface Releases {
  /** Docker gives back a pool that it was told of. */
  ofAnswered(pool: string): Promise<void>
  /**
   * RequestPool ended with an error, so Docker knows of no pool and releases none. The claim may be in the
   * store all the same: its answer was lost, it was written after the time limit of the call, or the read
   * that follows it failed. And a Consul that was frozen, or that a broken route hid, may write the claim
   * when it goes on: before it answers the next question, or after.
   */
  ofUnanswered(change: Change): void
}

/**
 * A claim is told from a later one of the same pool by `claimedAt`: a release must not take what was claimed
 * after it.
 */
function createReleases({ store, host, now, inFlight }: VerbContext, mutex: KeyedMutex): Releases {
  /** Claims, as `claimName` writes them. */
  const unanswered = createTtlSet<string>(unansweredForMs)
  const releaseIf = (pool: string, isMeant: (claim: PoolClaim) => boolean): Promise<void> =>
    mutex('pools', () => optimisticTransaction(store, (snapshot) => release(snapshot, host, pool, isMeant)))
  const releaseUnanswered = (pool: Cidr): void => {
    const isMeant = (claim: PoolClaim): boolean => unanswered.all().includes(claimName(pool, claim))
    const work = async (): Promise<void> => {
      await store.read()
      await releaseIf(pool, isMeant)
    }
    // Not awaited: it waits for the store.
    void inFlight.deferred
      .do(`release unanswered pool ${pool}`, work)
      .catch(() => 'the endpoints loop finds it later')
  }
  store.onChange((snapshot, changed) => {
    const names = unanswered.all()
    for (const { table, key } of names.length === 0 ? [] : changed) {
      const claim = table === 'pools' ? snapshot.pools.get(key)?.value : undefined
      if (claim !== undefined && names.includes(claimName(key, claim))) releaseUnanswered(key)
    }
  })
  return {
    ofAnswered(pool) {
      const calledAt = now().toISOString()
      const isMeant = ({ claimedAt }: PoolClaim): boolean => claimedAt <= calledAt
      return inFlight.deferred.do(`release pool ${pool}`, () => releaseIf(pool, isMeant))
    },
    ofUnanswered(change) {
      if ((change.op !== 'create' && change.op !== 'update') || change.table !== 'pools') return
      unanswered.add(claimName(change.key, change.value))
      releaseUnanswered(change.key)
    },
  }
}

function claimName(pool: Cidr, { claimedAt }: PoolClaim): string {
  return `${pool} ${claimedAt}`
}

/** Removes only a claim of this host that no network uses. */
function release(
  snapshot: Snapshot,
  host: HostName,
  pool: string,
  isMeant: (claim: PoolClaim) => boolean = () => true,
): Proposal<void> {
  const key = poolKey(pool)
  const own = snapshot.pools.get(key)
  const mine =
    own !== undefined && own.value.host === host && own.value.network === undefined && isMeant(own.value)
  return { changes: mine ? [{ op: 'remove', table: 'pools', key, index: own.index }] : [], answer: undefined }
}

/** As the store has it. Docker passes back what the driver answered. */
function poolKey(pool: string): Cidr {
  return isCidr(pool) ? canonicalCidr(pool) : pool
}

/** `other`: the pool of the claim; it is `cidr` or overlaps it. */
export function poolTaken(
  snapshot: Snapshot,
  cidr: Cidr,
  other: Cidr,
  { network, host }: PoolClaim,
): DriverError {
  const record = network === undefined ? undefined : snapshot.networks.get(network)?.value
  const holder = record === undefined ? `a network that ${host} is making` : `network ${nameOf(record)}`
  const what = cidr === other ? `the subnet ${cidr}` : `the subnet ${cidr} overlaps ${other}, which`
  return new DriverError('taken', `${what} belongs to ${holder}`, {
    hint: 'choose another --subnet, or omit --subnet to get a free one',
  })
}

function poolUnreadable(cidr: Cidr, other: Cidr): DriverError {
  return new DriverError('taken', `the subnet ${cidr} overlaps ${other}, whose claim cannot be read`, {
    hint: "correct or delete its key, which 'multihost status' names, or choose another --subnet",
  })
}

function poolOfHost(cidr: Cidr, { host, clash }: { host: HostName; clash: Clash }): DriverError {
  if ('address' in clash) {
    const { address, role } = clash
    return new DriverError('taken', `the subnet ${cidr} contains ${address}, ${role} of host ${host}`, {
      hint: 'choose another --subnet, or omit --subnet to get a free one: containers on this one would not reach it',
    })
  }
  const { route } = clash
  const what = cidr === route ? `the subnet ${cidr}` : `the subnet ${cidr} overlaps ${route}, which`
  return new DriverError('taken', `${what} is routed by host ${host}`, {
    hint: `choose another --subnet, or omit --subnet to get a free one; 'ip route' on ${host} shows the interface`,
  })
}

function nameOf(network: Network): string {
  return network.name ?? network.id.slice(0, 12)
}
