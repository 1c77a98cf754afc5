/**
 * RequestAddress and ReleaseAddress. Each leased address is a key that can only be created, so that two hosts
 * never lease the same one.
 *
 * A request is answered from this host's reserve (core/reserve.ts), without a commit. With an empty reserve
 * the next free address is leased, in one commit for all requests that wait. A release leaves the lease in
 * the reserve. A pool without a free address: what other hosts have idle is asked for (wanted.ts).
 *
 * Docker requests the gateway and each `--aux-address` of a pool before its network exists: they are recorded
 * in the pool's claim. Every host that makes its copy of the network requests them again and gets the same
 * answer.
 */

import { defined } from '../core/defined.ts'
import { DriverError, isCode } from '../core/errors.ts'
import { canonicalCidr, canonicalIp, familyOf, isCidr, isIp, lastUsable, parseCidr } from '../core/ip.ts'
import { checkAddress, checkInPool, nextAddress, nextAddresses, unboundSince } from '../core/leases.ts'
import type {
  Change,
  Cidr,
  HostName,
  Ip,
  Lease,
  Network,
  NetworkId,
  Pool,
  PoolClaim,
  ServiceHolder,
  Snapshot,
  Versioned,
} from '../core/records.ts'
import {
  containersOn,
  holderElsewhere,
  type IdleLease,
  idleLeases,
  inOrder,
  isIdle,
  restMs,
} from '../core/reserve.ts'
import { holderOn, isAttaching } from '../core/service-holder.ts'
import { keyIn, leasesOf, localIdOf, networkOfKey, restOf } from '../core/snapshot.ts'
import { unreadableKeys } from '../store/lookup.ts'
import type { ConflictCause } from '../store/store.ts'
import type { VerbContext } from './context.ts'
import { askedAgainAfterMs, type HeldAddresses } from './held-addresses.ts'
import type { KeyedMutex } from './keyed-mutex.ts'
import { followLeases, type LastLeased } from './last-leased.ts'
import { optimisticTransaction, type Proposal } from './optimistic-transaction.ts'
import type { AddressAsk, Verbs } from './verbs.ts'
import { createWants } from './wanted.ts'

/** So many conflicts lead to the next address; then the whole store is read. */
const cheapRetries = 3
/** Addresses that one commit leases at most. */
const leasedAtOnce = 40
/** Between Docker's requests for the IPv4 and the IPv6 address of a start, on a slow machine. */
const betweenFamiliesMs = 5000

export function addressVerbs(
  context: VerbContext,
  mutex: KeyedMutex,
): Pick<Verbs, 'requestAddress' | 'releaseAddress'> {
  const { store, inFlight } = context
  const last = followLeases(store)
  const wants = createWants(context)
  const waiting = new Map<Cidr, number>()
  const leaseNew = (cidr: Cidr, ask: AddressAsk, signal: AbortSignal): Promise<Ip> => {
    const isCounted = !ask.gateway && ask.address === undefined
    const count = (by: number): void => {
      if (isCounted) waiting.set(cidr, (waiting.get(cidr) ?? 0) + by)
    }
    count(1)
    return mutex(`pool ${cidr}`, async () => {
      const given = fromReserve(context, cidr, ask, { evenOwned: !store.status().fresh })
      if (given !== undefined) return given
      const taken = new Set<Ip>()
      const at = { context, taken, last, count: Math.min(waiting.get(cidr) ?? 1, leasedAtOnce) }
      return lease(at, cidr, ask, signal)
    }).finally(() => count(-1))
  }
  const release = (cidr: Cidr, ip: Ip): void => {
    const network = store.snapshot().pools.get(cidr)?.value.network
    if (network !== undefined) inFlight.addresses.release(keyIn(network, ip))
  }
  const give = async (cidr: Cidr, ask: AddressAsk, signal: AbortSignal): Promise<Ip> => {
    const starting = await startingOwners(context, cidr, ask)
    const ip =
      fromReserve(context, cidr, ask, { starting, evenOwned: !store.status().fresh }) ??
      (await wants
        .orIdle(cidr, ask, signal, () =>
          leaseNew(cidr, ask, signal).catch((error: unknown) => {
            const owned = fromReserve(context, cidr, ask, { evenOwned: true })
            if (owned === undefined) throw error
            return owned
          }),
        )
        .catch((error: unknown) => {
          throw isCode(error, 'unavailable') && !ask.gateway ? notInReserve(cidr, ask, error) : error
        }))
    // Docker was told of an error, and will not release the address.
    if (signal.aborted) release(cidr, ip)
    signal.throwIfAborted()
    return ip
  }
  return {
    async requestAddress(ask, signal) {
      signal.throwIfAborted()
      const cidr = knownPool(ask.pool)
      const ip = await elseReleaseV4(context, cidr, ask, () => give(cidr, ask, signal))
      return `${ip}/${parseCidr(cidr).length}`
    },
    async releaseAddress({ pool, address }) {
      if (isCidr(pool) && isIp(address)) release(knownPool(pool), canonicalIp(address))
    },
  }
}

