/**
 * Answers a question from the zones that the client may see. Pure.
 *
 * A network's name is not a domain that was delegated to us: a network may be called `dev`. So a name below
 * it that does not exist here is `unsure`: the caller answers NXDOMAIN only when the machine's resolvers do,
 * as the engine's own DNS does. The addresses of a network's pools are ours alone.
 */
import type { Resource } from 'dns-packet'
import { canonicalIp, isIp, parseCidr, parseIp } from '../core/ip.ts'
import type { Zone } from '../core/names.ts'
import type { Ip } from '../core/records.ts'

export type Found =
  | { kind: 'records'; records: Resource[] }
  /** The name exists, without records of this type. */
  | { kind: 'empty'; authority: Resource }
  /** An address of ours without a name. */
  | { kind: 'denied'; authority: Resource }
  /** A name below a network's name that does not exist here. */
  | { kind: 'unsure'; authority: Resource }
  | { kind: 'foreign' }

export interface View {
  /** The first one that knows the name answers alone, as in Docker (moby's Sandbox.ResolveName). */
  zones: readonly Zone[]
  /**
   * For a client that is on no network of ours: a name that several networks have is not found without its
   * network.
   */
  onlyUnambiguous: boolean
}

/** Seconds. Another container may get the address soon. */
const ttl = 5
const negativeTtl = 1

/** `name` in lower case without the last dot; `asked` as it was written. */
export function lookup(view: View, name: string, type: string, asked: string): Found {
  const reverse = addressOfReverse(name)
  return reverse === undefined ? forward(view, name, type, asked) : backward(view, reverse, type, asked)
}

function forward({ zones, onlyUnambiguous }: View, name: string, type: string, asked: string): Found {
  const qualified = zones.filter(({ domain }) => domain !== '' && name.endsWith(`.${domain.toLowerCase()}`))
  const all = zones
    .map((zone) => ({ zone, addresses: zone.addressesOf(name) }))
    .filter(({ addresses }) => addresses.length > 0)
  const isAmbiguous = onlyUnambiguous && all.length > 1
  const matching = isAmbiguous ? all.filter(({ zone }) => qualified.includes(zone)) : all.slice(0, 1)
  const [first] = matching
  if (first === undefined) {
    const [zone] = qualified
    return zone === undefined ? { kind: 'foreign' } : { kind: 'unsure', authority: soa(zone) }
  }
  const addresses = new Set(matching.flatMap((it) => it.addresses))
  const records = [...addresses]
    .map((data) => ({ name: asked, type: typeOf(data), ttl, data }))
    .filter((record) => type === 'ANY' || type === record.type)
  return records.length === 0 ? { kind: 'empty', authority: soa(first.zone) } : { kind: 'records', records }
}

function typeOf(ip: Ip): 'A' | 'AAAA' {
  return ip.includes(':') ? 'AAAA' : 'A'
}

/** Pools do not overlap, so at most one zone has the address. */
function backward({ zones }: View, ip: Ip, type: string, asked: string): Found {
  const zone = zones.find(({ pools }) => pools.some((pool) => isIn(ip, pool)))
  if (zone === undefined) return { kind: 'foreign' }
  const data = zone.nameAt(ip)
  if (data === undefined) return { kind: 'denied', authority: soa(zone) }
  if (type !== 'PTR' && type !== 'ANY') return { kind: 'empty', authority: soa(zone) }
  return { kind: 'records', records: [{ name: asked, type: 'PTR', ttl, data }] }
}

function soa({ domain }: Zone): Resource {
  const timers = { refresh: 3600, retry: 600, expire: 86_400, minimum: negativeTtl }
  const data = { mname: domain, rname: `hostmaster.${domain}`, serial: 1, ...timers }
  return { name: domain, type: 'SOA', ttl: negativeTtl, data }
}

/** `2.0.21.172.in-addr.arpa` → 172.21.0.2; also for IPv6 (RFC 3596 §2.5). Undefined for other names. */
export function addressOfReverse(name: string): Ip | undefined {
  const v4 = /^((?:\d{1,3}\.){4})in-addr\.arpa$/.exec(name)?.[1]
  if (v4 !== undefined) return canonical(v4.split('.').slice(0, 4).reverse().join('.'))
  const v6 = /^((?:[0-9a-f]\.){32})ip6\.arpa$/.exec(name)?.[1]
  if (v6 === undefined) return undefined
  const digits = v6.split('.').slice(0, 32).reverse().join('')
  return canonical((digits.match(/.{4}/g) ?? []).join(':'))
}

function canonical(text: string): Ip | undefined {
  return isIp(text) ? canonicalIp(text) : undefined
}

function isIn(ip: Ip, pool: string): boolean {
  const address = parseIp(ip)
  const { family, first, last } = parseCidr(pool)
  return address.family === family && address.value >= first && address.value <= last
}
