/**
 * The difference between the content of a namespace and the wanted content, as operations with their reasons.
 *
 * Additions come before removals, so that traffic is not interrupted. A device that differs is changed, or
 * recreated where the kernel cannot change it, and the reason names the difference (after flannel's vxlan
 * backend). Only permanent unicast entries are ours: all-zero and group MACs, multicast neighbours and what
 * the kernel has learnt are not touched. Linear in the network's endpoints.
 */
import { familyOf, isIp } from '../ip.ts'
import type { AlteredFlag, Datapath, Observed, Op, Veth } from './datapath.ts'

export interface Plan {
  ops: Op[]
  /** One line per difference: `vxlan1: vni: 41 vs 42` (have vs want). */
  reasons: string[]
}

/** Without removals (`remove: false`) while the snapshot may be outdated: unknown is never empty. */
export function plan(have: Observed | undefined, want: Datapath, { remove = true } = {}): Plan {
  const out: Plan = { ops: [], reasons: [] }
  planNamespace(have, want, out)
  // Who sends is told before the path is narrow, and after it is wide.
  const mtu = vethMtu(have, want)
  const falls = want.vxlan.mtuBytes < (have?.vxlan?.mtuBytes ?? 0)
  if (falls) append(out, mtu)
  const device = planDevice(have, want, remove, out)
  const entries = device === 'new' ? { fdb: [], neighbours: [] } : entriesOf(have)
  forgetMoved(have, want, out)
  addPeers(entries, want, out)
  if (remove && device !== 'new' && have?.vxlan?.local !== want.vxlan.local) renewFdb(entries, want, out)
  // Withheld removals withhold a change of the device, too.
  if (!falls && (remove || device === 'new' || have?.vxlan?.mtuBytes === want.vxlan.mtuBytes))
    append(out, mtu)
  if (device !== 'new') restoreFlags('vxlan1', have?.vxlan, want, out)
  addVeths(have, want, out)
  if (remove) removeVeths(have, want, out)
  if (remove) removeNeighbours(entries, want, out)
  if (remove) removeFdb(entries, want, out)
  return out
}

function append(out: Plan, { ops, reasons }: Plan): void {
  out.ops.push(...ops)
  out.reasons.push(...reasons)
}

/**
 * A container that was started with another MTU is given the present one. A macvlan child follows its device
 * down by itself.
 */
function vethMtu(have: Observed | undefined, { namespace, veths, vxlan: { mtuBytes } }: Datapath): Plan {
  const found = new Map(have?.ports.map((port) => [port.name, port.mtuBytes]))
  const differing = veths.filter(({ port }) => ![undefined, mtuBytes].includes(found.get(port)))
  return {
    ops: differing.length === 0 ? [] : [{ op: 'veth-mtu', namespace, veths: differing, mtuBytes }],
    reasons: differing.map(({ port }) => `${port}: mtu ${found.get(port)} vs ${mtuBytes}`),
  }
}

type Entries = Pick<Observed, 'fdb' | 'neighbours'>

function planNamespace(have: Observed | undefined, { namespace, kind }: Datapath, out: Plan): void {
  if (!have?.marked) {
    out.reasons.push(have === undefined ? 'namespace is missing' : 'the namespace does not carry the mark')
    out.ops.push({ op: 'namespace-add', namespace })
  }
  if ((have?.bridge && !have.snoops) || kind !== 'bridge') return
  if (have !== undefined) out.reasons.push(have.bridge ? 'br0: mcast_snooping on' : 'br0 is missing or down')
  out.ops.push({ op: 'bridge-add', namespace })
}

/** `new`: the device has empty tables. */
function planDevice(
  have: Observed | undefined,
  want: Datapath,
  remove: boolean,
  out: Plan,
): 'new' | 'unchanged' {
  const { namespace, vxlan, kind } = want
  const reason = deviceReason(have?.vxlan, want)
  if (reason === undefined) return 'unchanged'
  const differs = have?.vxlan !== undefined && vxlanDifference(have.vxlan, vxlan) !== undefined
  if (differs && !remove) return 'unchanged'
  out.reasons.push(reason)
  const fits = have?.vxlan !== undefined && isChangeable(have.vxlan, vxlan)
  if (differs && fits) out.ops.push({ op: 'vxlan-set', namespace, vxlan })
  if (differs && !fits) out.ops.push({ op: 'vxlan-del', namespace })
  if (!differs || !fits) out.ops.push({ op: 'vxlan-add', namespace, vxlan, kind })
  return fits ? 'unchanged' : 'new'
}

