/**
 * Arithmetic on IPv4 and IPv6 addresses and blocks. Both are bigint, so that every rule exists once.
 *
 * Only this file parses and formats addresses. An address has one text form (RFC 5952 for IPv6), so texts can
 * be keys. Blocks are never expanded: a /8 or a /64 costs as much as a /30.
 */
import { Address6 } from 'ip-address'
import { DriverError } from './errors.ts'
import type { Cidr, Ip, Mac } from './records.ts'

export type Family = 4 | 6

export interface Address {
  family: Family
  value: bigint
}

/** All addresses from `first` to `last`; `length` is the prefix length. */
export interface Block {
  family: Family
  first: bigint
  last: bigint
  length: number
}

/** Throws `invalid` for anything but a plain address: no prefix length, no zone. */
export function parseIp(text: string): Address {
  const address = read(text)
  if (address === undefined) throw notAnAddress(text)
  return address
}

export function isIp(text: string): boolean {
  return read(text) !== undefined
}

export function formatIp({ family, value }: Address): Ip {
  if (family === 6) return Address6.fromBigInt(value).correctForm()
  const bits = Number(value)
  return `${bits >>> 24}.${(bits >>> 16) & 255}.${(bits >>> 8) & 255}.${bits & 255}`
}

export function canonicalIp(text: string): Ip {
  return formatIp(parseIp(text))
}

export function familyOf(ip: Ip): Family {
  return parseIp(ip).family
}

/** Host bits are cleared, as Docker does: `10.1.2.3/16` is 10.1.0.0/16. Throws `invalid`. */
export function parseCidr(text: string): Block {
  const [ip = '', digits = '', ...rest] = text.split('/')
  const address = read(ip)
  const length = /^\d{1,3}$/.test(digits) && rest.length === 0 ? Number(digits) : -1
  if (address === undefined || length < 0 || length > bitsOf(address.family)) throw notACidr(text)
  return blockAt(address, length)
}

export function isCidr(text: string): boolean {
  try {
    parseCidr(text)
    return true
  } catch {
    // parseCidr throws only when the text is not a block.
    return false
  }
}

export function formatCidr({ family, first, length }: Block): Cidr {
  return `${formatIp({ family, value: first })}/${length}`
}

export function canonicalCidr(text: string): Cidr {
  return formatCidr(parseCidr(text))
}

/** The block of that length that contains the address. */
function blockAt({ family, value }: Address, length: number): Block {
  const hostBits = BigInt(bitsOf(family) - length)
  const first = (value >> hostBits) << hostBits
  return { family, first, last: first + (1n << hostBits) - 1n, length }
}

export function contains(cidr: Cidr, ip: Ip): boolean {
  const block = parseCidr(cidr)
  const { family, value } = parseIp(ip)
  return family === block.family && value >= block.first && value <= block.last
}

/** Every address of `inner` is in `outer`. */
export function within(inner: Cidr, outer: Cidr): boolean {
  const small = parseCidr(inner)
  const large = parseCidr(outer)
  return small.family === large.family && small.first >= large.first && small.last <= large.last
}

export function overlaps(one: Cidr, other: Cidr): boolean {
  return blocksOverlap(parseCidr(one), parseCidr(other))
}

export function blocksOverlap(a: Block, b: Block): boolean {
  return a.family === b.family && a.first <= b.last && b.first <= a.last
}

/** The default gateway. */
export function lastUsable(cidr: Cidr): Ip {
  const block = parseCidr(cidr)
  return formatIp({ family: block.family, value: usable(block).last })
}

/**
 * The addresses that a host can have: without the network address and IPv4's broadcast address. IPv6's first
 * is the subnet-router anycast address (RFC 4291 §2.6.1). Blocks of one or two addresses have neither (RFC
 * 3021, RFC 6164).
 */
export function usable(block: Block): { first: bigint; last: bigint } {
  if (bitsOf(block.family) - block.length <= 1) return { first: block.first, last: block.last }
  return { first: block.first + 1n, last: block.family === 4 ? block.last - 1n : block.last }
}

/** The address of `172.21.0.2/16`, canonical. */
export function withoutLength(address: string): Ip {
  return canonicalIp(address.split('/')[0] ?? '')
}

/** `02:42` and the four address bytes, as Docker's own drivers do: the MAC follows from the address. */
export function macOf(ip: Ip): Mac {
  const { family, value } = parseIp(ip)
  if (family !== 4) throw new DriverError('invalid', `a MAC is made from an IPv4 address, not from ${ip}`)
  const hex = value.toString(16).padStart(8, '0')
  return `02:42:${hex.slice(0, 2)}:${hex.slice(2, 4)}:${hex.slice(4, 6)}:${hex.slice(6, 8)}`
}

/** The address whose `macOf` it is; undefined for other MACs. */
export function addressOfMac(mac: Mac): Ip | undefined {
  if (!mac.startsWith('02:42:')) return undefined
  const bytes = mac.split(':').slice(2)
  return formatIp({ family: 4, value: BigInt(`0x${bytes.join('')}`) })
}

export function bitsOf(family: Family): number {
  return family === 4 ? 32 : 128
}

/** Undefined for anything but a plain address. */
function read(text: string): Address | undefined {
  if (!text.includes(':')) {
    const value = readV4(text)
    return value === undefined ? undefined : { family: 4, value: BigInt(value) }
  }
  if (text.includes('/') || text.includes('%')) return undefined
  try {
    return { family: 6, value: new Address6(text).bigInt() }
  } catch {
    // The constructor throws for nothing but a text that is not an address.
    return undefined
  }
}

/** Four decimal numbers without leading zeros. The library takes twice as long, and plans read thousands. */
function readV4(text: string): number | undefined {
  const parts = text.split('.')
  if (parts.length !== 4) return undefined
  let value = 0
  for (const part of parts) {
    if (!/^(?:0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) return undefined
    value = value * 256 + Number(part)
  }
  return value
}

function notAnAddress(text: string): DriverError {
  return new DriverError('invalid', `'${text}' is not an IP address`, {
    hint: 'write an address like 10.0.0.2 or fd00::2',
  })
}

function notACidr(text: string): DriverError {
  return new DriverError('invalid', `'${text}' is not an address block`, {
    hint: 'write a block like 10.0.0.0/16 or fd00::/64',
  })
}
