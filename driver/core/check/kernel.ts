/**
 * Kernel ⇔ store: the content of the namespaces of this host's networks, and what the store wants there.
 *
 * Entries that the kernel makes itself (learnt ones, and those of multicast groups) are ignored. The cost
 * grows with the endpoints of this host's networks.
 */

import type { AlteredFlag, Datapath, Observed } from '../datapath/datapath.ts'
import { flagText, isGroup, isMulticast, misplacedMacs } from '../datapath/plan.ts'
import type { HostName, Snapshot } from '../records.ts'
import { clashHint, clashingNetworks, publishedRoutes, type Route } from '../routes.ts'
import { networkLabel } from '../snapshot.ts'
import { compareFacts, type Difference, type Facts, nothing } from './difference.ts'

export interface KernelState {
  /** The namespaces that carry the driver's mark, and those that are wanted. */
  namespaces: readonly ObservedNetwork[]
  /** Container ends (`vxc…`) in the host's namespace. */
  strayLinks: readonly string[]
  /** Container ends that may be there: their endpoints are joining. */
  joining: ReadonlySet<string>
}

export interface ObservedNetwork {
  /** The network's name; the namespace's path when no network has it. */
  name: string
  want: Datapath | undefined
  have: Observed | undefined
}

export function checkKernel({ namespaces, strayLinks, joining }: KernelState): Difference[] {
  const loose = strayLinks.filter((end) => !joining.has(end))
  return [
    ...namespaces.flatMap(compareNetwork),
    ...loose.map((end): Difference => {
      const hint = `ip link del ${end}`
      return { plane: 'kernel', object: `link ${end} of the host`, expected: nothing, found: 'a link', hint }
    }),
  ]
}

/** No network has a subnet that the host routes to another interface, or with an address that it needs. */
export function checkRoutes(snapshot: Snapshot, host: HostName, routes: readonly Route[]): Difference[] {
  const use = { ...snapshot.hosts.get(host)?.value, routes: publishedRoutes(routes) }
  return clashingNetworks(snapshot, use).map(({ network, pool, clash }) => ({
    plane: 'kernel',
    object: `subnet ${pool} of network ${networkLabel(network)}`,
    ...('route' in clash
      ? { expected: 'no route of the host into it', found: `the route ${clash.route}` }
      : { expected: 'no address of the host in it', found: `${clash.address}, ${clash.role} of the host` }),
    hint: clashHint(clash),
  }))
}

function compareNetwork({ name, want, have }: ObservedNetwork): Difference[] {
  const about = `network ${name}: `
  if (want === undefined || have === undefined) {
    const facts = (side: unknown): Facts => new Map(side === undefined ? [] : [['datapath', 'a namespace']])
    return compareFacts({ plane: 'kernel', about, want: facts(want), have: facts(have) })
  }
  const facts = { want: wantedFacts(want), have: foundFacts(have, want) }
  return compareFacts({
    plane: 'kernel',
    about,
    ...facts,
    more: (object) => portHint(facts, object, name),
  })
}

/** A deleted veth pair cannot be created again for a running container. */
function portHint(
  { want, have }: Record<'want' | 'have', Facts>,
  object: string,
  network: string,
): { hint?: string } {
  if (!object.startsWith('port ') || !want.has(object) || have.has(object)) return {}
  return { hint: `docker network disconnect ${network} CONTAINER, then connect it again` }
}

/** A macvlan child is inside its container, which is not examined. */
function wantedFacts({ kind, vxlan, veths, peers }: Datapath): Facts {
  const bridged = kind === 'bridge'
  return new Map([
    ...(bridged ? [['br0', 'up, without snooping'] as const] : []),
    ['vxlan1', `${deviceText(vxlan)}, ${states({ up: true, master: bridged })}`],
    ...(bridged ? veths.map(({ port, mac }) => [`port ${port}`, portText({ up: true }, mac)] as const) : []),
    ...peers.map(({ mac, vtep }) => [`FDB entry ${mac}`, vtep] as const),
    ...peers.flatMap(({ mac, addresses }) => addresses.map((ip) => [`neighbour ${ip}`, mac] as const)),
  ])
}

function foundFacts(have: Observed, want: Datapath): Facts {
  const { bridge, snoops, vxlan, ports, fdb, neighbours } = have
  const macs = new Set(want.peers.map(({ mac }) => mac))
  const ips = new Set(want.peers.flatMap(({ addresses }) => addresses))
  const facts = new Map<string, string>()
  const add = (object: string, state: string): void => {
    const before = facts.get(object)
    facts.set(object, before === undefined ? state : [before, state].sort().join(' and '))
  }
  if (bridge) add('br0', snoops ? 'snooping' : 'up, without snooping')
  if (vxlan !== undefined) add('vxlan1', `${deviceText(vxlan)}, ${states(vxlan)}`)
  const macOf = new Map(want.veths.map(({ port, mac }) => [port, mac]))
  for (const { name, macs = [], ...port } of ports) {
    const wanted = macs.find((mac) => mac === macOf.get(name))
    add(`port ${name}`, portText(port, wanted ?? macs[0]))
  }
  for (const { mac, port } of misplacedMacs(have, want)) add(`FDB entry ${mac}`, `port ${port} of br0`)
  for (const { mac, vtep, permanent } of fdb) {
    if (macs.has(mac) || (permanent && !isGroup(mac)))
      add(`FDB entry ${mac}`, withPermanence(vtep, permanent))
  }
  for (const { ip, mac, permanent } of neighbours) {
    if (ips.has(ip) || (permanent && !isMulticast(ip))) add(`neighbour ${ip}`, withPermanence(mac, permanent))
  }
  return facts
}

type Port = { up: boolean; altered?: readonly AlteredFlag[] }

function portText({ up, altered = [] }: Port, mac: string | undefined): string {
  const state = up ? 'up' : 'down or not a port of br0'
  return [state, ...altered.map(flagText), mac ?? 'no MAC'].join(', ')
}

function deviceText({ vni, port, local, mtuBytes }: Datapath['vxlan']): string {
  return `VNI ${vni}, port ${port}, local ${local}, MTU ${mtuBytes}`
}

function states({ up, master, altered = [] }: Port & { master: boolean }): string {
  const state = `${up ? 'up' : 'down'}, ${master ? 'a port of br0' : 'not a port of br0'}`
  return [state, ...altered.map(flagText)].join(', ')
}

function withPermanence(value: string, permanent: boolean): string {
  return permanent ? value : `${value === '' ? 'an empty one' : value} (not permanent)`
}