/** The kernel cannot change the VNI, the port, or IPv4 into IPv6 (drivers/net/vxlan, vxlan_nl2conf). */
function isChangeable(have: Datapath['vxlan'], want: Datapath['vxlan']): boolean {
  return have.vni === want.vni && have.port === want.port && familyOrNone(have.local) === familyOf(want.local)
}

/** A device that the driver did not make may have no local address. */
function familyOrNone(local: string): number | undefined {
  return isIp(local) ? familyOf(local) : undefined
}

function deviceReason(have: Observed['vxlan'], { vxlan: want, kind }: Datapath): string | undefined {
  if (have === undefined) return 'vxlan1 is missing'
  const difference = vxlanDifference(have, want)
  if (difference !== undefined) return `vxlan1: ${difference}`
  if (!have.master && kind === 'bridge') return 'vxlan1 is not a port of br0'
  return have.up ? undefined : 'vxlan1 is down'
}

/** The first attribute that differs, as `vni: 41 vs 42`. */
export function vxlanDifference(have: Datapath['vxlan'], want: Datapath['vxlan']): string | undefined {
  for (const key of ['vni', 'port', 'local', 'mtuBytes'] as const) {
    if (have[key] !== want[key]) return `${key}: ${have[key]} vs ${want[key]}`
  }
  return undefined
}

function entriesOf(have: Observed | undefined): Entries {
  return { fdb: have?.fdb ?? [], neighbours: have?.neighbours ?? [] }
}

/**
 * The MAC of an endpoint on another host must not lead to the port that it had here, nor to one that a person
 * gave it.
 */
function forgetMoved(have: Observed | undefined, want: Datapath, out: Plan): void {
  for (const { port, mac } of misplacedMacs(have, want)) {
    out.reasons.push(`${port} has the MAC ${mac}, which is on another host`)
    out.ops.push({ op: 'port-forget', namespace: want.namespace, port, mac })
  }
}

/** Entries of br0 for MACs of other hosts. */
export function misplacedMacs(
  have: Observed | undefined,
  { veths, peers }: Datapath,
): { port: string; mac: string }[] {
  const own = new Map(veths.map(({ port, mac }) => [port, mac]))
  const away = new Set<string>(peers.map(({ mac }) => mac))
  const { ports = [], strays = [] } = have ?? {}
  const placed = ports.flatMap(({ name, macs = [] }) => macs.map((mac) => ({ port: name, mac })))
  return [...placed, ...strays].filter(({ port, mac }) => away.has(mac) && own.get(port) !== mac)
}

function addPeers(have: Entries, { namespace, peers }: Datapath, out: Plan): void {
  const reason = fdbReasons(have)
  const isThere = permanentIn(have)
  for (const { mac, vtep } of peers) {
    if (isThere({ mac, vtep })) continue
    out.reasons.push(reason(mac, vtep))
    out.ops.push({ op: 'fdb-replace', namespace, mac, vtep })
  }
  const known = new Map(have.neighbours.map((it) => [it.ip, it]))
  for (const { mac, addresses } of peers) {
    for (const ip of addresses) {
      const entry = known.get(ip)
      if (entry?.permanent && entry.mac === mac) continue
      out.reasons.push(
        `neighbour ${ip}: ${entry === undefined ? 'none' : stated(entry.mac, entry)} vs ${mac}`,
      )
      out.ops.push({ op: 'neighbour-replace', namespace, ip, mac })
    }
  }
}

/**
 * An entry keeps the route and the source address of its packets, and learns nothing of the device's new
 * address (the kernel's dst_cache; vxlan_changelink and a replacement by the same destination leave it).
 */
function renewFdb(have: Entries, { namespace, peers }: Datapath, out: Plan): void {
  for (const { mac, vtep } of peers.filter(permanentIn(have))) {
    out.ops.push({ op: 'fdb-del', namespace, mac, vtep }, { op: 'fdb-replace', namespace, mac, vtep })
  }
}

/** Whether a permanent entry leads the MAC to the VTEP. */
function permanentIn({ fdb }: Entries): (entry: { mac: string; vtep: string }) => boolean {
  const nameOf = ({ mac, vtep }: { mac: string; vtep: string }): string => `${mac} ${vtep}`
  const entries = new Set(fdb.filter(({ permanent }) => permanent).map(nameOf))
  return (entry) => entries.has(nameOf(entry))
}