/**
 * Docker requests the IPv4 address of a start first, and does not release it when the IPv6 request fails
 * (moby v28.5.2, libnetwork/network.go, createEndpoint).
 */
async function elseReleaseV4(
  context: VerbContext,
  cidr: Cidr,
  ask: AddressAsk,
  give: () => Promise<Ip>,
): Promise<Ip> {
  const v4 = v4OfStart(context, cidr, ask)
  try {
    return await give()
  } catch (error) {
    const { store, inFlight } = context
    if (v4 !== undefined && isUnbound(store.snapshot(), v4)) inFlight.addresses.release(v4)
    throw error
  }
}

/**
 * For an IPv6 request: the key of the same start's IPv4 address. Undefined where several starts are under
 * way, since Docker does not say which one asks.
 */
function v4OfStart({ store, inFlight }: VerbContext, cidr: Cidr, ask: AddressAsk): string | undefined {
  const snapshot = store.snapshot()
  const id = snapshot.pools.get(cidr)?.value.network ?? ''
  if (ask.gateway || snapshot.networks.get(id)?.value.v6?.cidr !== cidr) return undefined
  const isOfNetwork = (key: string): boolean => networkOfKey(key) === id && familyOf(restOf(key)) === 4
  const given = inFlight.addresses
    .givenWithin(betweenFamiliesMs)
    .filter((key) => isOfNetwork(key) && isUnbound(snapshot, key))
  return given.length === 1 ? given[0] : undefined
}

function isUnbound(snapshot: Snapshot, key: string): boolean {
  return snapshot.addresses.get(key)?.value.endpoint === undefined
}

function notInReserve(cidr: Cidr, { address }: AddressAsk, { message, hint }: DriverError): DriverError {
  const what = address === undefined ? `no address of ${cidr} in reserve` : `not leased ${address}`
  return new DriverError('unavailable', `this host has ${what}, and ${message}`, defined({ hint }))
}

/**
 * An address that this host has leased and that Docker may have: the one that the starting container had. An
 * address that another container may come back to is given with `evenOwned` alone, the oldest first.
 */
function fromReserve(
  context: VerbContext,
  cidr: Cidr,
  ask: AddressAsk,
  { starting = new Set(), evenOwned = false }: { starting?: ReadonlySet<string>; evenOwned?: boolean } = {},
): Ip | undefined {
  const { addresses } = context.inFlight
  const reserve = reserveOf(context, cidr, ask)
  const free = freeIn(context, reserve)
  const found =
    ask.address === undefined
      ? (leftBy(starting, free) ??
        free.find((it) => it.owner === undefined) ??
        (evenOwned ? free.at(-1) : undefined))
      : idleAt(reserve.idle, ask.address, addresses)
  if (found !== undefined) addresses.hold(found.key, ask.address !== undefined)
  return found?.ip
}

/**
 * The latest address of one of the containers. Of several that start together the one that stopped first has
 * probably come first.
 */
function leftBy(containers: ReadonlySet<string>, free: readonly FreeLease[]): FreeLease | undefined {
  const latest = new Map<string, FreeLease>()
  for (const it of free)
    if (it.owner !== undefined && containers.has(it.owner) && !latest.has(it.owner)) latest.set(it.owner, it)
  return [...latest.values()].at(-1)
}

