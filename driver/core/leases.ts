/**
 * Which address a container gets: the requested one (`--ip`), or the next free one.
 *
 * The search goes upward from the address that was leased last and wraps around, so that an address rests
 * before it is leased again. The network address, the broadcast address, the gateway, aux addresses and
 * `.0.1` are not handed out; `.0.1` can be requested. The cost is the number of leased addresses on the way,
 * never the size of the pool.
 */

import { DriverError } from './errors.ts'
import { type Block, formatIp, parseCidr, parseIp, usable } from './ip.ts'
import type { Cidr, Ip, Lease, NetworkId, Pool, Snapshot } from './records.ts'
import { keyIn, leasesOf } from './snapshot.ts'

export interface AddressQuestion {
  pool: Pool
  /** Every leased address of the pool, canonical. It may contain others. */
  leased: Pick<ReadonlySet<Ip>, 'has'>
  /** Further addresses that must not be handed out. */
  reserved?: Iterable<Ip>
  /** The address that was leased last; the search starts after it. */
  last?: Ip | undefined
}

/** `unreadable`: keys of leases whose values cannot be read; their addresses are not free. */
export function leasedAddresses(
  snapshot: Snapshot,
  network: NetworkId,
  unreadable: ReadonlySet<string>,
): AddressQuestion['leased'] {
  const leases = leasesOf(snapshot, network)
  const isLeased = (key: string): boolean => leases.has(key) || unreadable.has(key)
  return { has: (ip) => isLeased(keyIn(network, ip)) }
}

/** The next free address. Throws `exhausted` with the numbers. */
export function nextAddress(question: AddressQuestion): Ip {
  const [next] = nextAddresses(question, 1)
  if (next !== undefined) return next
  const { pool, reserved = [] } = question
  const range = handedOutFrom(pool)
  throw full(pool, range, notHandedOut(pool, range, reserved))
}

/** The next `count` free addresses, fewer when the pool has fewer. */
export function nextAddresses({ pool, leased, reserved = [], last }: AddressQuestion, count: number): Ip[] {
  const range = handedOutFrom(pool)
  const excluded = notHandedOut(pool, range, reserved)
  const found: Ip[] = []
  let value = startOf(range, last)
  for (let left = sizeOf(range); left > 0n && found.length < count; left--) {
    const ip = formatIp({ family: range.family, value })
    if (!leased.has(ip) && !excluded.has(ip)) found.push(ip)
    value = value === range.last ? range.first : value + 1n
  }
  return found
}

/**
 * The address of `--ip` in canonical form. It may be outside `--ip-range`, as with Docker's own drivers.
 * Throws `invalid` or `taken`.
 */
export function checkAddress(asked: string, { pool, leased }: Pick<AddressQuestion, 'pool' | 'leased'>): Ip {
  const ip = checkInPool(asked, pool.cidr)
  if (ip === pool.gateway) throw heldBy(ip, `the gateway of ${pool.cidr}`)
  const aux = Object.entries(pool.aux).find(([, address]) => address === ip)
  if (aux !== undefined) throw heldBy(ip, `reserved as --aux-address ${aux[0]}`)
  if (leased.has(ip)) throw heldBy(ip, 'already leased')
  return ip
}

/**
 * An address of the pool that a host can have, canonical; also for gateways and aux addresses. Throws
 * `invalid`.
 */
export function checkInPool(asked: string, cidr: Cidr): Ip {
  const { family, value } = parseIp(asked)
  const block = parseCidr(cidr)
  const ip = formatIp({ family, value })
  if (family !== block.family || value < block.first || value > block.last) {
    throw new DriverError('invalid', `${ip} is not in the subnet ${cidr}`)
  }
  const { first, last } = usable(block)
  if (value < first) throw new DriverError('invalid', `${ip} is the network address of ${cidr}`)
  if (value > last) throw new DriverError('invalid', `${ip} is the broadcast address of ${cidr}`)
  return ip
}

/** ISO 8601: since when a lease without an endpoint has had none. */
export function unboundSince({ leasedAt, left }: Lease): string {
  return left === undefined || left.at < leasedAt ? leasedAt : left.at
}

interface Range extends Pick<Block, 'family' | 'first' | 'last'> {}

/** The usable part of `--ip-range`, or of the pool. */
function handedOutFrom(pool: Pool): Range {
  const whole = usable(parseCidr(pool.cidr))
  const range = parseCidr(pool.range ?? pool.cidr)
  if (range.first < whole.first) range.first = whole.first
  if (range.last > whole.last) range.last = whole.last
  return range
}

/**
 * Addresses of the range that are not for containers. Pools of fewer than eight addresses do not keep `.0.1`.
 */
function notHandedOut(pool: Pool, range: Range, reserved: Iterable<Ip>): Set<Ip> {
  const { family, first, last } = parseCidr(pool.cidr)
  const excluded = [pool.gateway, ...Object.values(pool.aux), ...reserved].map(parseIp)
  if (last - first >= 7n) excluded.push({ family, value: first + 1n })
  const inRange = excluded.filter(
    (a) => a.family === family && a.value >= range.first && a.value <= range.last,
  )
  return new Set(inRange.map(formatIp))
}

function startOf(range: Range, last: Ip | undefined): bigint {
  if (last === undefined) return range.first
  const value = parseIp(last).value + 1n
  return value < range.first || value > range.last ? range.first : value
}

function sizeOf({ first, last }: Range): bigint {
  return last < first ? 0n : last - first + 1n
}

function full(pool: Pool, range: Range, excluded: ReadonlySet<Ip>): DriverError {
  const size = sizeOf(range) - BigInt(excluded.size)
  const where = pool.range === undefined ? pool.cidr : `${pool.range} (the --ip-range in ${pool.cidr})`
  const larger = pool.range === undefined ? '--subnet' : '--ip-range'
  return new DriverError('exhausted', `no free address in ${where}: ${size} of ${size} are leased`, {
    hint: `remove a container, or create the network with a larger ${larger}`,
  })
}

function heldBy(ip: Ip, holder: string): DriverError {
  return new DriverError('taken', `the address ${ip} is ${holder}`, {
    hint: 'choose another --ip, or omit --ip to get a free address',
  })
}
