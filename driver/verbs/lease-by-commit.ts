/**
 * Leases an address by a commit. Each leased address is a key that can only be created, so that two hosts
 * never lease the same one.
 *
 * Docker requests the gateway and each `--aux-address` of a pool before its network exists: they are recorded
 * in the pool's claim. Every host that makes its copy of the network requests them again and gets the same
 * answer.
 */
import { DriverError } from '../core/errors.ts'
import { canonicalIp, lastUsable } from '../core/ip.ts'
import { checkAddress, checkInPool, leasedAddresses, nextAddress, nextAddresses } from '../core/leases.ts'
import type {
  Change,
  Cidr,
  HostName,
  Ip,
  Lease,
  Network,
  Pool,
  PoolClaim,
  ServiceHolder,
  Snapshot,
  Versioned,
} from '../core/records.ts'
import { holderElsewhere, isIdle } from '../core/reserve.ts'
import { holderOn, isAttaching } from '../core/service-holder.ts'
import { keyIn, localIdOf, restOf } from '../core/snapshot.ts'
import { unreadableKeys } from '../store/lookup.ts'
import type { ConflictCause } from '../store/store.ts'
import type { VerbContext } from './context.ts'
import { askedAgainAfterMs } from './held-addresses.ts'
import { ownNetworksAlone, poolAt, unknownPool } from './known-pool.ts'
import type { LastLeased } from './last-leased.ts'
import { optimisticTransaction, type Proposal } from './optimistic-transaction.ts'
import type { AddressAsk } from './verbs.ts'

/** So many conflicts lead to the next address; then the whole store is read. */
const cheapRetries = 3

export interface Circumstances {
  context: VerbContext
  /** Addresses that a failed commit has shown to be taken, also when the snapshot shows them free. */
  taken: Set<Ip>
  last: LastLeased
  /** How many requests wait for an address of the pool. */
  count: number
}

/** Docker holds the address before the commit: another request must not find it in the reserve. */
export async function leaseByCommit(
  at: Circumstances,
  cidr: Cidr,
  ask: AddressAsk,
  signal: AbortSignal,
): Promise<Ip> {
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
  const known = leasedAddresses(snapshot, id, unreadableKeys(store.status(), 'addresses'))
  const leased = {
    has: (ip: Ip) => taken.has(ip) || known.has(ip) || inFlight.addresses.isNamed(keyIn(id, ip)),
  }
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
