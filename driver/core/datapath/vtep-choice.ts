/**
 * Which of this host's addresses is its VTEP.
 *
 * The other hosts know the VTEP from the store, and all tunnels end there. So the VTEP that the host has had
 * stays: an address that an interface has lost is missing, and mostly comes back (a new DHCP lease, a carrier
 * that was away). Only an address like it may take its place, when it has been missing for a while
 * (daemon/underlay.ts): one of the same interface and family that is there to stay. Another interface gives
 * one when that of the VTEP is out of use, or when a driver that starts does not know the VTEP's interface.
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
  /** Of an interface without frames, as WireGuard's, which may encrypt. */
  isInTunnel: boolean
}

/** This host's VTEP so far. */
export interface KnownVtep {
  address: Ip
  /** Unknown at the start of the driver, when a record alone has the VTEP. */
  device?: string
  /** It is a static address of its full length, as of WireGuard. */
  isWhole?: boolean
  isInTunnel?: boolean
  /** The VTEP that this one has replaced. */
  home?: Ip
}

export type VtepChoice =
  | { is: 'found'; address: HostAddress }
  /** No interface that may be taken has the known VTEP. `next`: what may take its place. */
  | { is: 'missing'; next: Substitute | undefined }

export interface Substitute {
  address: HostAddress
  /** How long it must stand beside the missing VTEP before. */
  afterMs: number
}

/** On the VTEP's interface. */
const onItsDeviceMs = 10_000
/** The VTEP's interface has no address any more: it may have become a port of a bridge or of a bond. */
const deviceIsOutOfUseMs = 30_000
/** At a start the VTEP's interface is unknown, and it may be slow (DHCP, spanning tree). */
const atStartMs = 60_000

/** Throws `invalid` where `bind`, the value of --bind-interface, leads to no address. */
export function chooseVtep(
  addresses: readonly HostAddress[],
  bind: string,
  known: KnownVtep | undefined,
): VtepChoice {
  const matching = addresses.filter(matcher(bind))
  const kept = homeAmong(matching, known) ?? withAddress(matching, known?.address)
  if (kept !== undefined) return { is: 'found', address: kept }
  if (known === undefined || isOtherBind(addresses, bind, known))
    return { is: 'found', address: firstVtep(addresses, bind) }
  if (matching.length === 0) throw notFound(addresses, bind)
  const like = matching.filter((it) => mayReplace(it, known, addresses))
  if (known.device !== undefined) return { is: 'missing', next: whileRunning(addresses, like, known.device) }
  if (isCidr(bind)) return { is: 'missing', next: after(atStartMs, like[0]) }
  // The interface is a person's word: in the end it gives an address of any kind.
  const next = after(onItsDeviceMs, like[0]) ?? after(atStartMs, firstVtep(addresses, bind))
  return { is: 'missing', next }
}

/**
 * Without --bind-interface. `route`: the address that leads to the store. While a tunnel is down, that is the
 * interface outside of it, where frames would leave in the clear.
 */
export function substituteByRoute(
  addresses: readonly HostAddress[],
  route: HostAddress,
  known: KnownVtep,
): Substitute | undefined {
  if (!mayReplace(route, known, addresses)) return undefined
  if (known.isInTunnel && !route.isInTunnel) return undefined
  return after(known.device === undefined ? atStartMs : deviceIsOutOfUseMs, route)
}

/** Without --bind-interface, while the driver runs and the VTEP's interface is there. */
export function substituteOn(
  addresses: readonly HostAddress[],
  device: string,
  known: KnownVtep,
): Substitute | undefined {
  const next = addresses.find((it) => it.device === device && mayReplace(it, known, addresses))
  return after(onItsDeviceMs, next)
}

function whileRunning(
  addresses: readonly HostAddress[],
  like: readonly HostAddress[],
  device: string,
): Substitute | undefined {
  const isInUse = addresses.some((it) => it.device === device)
  if (!isInUse) return after(deviceIsOutOfUseMs, like[0])
  return after(
    onItsDeviceMs,
    like.find((it) => it.device === device),
  )
}

