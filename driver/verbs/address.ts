/**
 * RequestAddress and ReleaseAddress. Each leased address is a key that can only be created, so that two hosts
 * never lease the same one.
 *
 * Docker requests the gateway and each `--aux-address` of a pool before its network exists: they are recorded
 * in the pool's claim. Every host that makes its copy of the network requests them again and gets the same
 * answer.
 */
import { canonicalCidr, canonicalIp, isCidr, isIp, lastUsable, parseCidr } from '../core/addresses.ts'
import { DriverError } from '../core/errors.ts'
import { checkAddress, checkInPool, nextAddress, unboundSince } from '../core/leases.ts'
import { removeEndpointAndLeases } from '../core/record-changes.ts'
import type {
  Change,
  Cidr,
  HostName,
  Ip,
  Lease,
  Network,
  Pool,
  PoolClaim,
  Snapshot,
  Versioned,
} from '../core/records.ts'
import { keyIn, leasesOf, localIdOf, restOf } from '../core/snapshot.ts'
import type { ConflictCause } from '../store/store.ts'
import type { VerbContext } from './context.ts'
import type { KeyedMutex } from './keyed-mutex.ts'
import { followLeases, type LastLeased } from './last-leased.ts'
import { optimisticTransaction, type Proposal } from './optimistic-transaction.ts'
import type { AddressAsk, Verbs } from './verbs.ts'

/** A lease of this host that has had no endpoint for so long can be requested again: Docker does not release it any more. */
const unusedAfterMs = 30_000
/** So many conflicts lead to the next address; then the whole store is read. */
const cheapRetries = 3

export function addressVerbs(
  context: VerbContext,
  mutex: KeyedMutex,
): Pick<Verbs, 'requestAddress' | 'releaseAddress'> {
  const { store, host, now, inFlight } = context
  const last = followLeases(store)
  return {
    async requestAddress(ask, signal) {
      const cidr = knownPool(ask.pool)
      // The address may be one that Docker released while the store was away.
      if (inFlight.deferred.names().length > 0 && store.status().fresh) await inFlight.deferred.flush()
      const ip = await mutex(`pool ${cidr}`, async () => {
        const taken = new Set<Ip>()
        const at = { host, now: now(), taken, last }
        return optimisticTransaction(store, (snapshot) => answerFor(snapshot, cidr, ask, at), {
          signal,
          retryWithoutRead: ({ cause }, attempt) =>
            recordTaken(taken, cause as ConflictCause) && attempt <= cheapRetries,
        })
      })
      return `${ip}/${parseCidr(cidr).length}`
    },
    releaseAddress({ pool, address }) {
      return inFlight.deferred.do(`release ${address} of ${pool}`, () =>
        optimisticTransaction(store, (snapshot) => release(snapshot, host, pool, address)),
      )
    },
  }
}

interface Circumstances {
  host: HostName
  now: Date
  /** Addresses that a failed commit has shown to be taken, also when the snapshot shows them free. */
  taken: ReadonlySet<Ip>
  last: LastLeased
}

function answerFor(snapshot: Snapshot, cidr: Cidr, ask: AddressAsk, at: Circumstances): Proposal<Ip> {
  const claim = snapshot.pools.get(cidr)
  if (claim === undefined) throw unknownPool(cidr)
  const id = claim.value.network
  if (id === undefined) return ask.gateway ? gatewayOfNew(cidr, claim, ask) : reserveForNew(cidr, claim, ask)
  const network = snapshot.networks.get(id)
  if (network === undefined || network.value.removing) throw unknownPool(cidr)
  const pool = poolAt(network.value, cidr)
  if (ask.gateway) return { changes: [], answer: gatewayOfExisting(pool, ask.address) }
  // A host without the network is making its copy: it requests the addresses that the network has reserved.
  const making = localIdOf(snapshot, at.host, id) === undefined
  if (making && ask.address !== undefined && isReserved(pool, ask.address)) {
    return { changes: [], answer: canonicalIp(ask.address) }
  }
  return lease(snapshot, network, pool, ask, at)
}

function gatewayOfNew(cidr: Cidr, claim: Versioned<PoolClaim>, { address }: AddressAsk): Proposal<Ip> {
  const gateway = address === undefined ? lastUsable(cidr) : checkInPool(address, cidr)
  if (claim.value.gateway === gateway) return { changes: [], answer: gateway }
  return { changes: [updateClaim(cidr, claim, { gateway })], answer: gateway }
}

