/**
 * Which address a container gets, when it asked for none or for one.
 *
 * Ascending from the one handed out last, around the end, so that an address rests before it is used again. The
 * network, the broadcast, the gateway, the aux addresses and `.0.1` are never handed out by themselves; `.0.1` can
 * be asked for. The cost is the number of taken addresses that lie in the way, never the size of the pool.
 */
import { type Block, formatIp, parseCidr, parseIp, usable } from './addresses.ts'
import { DriverError } from './errors.ts'
import type { Cidr, Ip, Pool } from './records.ts'

export interface AddressQuestion {
  pool: Pool
  /** Every address of the pool that is leased, canonical. There may be others in it: `size` is an upper bound. */
  leased: Pick<ReadonlySet<Ip>, 'has' | 'size'>
  /** Further addresses that must not be handed out. */
  reserved?: Iterable<Ip>
  /** The address handed out last; the search begins behind it. */
  last?: Ip | undefined
}

/** The next free address. Throws `exhausted` with the numbers. */
export function nextAddress({ pool, leased, reserved = [], last }: AddressQuestion): Ip {
  const range = handedOutFrom(pool)
  const kept = keptBack(pool, range, reserved)
  const tries = BigInt(leased.size + kept.size) + 1n
  let value = startOf(range, last)
  for (let i = 0n; i < tries && i < sizeOf(range); i++) {
    const ip = formatIp({ family: range.family, value })
    if (!leased.has(ip) && !kept.has(ip)) return ip
    value = value === range.last ? range.first : value + 1n
  }
  throw full(pool, range, kept)
}

/**
 * The address that was asked for with `--ip`, in its canonical form. It may lie outside of `--ip-range`, as with
 * Docker's own drivers. Throws `invalid` or `taken`.
 */
export function checkAddress(asked: string, { pool, leased }: Pick<AddressQuestion, 'pool' | 'leased'>): Ip {
  const ip = checkInPool(asked, pool.cidr)
  if (ip === pool.gateway) throw heldBy(ip, `the gateway of ${pool.cidr}`)
  const aux = Object.entries(pool.aux).find(([, address]) => address === ip)
  if (aux !== undefined) throw heldBy(ip, `reserved as --aux-address ${aux[0]}`)
  if (leased.has(ip)) throw heldBy(ip, 'leased already')
  return ip
}

/** An address that a host of the pool could have, canonical; for gateways and aux addresses too. Throws `invalid`. */
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

interface Range extends Pick<Block, 'family' | 'first' | 'last'> {}

/** The usable part of `--ip-range`, or of the pool. */
function handedOutFrom(pool: Pool): Range {
  const whole = usable(parseCidr(pool.cidr))
  const range = parseCidr(pool.range ?? pool.cidr)
  if (range.first < whole.first) range.first = whole.first
  if (range.last > whole.last) range.last = whole.last
  return range
}

/** In the range and not for containers. In pools smaller than eight addresses `.0.1` is too precious to keep. */
function keptBack(pool: Pool, range: Range, reserved: Iterable<Ip>): Set<Ip> {
  const { family, first, last } = parseCidr(pool.cidr)
  const kept = [pool.gateway, ...Object.values(pool.aux), ...reserved].map(parseIp)
  if (last - first >= 7n) kept.push({ family, value: first + 1n })
  const inRange = kept.filter((a) => a.family === family && a.value >= range.first && a.value <= range.last)
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

function full(pool: Pool, range: Range, kept: ReadonlySet<Ip>): DriverError {
  const size = sizeOf(range) - BigInt(kept.size)
  const where = pool.range === undefined ? pool.cidr : `${pool.range} (the --ip-range in ${pool.cidr})`
  return new DriverError('exhausted', `no free address in ${where}: ${size} of ${size} are leased`, {
    hint: 'remove a container, or create the network with a larger --subnet',
  })
}

function heldBy(ip: Ip, holder: string): DriverError {
  return new DriverError('taken', `the address ${ip} is ${holder}`, {
    hint: 'ask for another with --ip, or leave it out and one is chosen',
  })
}