/** The entries of a MAC and the wanted one: `fdb 02:42:…: 192.168.33.11 vs 192.168.33.12`. */
function fdbReasons({ fdb }: Entries): (mac: string, want: string) => string {
  const found = new Map<string, string[]>()
  for (const it of fdb) found.set(it.mac, [...(found.get(it.mac) ?? []), stated(it.vtep, it)])
  return (mac, want) => `fdb ${mac}: ${found.get(mac)?.join(', ') ?? 'none'} vs ${want}`
}

function stated(value: string, { permanent }: { permanent: boolean }): string {
  return permanent ? value : `${value} (not permanent)`
}

function addVeths(have: Observed | undefined, want: Datapath, out: Plan): void {
  const ports = new Map(have?.ports.map((port) => [port.name, port]))
  for (const veth of want.veths) {
    const port = ports.get(veth.port)
    const reason = vethReason(port, veth)
    if (reason !== undefined) {
      out.reasons.push(`${veth.port} ${reason}`)
      out.ops.push(vethAdd(want, veth))
    }
    restoreFlags(veth.port, port, want, out)
  }
}

function vethReason(port: Observed['ports'][number] | undefined, { mac }: Veth): string | undefined {
  if (port === undefined) return 'is missing'
  if (!port.up) return 'is down or not a port of br0'
  return port.child || port.macs?.includes(mac) ? undefined : 'is not the port where br0 has its MAC'
}

/** The flags alone: a port that leaves br0 and comes back loses frames, and is open until its flags are set. */
function restoreFlags(
  port: string,
  have: { altered?: AlteredFlag[] } | undefined,
  { namespace, kind }: Datapath,
  out: Plan,
): void {
  const flags = have?.altered ?? []
  if (flags.length === 0 || kind !== 'bridge') return
  out.reasons.push(...flags.map((it) => `${port}: ${flagText(it)}`))
  out.ops.push({ op: 'port-set', namespace, port, flags })
}

/** `isolated on` */
export function flagText({ flag, is }: AlteredFlag): string {
  return `${flag} ${is}`
}

function vethAdd({ namespace, kind, vxlan }: Datapath, veth: Veth): Op {
  return { op: kind === 'bridge' ? 'veth-add' : 'child-add', namespace, veth, mtuBytes: vxlan.mtuBytes }
}

function removeVeths(have: Observed | undefined, { namespace, veths }: Datapath, out: Plan): void {
  const wanted = new Set(veths.map((veth) => veth.port))
  for (const { name, child } of have?.ports ?? []) {
    if (wanted.has(name)) continue
    out.reasons.push(`${name} belongs to no endpoint`)
    out.ops.push({ op: child ? 'child-del' : 'veth-del', namespace, port: name })
  }
}

function removeNeighbours(have: Entries, { namespace, peers }: Datapath, out: Plan): void {
  const wanted = new Set(peers.flatMap((peer) => peer.addresses))
  for (const { ip, permanent } of have.neighbours) {
    if (wanted.has(ip) || !permanent || isMulticast(ip)) continue
    out.reasons.push(`neighbour ${ip} belongs to no endpoint`)
    out.ops.push({ op: 'neighbour-del', namespace, ip })
  }
}

function removeFdb(have: Entries, { namespace, peers }: Datapath, out: Plan): void {
  const reason = fdbReasons(have)
  const wanted = new Map(peers.map((peer) => [peer.mac, peer.vtep]))
  const reasons = new Set(out.reasons)
  for (const { mac, vtep, permanent } of have.fdb) {
    const place = wanted.get(mac)
    if (place === vtep || isGroup(mac) || (place === undefined && !permanent)) continue
    reasons.add(reason(mac, place ?? 'none'))
    out.ops.push({ op: 'fdb-del', namespace, mac, vtep })
  }
  out.reasons = [...reasons]
}

/** The all-zero default entry, and MACs with the group bit. */
export function isGroup(mac: string): boolean {
  return mac === '00:00:00:00:00:00' || (Number.parseInt(mac.slice(0, 2), 16) & 1) === 1
}

export function isMulticast(ip: string): boolean {
  return ip.includes(':') ? ip.toLowerCase().startsWith('ff') : Number(ip.split('.')[0]) >= 224
}
