/**
 * The output of `ip -j` and `bridge -j`, validated and turned into our types. Pure.
 *
 * Tolerant: only used fields are declared, and a link without them is not ours. Source: iproute2's
 * ip/ipaddress.c, ip/ipneigh.c, bridge/fdb.c (6.1).
 */
import * as z from 'zod'
import type { AlteredFlag, Observed } from '../core/datapath/datapath.ts'
import type { HostAddress } from '../core/datapath/vtep-choice.ts'
import { DriverError } from '../core/errors.ts'
import { familyOf, isCidr, isIp } from '../core/ip.ts'
import type { ForeignVxlan } from '../core/records.ts'
import type { Route } from '../core/routes.ts'
import { mark } from './lines.ts'

const Link = z.object({
  ifname: z.string(),
  flags: z.array(z.string()).default([]),
  operstate: z.string().default(''),
  mtu: z.number().default(0),
  ifindex: z.number().default(0),
  address: z.string().default(''),
  link_index: z.number().optional(),
  master: z.string().optional(),
  ifalias: z.string().optional(),
  linkinfo: z
    .object({
      info_kind: z.string().optional(),
      info_data: z.record(z.string(), z.unknown()).optional(),
      info_slave_data: z.record(z.string(), z.unknown()).optional(),
    })
    .optional(),
})
const Vxlan = z.object({
  id: z.number(),
  port: z.number().default(4789),
  local: z.string().optional(),
  local6: z.string().optional(),
})
/** An earlier iproute2 prints an empty object for a link of another kind. */
const OfKind = Link.pick({ linkinfo: true })
const Neighbour = z.object({
  dst: z.string(),
  dev: z.string().default(''),
  lladdr: z.string().default(''),
  state: z.array(z.string()).default([]),
})
const Fdb = z.object({
  mac: z.string(),
  ifname: z.string().default(''),
  master: z.string().optional(),
  dst: z.string().optional(),
  port: z.unknown().optional(),
  vni: z.unknown().optional(),
  via: z.unknown().optional(),
  state: z.string().default(''),
})
const RouteEntry = z.object({
  dst: z.string(),
  protocol: z.string().default(''),
  scope: z.string().default('global'),
})
const Addressed = z.object({
  ifname: z.string(),
  link_type: z.string().default('ether'),
  mtu: z.number(),
  addr_info: z
    .array(
      z.object({
        local: z.string().optional(),
        prefixlen: z.number(),
        scope: z.string().default('global'),
        dynamic: z.boolean().default(false),
        ...{ deprecated: z.boolean().optional(), temporary: z.boolean().optional() },
        ...{ tentative: z.boolean().optional(), dadfailed: z.boolean().optional() },
      }),
    )
    .default([]),
})

type Link = z.infer<typeof Link>

/** Our ends of the containers' links. Docker's own have a digit less. */
const portName = /^veth[0-9a-f]{8}$/

/** From `ip -j -d -batch` with `link show` and `neigh show`, and from `bridge -j fdb show`. */
export function observed(ipText: string, bridgeText: string): Observed {
  const [linkText = '[]', neighbourText = '[]'] = ipText.split('\n').filter((it) => it.trim() !== '')
  const links = parsed(z.array(Link), linkText, 'ip link')
  const vxlan = links.find((link) => link.ifname === 'vxlan1')
  const entries = parsed(z.array(Fdb), bridgeText, 'bridge fdb')
  const bridge = links.find((link) => link.ifname === 'br0')
  const macs = new Map<string, string[]>()
  for (const { ifname, mac } of entries.filter(isStaticOfBridge))
    macs.set(ifname, [...(macs.get(ifname) ?? []), mac])
  return {
    marked: links.some(isMarked),
    bridge: bridge !== undefined && isUp(bridge),
    ...(bridge?.linkinfo?.info_data?.mcast_snooping === 1 && { snoops: true }),
    ...(vxlan === undefined ? {} : { vxlan: vxlanOf(vxlan, bridge) }),
    ports: links
      .filter((link) => portName.test(link.ifname))
      .map((link) => portIn(link, bridge, macs.get(link.ifname))),
    strays: straysIn(entries, links),
    fdb: entries.flatMap(fdbOf),
    neighbours: parsed(z.array(Neighbour), neighbourText, 'ip neigh')
      .filter((it) => it.dev === 'vxlan1')
      .map((it) => ({ ip: it.dst, mac: it.lladdr, permanent: it.state.includes('PERMANENT') })),
  }
}