function after(afterMs: number, address: HostAddress | undefined): Substitute | undefined {
  return address === undefined ? undefined : { address, afterMs }
}

function withAddress(among: readonly HostAddress[], address: Ip | undefined): HostAddress | undefined {
  return among.find((it) => it.address === address)
}

/**
 * Where the VTEP returns to: the address that it had before a substitute's, unless that is a virtual one of
 * several hosts by now. A substitute of another family leads to no host, so any address of the family does.
 */
export function homeAmong(
  addresses: readonly HostAddress[],
  known: KnownVtep | undefined,
): HostAddress | undefined {
  if (known?.home === undefined) return undefined
  const home = { address: known.home }
  const staying = addresses.filter(
    (it) => canCarry(it) && !it.isPassing && (!isWhole(it) || isAlone(it, addresses)),
  )
  const sameFamily = isOfFamily(home, known) ? undefined : staying.find((it) => isOfFamily(it, home))
  return withAddress(staying, known.home) ?? sameFamily
}

/** At first: an address that is there to stay, where there is one. Throws `invalid` as `chooseVtep` does. */
export function firstVtep(addresses: readonly HostAddress[], bind: string): HostAddress {
  const matching = addresses.filter(matcher(bind))
  const [first] = matching
  if (first === undefined) throw notFound(addresses, bind)
  return matching.find((it) => !mayGo(it) && isOfFamily(it, first)) ?? first
}

/**
 * At first, without --bind-interface. `route`: the address that leads to the store. That may be a temporary
 * one of IPv6, or the store's own virtual address: an address of its interface that is there to stay is
 * taken instead, where there is one. Throws `unavailable` for a bridge of Docker's, behind which a store in a
 * container of this host is.
 */
export function firstByRoute(addresses: readonly HostAddress[], route: Ip): HostAddress {
  const at = firstVtep(addresses, route)
  if (!canCarry(at)) {
    throw new DriverError('unavailable', `${at.device} leads to the store, and to no other host`, {
      hint: 'name the interface of the VTEP with --bind-interface, by name or by CIDR',
    })
  }
  if (!mayGo(at)) return at
  const staying = addresses.filter((it) => it.device === at.device && isOfFamily(it, at) && !mayGo(it))
  const block = `${at.address}/${at.length}`
  return staying.find((it) => contains(block, it.address)) ?? staying[0] ?? at
}

function mayReplace(candidate: HostAddress, known: KnownVtep, addresses: readonly HostAddress[]): boolean {
  if (!canCarry(candidate) || !isOfFamily(candidate, known)) return false
  if (!mayGo(candidate)) return true
  // The only address of a tunnel interface takes the place of its only address.
  const mayBeWhole = known.isWhole ?? known.device === undefined
  return mayBeWhole && !candidate.isPassing && isAlone(candidate, addresses)
}

/** Of its family on its interface. */
function isAlone(address: HostAddress, among: readonly HostAddress[]): boolean {
  return among.filter((it) => it.device === address.device && isOfFamily(it, address)).length === 1
}

/** Docker's bridges have one and the same address on many hosts, and lo leads to no host. */
export function canCarry({ device }: HostAddress): boolean {
  return device !== 'lo' && !/^(docker0|docker_gwbridge|br-[0-9a-f]{12})$/.test(device)
}

function mayGo(address: HostAddress): boolean {
  return address.isPassing || isWhole(address)
}

/** A virtual address of several hosts has its full length and, unlike an address from DHCP, no lifetime. */
export function isWhole({ address, length, isLeased }: HostAddress): boolean {
  return length === bitsOf(familyOf(address)) && !isLeased
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
  const dummy =
    onLo === undefined
      ? ''
      : 'an address that several uplinks lead to goes on a dummy interface with the MTU of the uplinks; '
  return new DriverError('invalid', found, {
    hint: `${dummy}--bind-interface takes an interface, an address or a CIDR; this host has ${own}`,
  })
}