function reserveForNew(cidr: Cidr, claim: Versioned<PoolClaim>, { address }: AddressAsk): Proposal<Ip> {
  if (address === undefined) throw new DriverError('invalid', `the pool ${cidr} belongs to no network yet`)
  const ip = checkInPool(address, cidr)
  const { gateway, reserved } = claim.value
  if (ip === gateway) {
    throw new DriverError('taken', `the address ${ip} is the gateway of ${cidr}`, {
      hint: 'choose another --aux-address',
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

function lease(
  snapshot: Snapshot,
  network: Versioned<Network>,
  pool: Pool,
  { address }: AddressAsk,
  { host, now, taken, last }: Circumstances,
): Proposal<Ip> {
  const { id } = network.value
  const leases = leasesOf(snapshot, id)
  const leaseOf = (ip: Ip): Versioned<Lease> | undefined => leases.get(keyIn(id, ip))
  const value: Lease = { host, leasedAt: now.toISOString() }
  const unchanged: Change = { op: 'expect', table: 'networks', key: id, index: network.index }
  if (address !== undefined) {
    const own = leaseOf(canonicalIp(address))
    if (own?.value.service !== undefined) return addressOfService(snapshot, network, own, address, host)
    const free = own === undefined || isUnused(own.value, host, now)
    const ip = checkAddress(address, { pool, leased: new Set(free ? [] : [canonicalIp(address)]) })
    const key = keyIn(id, ip)
    const change: Change =
      own === undefined
        ? { op: 'create', table: 'addresses', key, value }
        : { op: 'update', table: 'addresses', key, value: leasedAgain(own.value, value), index: own.index }
    return { changes: [unchanged, change], answer: ip }
  }
  const leased = {
    has: (ip: Ip) => taken.has(ip) || leaseOf(ip) !== undefined,
    size: taken.size + leases.size,
  }
  const ip = nextAddress({ pool, leased, last: last.of(id, pool.cidr) })
  return { changes: [unchanged, { op: 'create', table: 'addresses', key: keyIn(id, ip), value }], answer: ip }
}

/** The release of the endpoint that left may still come. */
function leasedAgain({ left }: Lease, value: Lease): Lease {
  return left === undefined ? value : { ...value, left }
}

/** A published service keeps its address. Only the host to which the service was attached last may use it. */
function addressOfService(
  snapshot: Snapshot,
  network: Versioned<Network>,
  { value, index }: Versioned<Lease>,
  address: string,
  host: HostName,
): Proposal<Ip> {
  const { id } = network.value
  const ip = canonicalIp(address)
  const name = value.service ?? ''
  const holder = snapshot.services.get(keyIn(id, name))?.value.holder
  if (holder?.host !== host || value.host !== host || value.endpoint !== undefined) {
    throw new DriverError('taken', `the address ${ip} belongs to service ${name}`, {
      hint: `attach the container to the service: multihost service attach CONTAINER ${name}.${network.value.name ?? id}`,
    })
  }
  return { changes: [{ op: 'expect', table: 'addresses', key: keyIn(id, ip), index }], answer: ip }
}

function isUnused(lease: Lease, host: HostName, now: Date): boolean {
  const age = now.getTime() - Date.parse(unboundSince(lease))
  return (
    lease.host === host && lease.endpoint === undefined && lease.service === undefined && age > unusedAfterMs
  )
}

function recordTaken(taken: Set<Ip>, { table, key }: ConflictCause): boolean {
  if (table === 'addresses') taken.add(restOf(key))
  return table === 'addresses'
}

/**
 * Releases only a lease of this host that no published service keeps. Docker does not say whose address it releases:
 * where an endpoint has left the address and another call has leased it again, the release belongs to the endpoint that
 * left. Otherwise the lease is removed, and its endpoint if Docker has not removed it.
 */
function release(snapshot: Snapshot, host: HostName, pool: string, address: string): Proposal<void> {
  const nothing: Proposal<void> = { changes: [], answer: undefined }
  if (!isCidr(pool) || !isIp(address)) return nothing
  const id = snapshot.pools.get(knownPool(pool))?.value.network
  const key = keyIn(id ?? '', canonicalIp(address))
  const lease = snapshot.addresses.get(key)
  if (id === undefined || lease === undefined || lease.value.host !== host) return nothing
  if (lease.value.service !== undefined) return nothing
  if (isLeasedAgain(lease.value)) {
    const { left: _, ...value } = lease.value
    return {
      changes: [{ op: 'update', table: 'addresses', key, value, index: lease.index }],
      answer: undefined,
    }
  }
  const endpoint = snapshot.endpoints.get(keyIn(id, lease.value.endpoint ?? ''))
  if (endpoint !== undefined)
    return { changes: removeEndpointAndLeases(snapshot, endpoint), answer: undefined }
  return { changes: [{ op: 'remove', table: 'addresses', key, index: lease.index }], answer: undefined }
}

function isLeasedAgain({ endpoint, leasedAt, left }: Lease): boolean {
  return left !== undefined && (endpoint !== undefined || leasedAt > left.at)
}

function poolAt(network: Network, cidr: Cidr): Pool {
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
    hint: "'multihost status' lists the networks",
  })
}