/**
 * From `ip -j link show`: whether the driver has made the namespace. A container's may carry the mark, too,
 * since its loopback has the alias that its programs give it: one whose interfaces lead to other namespaces,
 * without a device of the driver's, is a container's. A br0 may be a container's own and proves nothing.
 *
 * A container without a network (`--network none`) and with the mark looks like a namespace that the driver
 * has just made: both have `lo` alone, and a name of 12 hex digits. It counts as the driver's.
 */
export function isOurNamespace(text: string): boolean {
  const links = parsed(z.array(Link), text, 'ip link')
  const hasDevice = links.some(({ ifname }) => ifname === 'vxlan1' || portName.test(ifname))
  return links.some(isMarked) && (hasDevice || links.every(({ link_index }) => link_index === undefined))
}

/** An interface whose other end, or lower device, may be in another namespace. */
export interface LinkEnd {
  name: string
  mac: string
  index: number
  otherIndex: number | undefined
}

/** From `ip -j link show`. */
export function linkEndsIn(text: string): LinkEnd[] {
  return parsed(z.array(Link), text, 'ip link').map(({ ifname, address, ifindex, link_index }) => ({
    name: ifname,
    mac: address,
    index: ifindex,
    otherIndex: link_index,
  }))
}

const kindsOfEnds: readonly unknown[] = ['veth', 'macvlan']

/** From `ip -j -d link show` in the host's namespace. Other programs' interfaces have any names. */
export function strayLinksIn(text: string): string[] {
  return parsed(z.array(Link), text, 'ip link').flatMap(({ ifname, linkinfo }) =>
    /^vxc[0-9a-f]{8}$/.test(ifname) && kindsOfEnds.includes(linkinfo?.info_kind) ? [ifname] : [],
  )
}

/** From `ip -j -d link show type vxlan`. A device without a VNI of its own (`external`) has 0 there. */
export function vxlansIn(text: string): ForeignVxlan[] {
  return parsed(z.array(OfKind), text, 'ip link').flatMap(({ linkinfo }) => {
    const { data } = Vxlan.safeParse(linkinfo?.info_kind === 'vxlan' ? linkinfo.info_data : undefined)
    return data === undefined || data.id === 0 ? [] : [{ vni: data.id, port: data.port }]
  })
}

/** From `ip -j route show table main`. A single address gets its prefix length. */
export function routesIn(text: string): Route[] {
  return parsed(z.array(RouteEntry), text, 'ip route')
    .map(({ dst, protocol, scope }): Route => {
      // The kernel makes the route when an interface gets an address.
      const connected = protocol === 'kernel'
      return {
        to: isIp(dst) ? `${dst}/${familyOf(dst) === 6 ? 128 : 32}` : dst,
        connected,
        ...(scope === 'link' && !connected ? { onLink: true } : {}),
      }
    })
    .filter(({ to }) => isCidr(to))
}

/** Kinds of links that are no tunnel of IP (iproute2, lib/ll_types.c). */
const withFrames = new Set(['ether', 'loopback', 'infiniband'])

/** From `ip -j address show`: the global addresses. Those of IPv4's and IPv6's loopback have scope `host`. */
export function addressesIn(text: string): HostAddress[] {
  return parsed(z.array(Addressed), text, 'ip address').flatMap(({ ifname, link_type, mtu, addr_info }) =>
    addr_info.flatMap(({ local, prefixlen, scope, dynamic, ...flags }): HostAddress[] => {
      if (local === undefined || scope !== 'global') return []
      const isPassing = Object.values(flags).includes(true)
      return [
        {
          device: ifname,
          address: local,
          mtuBytes: mtu,
          length: prefixlen,
          isLeased: dynamic,
          isPassing,
          isInTunnel: !withFrames.has(link_type),
        },
      ]
    }),
  )
}

function vxlanOf(link: Link, bridge: Link | undefined): NonNullable<Observed['vxlan']> {
  const data = Vxlan.safeParse(link.linkinfo?.info_data ?? {}).data
  const altered = alteredFlags(link, bridge, { flood: true })
  return {
    // A device of another type with our name: VNI 0 differs from every network's.
    vni: data?.id ?? 0,
    port: data?.port ?? 0,
    local: data?.local ?? data?.local6 ?? '',
    mtuBytes: link.mtu,
    master: link.master === 'br0',
    ...(altered.length > 0 && { altered }),
    up: isUp(link),
  }
}