/** This host's idle leases of the pool's network. A key that cannot be read by now may be another host's. */
function reserveOf(
  context: VerbContext,
  cidr: Cidr,
  ask: AddressAsk,
): { idle: readonly IdleLease[]; network?: NetworkId; pool?: Pool | undefined } {
  const snapshot = context.store.snapshot()
  const id = snapshot.pools.get(cidr)?.value.network
  const network = id === undefined ? undefined : snapshot.networks.get(id)?.value
  const isUsable =
    network !== undefined &&
    !(ask.gateway || network.removing) &&
    isOurs(context) &&
    localIdOf(snapshot, context.host, network.id) !== undefined
  if (!isUsable) return { idle: [] }
  const unreadable = unreadableKeys(context.store.status(), 'addresses')
  return {
    idle: idleLeases(snapshot, context.host, network.id).filter(({ key }) => !unreadable.has(key)),
    network: network.id,
    pool: poolAt(network, cidr),
  }
}

interface FreeLease extends IdleLease {
  /** The container that had the address last, and exists. */
  owner?: string | undefined
  /** The owner has another address by now. */
  isLeft?: boolean
}

/** Those that a request without `--ip` can get, in the order in which they are given. */
function freeIn(
  { inFlight, starting, store, host, now }: VerbContext,
  { idle, network, pool }: ReturnType<typeof reserveOf>,
): FreeLease[] {
  if (pool === undefined || network === undefined) return []
  const attached = containersOn(store.snapshot(), host, network)
  const hasRested = ({ lease }: IdleLease): boolean =>
    now().getTime() - Date.parse(unboundSince(lease.value)) >= restMs
  return inOrder(idle, pool, attached)
    .filter(
      ({ key, lease }) => !inFlight.addresses.isHeld(key, lease.value) && !inFlight.addresses.isNamed(key),
    )
    .map((it) => {
      const container = it.lease.value.left?.container
      if (container === undefined || starting.isGone(container)) return it
      const isLeft = attached.has(container)
      return isLeft && hasRested(it) ? it : { ...it, owner: container, isLeft }
    })
}

/** The containers that left an address, have no other one, and are being started: they get theirs again. */
async function startingOwners(
  context: VerbContext,
  cidr: Cidr,
  ask: AddressAsk,
): Promise<ReadonlySet<string>> {
  if (ask.gateway || ask.address !== undefined) return new Set()
  const free = freeIn(context, reserveOf(context, cidr, ask))
  const owners = new Set(free.flatMap(({ owner, isLeft }) => (isLeft ? [] : (owner ?? []))))
  return owners.size === 0 ? owners : context.starting.among([...owners])
}

/**
 * Whether the leases under this host's name are this machine's. While the store is away, its record must have
 * this VTEP: a machine that was cloned has the copy of the store and another VTEP.
 */
function isOurs({ store, host, underlay }: VerbContext): boolean {
  const { fresh, doubt } = store.status()
  if (fresh && doubt === undefined) return true
  return store.snapshot().hosts.get(host)?.value.vtep === underlay().address
}

function idleAt(
  idle: readonly IdleLease[],
  address: string,
  addresses: HeldAddresses,
): IdleLease | undefined {
  if (!isIp(address)) return undefined
  const ip = canonicalIp(address)
  const found = idle.find((it) => it.ip === ip)
  if (found === undefined || addresses.isHeld(found.key, found.lease.value, askedAgainAfterMs))
    return undefined
  return found
}

interface Circumstances {
  context: VerbContext
  /** Addresses that a failed commit has shown to be taken, also when the snapshot shows them free. */
  taken: Set<Ip>
  last: LastLeased
  /** How many requests wait for an address of the pool. */
  count: number
}

/** Docker holds the address before the commit: another request must not find it in the reserve. */
async function lease(at: Circumstances, cidr: Cidr, ask: AddressAsk, signal: AbortSignal): Promise<Ip> {
  const { store, inFlight } = at.context
  let held: string | undefined
  const release = (): void => {
    if (held !== undefined) inFlight.addresses.release(held)
    held = undefined
  }
  const propose = (snapshot: Snapshot): Proposal<Ip> => {
    release()
    const proposal = answerFor(snapshot, cidr, ask, at)
    const key = proposal.changes.find(({ table }) => table === 'addresses')?.key
    if (key !== undefined) inFlight.addresses.hold(key, ask.address !== undefined)
    held = key
    return proposal
  }
  try {
    return await optimisticTransaction(store, propose, {
      signal,
      retryWithoutRead: ({ cause }, attempt) =>
        recordTaken(at.taken, cause as ConflictCause) && attempt <= cheapRetries,
    })
  } catch (error) {
    release()
    throw error
  }
}

