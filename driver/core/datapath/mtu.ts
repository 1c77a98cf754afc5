/**
 * How large a packet of a container may be: docs/datapath.md.
 *
 * A network with IPv6 keeps IPv6's smallest MTU on each underlay. Below it, the kernel takes IPv6 and its
 * addresses from an interface, and does not bring them back when the MTU rises (net/ipv6/addrconf.c,
 * addrconf_notify).
 */
import { familyOf } from '../ip.ts'
import type { Ip } from '../records.ts'

/** RFC 791; RFC 8200 §5. */
export const smallestMtu = { v4: 68, v6: 1280 }

/** The interface with this host's VTEP. */
export interface UnderlayMtu {
  device: string
  address: Ip
  mtuBytes: number
}

/** Outer IPv4 or IPv6 (20 or 40), UDP (8), VXLAN (8) and the inner Ethernet header (14). RFC 7348 §4. */
export function innerMtu(underlayMtuBytes: number, vtep: Ip): number {
  return underlayMtuBytes - (familyOf(vtep) === 6 ? 70 : 50)
}

/** An underlay that is too small for IPv6 inside the tunnel, in words. */
export function smallUnderlay({
  device,
  address,
  mtuBytes,
}: UnderlayMtu): { found: string; hint: string } | undefined {
  const inner = innerMtu(mtuBytes, address)
  if (inner >= smallestMtu.v6) return undefined
  return {
    found: `${device} has MTU ${mtuBytes}, which leaves containers ${inner}, less than IPv6's ${smallestMtu.v6}`,
    hint: `raise the MTU of ${device} to ${mtuBytes - inner + smallestMtu.v6} or more`,
  }
}
