/**
 * Which of this host's addresses is its VTEP.
 *
 * The other hosts know the VTEP from the store, and all tunnels end there. So the VTEP that the host has had
 * stays: an address that an interface has lost is missing, and mostly comes back (a new DHCP lease, a carrier
 * that was away). Only an address like it may take its place, when it has been missing for a while
 * (daemon/underlay.ts): one of the same interface and family that is there to stay.
 */

import { DriverError } from '../errors.ts'
import { bitsOf, canonicalIp, contains, familyOf, isCidr, isIp } from '../ip.ts'
import type { Ip } from '../records.ts'
import type { UnderlayMtu } from './mtu.ts'

/** A global address of an interface. */
export interface HostAddress extends UnderlayMtu {
  /** Of its prefix. */
  length: number
  /** It has a lifetime: a lease of DHCP, or an advertised prefix. */
  isLeased: boolean
  /** An address of IPv6 that ends by itself, or may not be used yet (RFC 4862, RFC 8981). */
  isPassing: boolean
}

/** This host's VTEP so far. `device`: unknown at the start of the driver, when a record alone has the VTEP. */
export interface KnownVtep {
  address: Ip
  device?: string
}

export type VtepChoice =
  | { is: 'found'; address: HostAddress }
  /** No interface that may be taken has the known VTEP. `next`: the address that may take its place. */
  | { is: 'missing'; next: HostAddress | undefined }

/** Throws `invalid` where `bind`, the value of --bind-interface, leads to no address. */
export function chooseVtep(
  addresses: readonly HostAddress[],
  bind: string,
  known: KnownVtep | undefined,
): VtepChoice {
  const matching = addresses.filter(matcher(bind))
  const kept = matching.find(({ address }) => address === known?.address)
  if (kept !== undefined) return { is: 'found', address: kept }
  if (known === undefined || isOtherBind(addresses, bind, known))
    return { is: 'found', address: firstVtep(addresses, bind) }
  if (matching.length === 0) throw notFound(addresses, bind)
  const { device } = known
  const next = matching.find((it) => mayReplace(it, known) && (device ?? it.device) === it.device)
  return { is: 'missing', next }
}

/** At first: an address that is there to stay, where there is one. Throws `invalid` as `chooseVtep` does. */
export function firstVtep(addresses: readonly HostAddress[], bind: string): HostAddress {
  const matching = addresses.filter(matcher(bind))
  const [first] = matching
  if (first === undefined) throw notFound(addresses, bind)
  return matching.find((it) => !mayGo(it) && isOfFamily(it, first)) ?? first
}

/** The address that the store is reached by takes the place of the known VTEP as one of the interface does. */
export function mayReplace(candidate: HostAddress, known: KnownVtep): boolean {
  return canCarry(candidate) && !mayGo(candidate) && isOfFamily(candidate, known)
}

/** Docker's bridges have one and the same address on many hosts, and lo leads to no host. */
export function canCarry({ device }: HostAddress): boolean {
  return device !== 'lo' && !/^(docker0|docker_gwbridge|br-[0-9a-f]{12})$/.test(device)
}

/** A virtual address of several hosts has its full length and, unlike an address from DHCP, no lifetime. */
function mayGo({ address, length, isLeased, isPassing }: HostAddress): boolean {
  return isPassing || (length === bitsOf(familyOf(address)) && !isLeased)
}

function isOfFamily(one: { address: Ip }, other: { address: Ip }): boolean {
  return familyOf(one.address) === familyOf(other.address)
}

/** At a start with another --bind-interface than before, which is a person's word. */
function isOtherBind(
  addresses: readonly HostAddress[],
  bind: string,
  { address, device }: KnownVtep,
): boolean {
  if (device !== undefined) return false
  return covers(bind, address) === false || addresses.some((it) => it.address === address)
}

/** A bridge of Docker's is taken where a person names it. */
function matcher(bind: string): (it: HostAddress) => boolean {
  return (it) =>
    (isCidr(bind) ? canCarry(it) : it.device !== 'lo') && (covers(bind, it.address) ?? it.device === bind)
}

/** Undefined where `bind` is the name of an interface. */
function covers(bind: string, address: Ip): boolean | undefined {
  if (isCidr(bind)) return contains(bind, address)
  return isIp(bind) ? canonicalIp(bind) === address : undefined
}

function notFound(addresses: readonly HostAddress[], bind: string): DriverError {
  const onLo = addresses.find((it) => it.device === 'lo' && covers(bind, it.address))
  const found =
    onLo === undefined
      ? `no interface is named ${bind} or has an address in it`
      : `${bind} leads to ${onLo.address} on lo, which carries no VTEP`
  const list = addresses
    .filter(canCarry)
    .map((it) => `${it.device} ${it.address}/${it.length}`)
    .join(', ')
  const own = list === '' ? 'no addresses' : list
  return new DriverError('invalid', found, {
    hint: `--bind-interface takes an interface, an address or a CIDR; this host has ${own}`,
  })
}