function answerFor(snapshot: Snapshot, cidr: Cidr, ask: AddressAsk, at: Circumstances): Proposal<Ip> {
  const { host } = at.context
  const claim = snapshot.pools.get(cidr)
  if (claim === undefined) throw unknownPool(cidr)
  const id = claim.value.network
  if (id === undefined) return ask.gateway ? gatewayOfNew(cidr, claim, ask) : reserveForNew(cidr, claim, ask)
  const network = snapshot.networks.get(id)
  if (network === undefined || network.value.removing) throw unknownPool(cidr)
  const pool = poolAt(network.value, cidr)
  if (ask.gateway) return { changes: [], answer: gatewayOfExisting(pool, ask.address) }
  // A host without the network is making its copy: it requests the addresses that the network has reserved.
  const making = localIdOf(snapshot, host, id) === undefined
  if (making && ask.address !== undefined && isReserved(pool, ask.address)) {
    return { changes: [], answer: canonicalIp(ask.address) }
  }
  return ask.address === undefined
    ? leaseNext(snapshot, network, pool, at)
    : leaseAt(snapshot, network, pool, ask.address, at)
}

function gatewayOfNew(cidr: Cidr, claim: Versioned<PoolClaim>, { address }: AddressAsk): Proposal<Ip> {
  const gateway = address === undefined ? lastUsable(cidr) : checkInPool(address, cidr)
  if (claim.value.gateway === gateway) return { changes: [], answer: gateway }
  return { changes: [updateClaim(cidr, claim, { gateway })], answer: gateway }
}

function reserveForNew(cidr: Cidr, claim: Versioned<PoolClaim>, { address }: AddressAsk): Proposal<Ip> {
  if (address === undefined) {
    throw new DriverError('invalid', `the pool ${cidr} belongs to no network yet`, { hint: ownNetworksAlone })
  }
  const ip = checkInPool(address, cidr)
  const { gateway, reserved } = claim.value
  if (ip === gateway) {
    const why = ip === lastUsable(cidr) ? ", the subnet's last address unless --gateway names another" : ''
    throw new DriverError('taken', `the address ${ip} is the gateway of ${cidr}${why}`, {
      hint: 'choose another --aux-address, or give the network another --gateway',
    })
  }
  if (reserved.includes(ip)) return { changes: [], answer: ip }
  return { changes: [updateClaim(cidr, claim, { reserved: [...reserved, ip] })], answer: ip }
}

function updateClaim(cidr: Cidr, { value, index }: Versioned<PoolClaim>, change: Partial<PoolClaim>): Change {
  return { op: 'update', table: 'pools', key: cidr, value: { ...value, ...change }, index }
}

function gatewayOfExisting({ cidr, gateway }: Pool, asked: string | undefined): Ip {
  if (asked === undefined || canonicalIp(asked) === gateway) return gateway
  throw new DriverError('invalid', `the gateway of the subnet ${cidr} is ${gateway}, not ${asked}`)
}

function isReserved({ aux }: Pool, asked: string): boolean {
  return Object.values(aux).includes(canonicalIp(asked))
}

function leaseNext(
  snapshot: Snapshot,
  network: Versioned<Network>,
  pool: Pool,
  { context: { store, host, now, inFlight }, taken, last, count }: Circumstances,
): Proposal<Ip> {
  const { id } = network.value
  const leases = leasesOf(snapshot, id)
  const unreadable = unreadableKeys(store.status(), 'addresses')
  const isTaken = (key: string): boolean =>
    leases.has(key) || unreadable.has(key) || inFlight.addresses.isNamed(key)
  const leased = { has: (ip: Ip) => taken.has(ip) || isTaken(keyIn(id, ip)) }
  const question = { pool, leased, last: last.of(id, pool.cidr) }
  const answer = nextAddress(question)
  const value: Lease = { host, leasedAt: now().toISOString() }
  const more = nextAddresses({ ...question, last: answer }, count).filter((ip) => ip !== answer)
  const changes = [answer, ...more.slice(0, count - 1)].map(
    (ip): Change => ({ op: 'create', table: 'addresses', key: keyIn(id, ip), value }),
  )
  return { changes: [...changes, unchanged(network)], answer }
}