/**
 * Entries of the bridge itself have no `dst`. An entry with a port, VNI or interface of its own is not as the
 * driver sets it.
 */
function fdbOf(entry: z.infer<typeof Fdb>): Observed['fdb'] {
  if (entry.ifname !== 'vxlan1' || entry.dst === undefined) return []
  const altered = entry.port !== undefined || entry.vni !== undefined || entry.via !== undefined
  return [{ mac: entry.mac, vtep: entry.dst, permanent: entry.state === 'permanent' && !altered }]
}

function portIn(link: Link, bridge: Link | undefined, macs: string[] | undefined): Observed['ports'][number] {
  const altered = alteredFlags(link, bridge, { flood: false })
  return {
    name: link.ifname,
    up: isUp(link) && link.master === 'br0',
    ...(altered.length > 0 && { altered }),
    ...(macs === undefined ? {} : { macs }),
    mtuBytes: link.mtu,
  }
}

/** Those that decide which frames pass. An earlier `ip` does not print all of them, and cannot set those. */
const usualFlags = { learning: false, mcast_flood: true, bcast_flood: true, isolated: false, locked: false }

/** BR_STATE_FORWARDING (linux/if_bridge.h): `ip` takes a port's state as a number. */
const forwarding = '3'

/** The flags of a port of br0 that are not as the driver needs them. */
function alteredFlags(
  link: Link,
  bridge: Link | undefined,
  ofKind: Readonly<Record<string, boolean>>,
): AlteredFlag[] {
  if (link.master !== 'br0') return []
  const found = link.linkinfo?.info_slave_data ?? {}
  const flags = Object.entries({ ...usualFlags, ...ofKind }).flatMap(([flag, value]) =>
    (found[flag] ?? value) === value ? [] : [{ flag, is: onOff(!value), usual: onOff(value) }],
  )
  return isDisabled(link, bridge) ? [...flags, { flag: 'state', is: 'disabled', usual: forwarding }] : flags
}

function onOff(value: boolean): string {
  return value ? 'on' : 'off'
}

/**
 * By hand: the kernel enables a port together with its carrier, and when br0 is set up (net/bridge/br_if.c,
 * br_port_carrier_check). A bridge with the spanning tree protocol decides by itself.
 */
function isDisabled({ flags, operstate, linkinfo }: Link, bridge: Link | undefined): boolean {
  if (bridge === undefined || !isUp(bridge) || bridge.linkinfo?.info_data?.stp_state === 1) return false
  const hasCarrier = flags.includes('UP') && (operstate === 'UP' || operstate === 'UNKNOWN')
  return hasCarrier && linkinfo?.info_slave_data?.state === 'disabled'
}

/** vxlan1 gets the frames for MACs of other hosts with a static entry, too. */
function straysIn(entries: readonly z.infer<typeof Fdb>[], links: readonly Link[]) {
  const own = new Map(links.map(({ ifname, address }) => [ifname, address]))
  return entries.flatMap(({ master, state, ifname, mac }) => {
    const isStray = master === 'br0' && state === 'permanent' && own.has(ifname) && own.get(ifname) !== mac
    return isStray && ifname !== 'br0' ? [{ port: ifname, mac }] : []
  })
}

/** Ours; the entry that the kernel makes for a port's own MAC is `permanent`. */
function isStaticOfBridge({ master, state, ifname }: z.infer<typeof Fdb>): boolean {
  return master === 'br0' && state === 'static' && ifname !== 'vxlan1'
}

function isMarked(link: Link): boolean {
  return link.ifname === 'lo' && link.ifalias === mark
}

function isUp(link: Link): boolean {
  return link.flags.includes('UP')
}

function parsed<T>(schema: z.ZodType<T>, text: string, what: string): T {
  try {
    return schema.parse(JSON.parse(text.trim() === '' ? '[]' : text))
  } catch (cause) {
    throw new DriverError('kernel', `the output of ${what} cannot be parsed: ${text.slice(0, 200)}`, {
      cause,
    })
  }
}