function leaseAt(
  snapshot: Snapshot,
  network: Versioned<Network>,
  pool: Pool,
  address: string,
  { context: { host, now, inFlight } }: Circumstances,
): Proposal<Ip> {
  const { id } = network.value
  const key = keyIn(id, canonicalIp(address))
  const own = snapshot.addresses.get(key)
  if (own?.value.service !== undefined)
    return addressOfService(snapshot, network, own, address, { host, now: now() })
  const isFree =
    holderElsewhere(snapshot, host, id, canonicalIp(address)) === undefined &&
    (own === undefined ||
      (own.value.host === host &&
        isIdle(own.value) &&
        !inFlight.addresses.isHeld(key, own.value, askedAgainAfterMs)))
  const ip = checkAddress(address, { pool, leased: new Set(isFree ? [] : [canonicalIp(address)]) })
  const value: Lease = { host, leasedAt: now().toISOString(), asked: true }
  const change: Change =
    own === undefined
      ? { op: 'create', table: 'addresses', key, value }
      : { op: 'update', table: 'addresses', key, value: { ...own.value, asked: true }, index: own.index }
  return { changes: [change, unchanged(network)], answer: ip }
}

function unchanged({ value, index }: Versioned<Network>): Change {
  return { op: 'expect', table: 'networks', key: value.id, index }
}

/**
 * A published service keeps its address. Only the host to which the service was attached last may use it, and
 * the one before when that attach never ended: it is the holder again then.
 */
function addressOfService(
  snapshot: Snapshot,
  network: Versioned<Network>,
  { value, index }: Versioned<Lease>,
  address: string,
  { host, now }: { host: HostName; now: Date },
): Proposal<Ip> {
  const { id } = network.value
  const ip = canonicalIp(address)
  const name = value.service ?? ''
  const service = snapshot.services.get(keyIn(id, name))
  const holder = holderOn(service?.value.holder, host, now)
  if (service === undefined || holder === undefined || value.endpoint !== undefined)
    throw ofService(network.value, ip, name, {
      isAwaited: isBeingTaken(service?.value.holder, host, now),
    })
  const at = { table: 'addresses', key: keyIn(id, ip), index } as const
  const lease: Change =
    value.host === host ? { op: 'expect', ...at } : { op: 'update', ...at, value: { ...value, host } }
  const again: Change[] =
    holder === service.value.holder
      ? []
      : [
          {
            op: 'update',
            table: 'services',
            key: keyIn(id, name),
            value: { ...service.value, holder },
            index: service.index,
          },
        ]
  return { changes: [lease, ...again], answer: ip }
}

/** This host has the service again if an attach on another host fails. */
function isBeingTaken(holder: ServiceHolder | undefined, host: HostName, now: Date): boolean {
  return holder !== undefined && holder.before?.host === host && isAttaching(holder, now)
}

function ofService(
  { id, name: label = id }: Network,
  ip: Ip,
  name: string,
  { isAwaited }: { isAwaited: boolean },
): DriverError {
  const hint = isAwaited
    ? 'it is being attached to another container; if that fails, start this one again in half a minute'
    : `attach the container to the service: multihost service attach CONTAINER ${name}.${label}`
  return new DriverError('taken', `the address ${ip} belongs to service ${name}`, { hint })
}

function recordTaken(taken: Set<Ip>, { table, key }: ConflictCause): boolean {
  if (table === 'addresses') taken.add(restOf(key))
  return table === 'addresses'
}

export function poolAt(network: Network, cidr: Cidr): Pool {
  const pool = network.v6?.cidr === cidr ? network.v6 : network.v4
  if (pool.cidr !== cidr) throw unknownPool(cidr)
  return pool
}

/** A pool's id is its block. */
function knownPool(pool: string): Cidr {
  if (!isCidr(pool)) throw unknownPool(pool)
  return canonicalCidr(pool)
}

function unknownPool(pool: string): DriverError {
  return new DriverError('not-found', `there is no pool ${pool.slice(0, 100)}`, {
    hint: `'multihost status' lists the networks; ${ownNetworksAlone}`,
  })
}

/** A bridge or macvlan network with this IPAM driver can be made: Docker asks for a pool and names no driver. */
const ownNetworksAlone =
  'the vxlan IPAM driver serves networks of driver vxlan: docker network create -d vxlan --ipam-driver vxlan NAME'
