/**
 * Kernel ⇔ store: what is in the namespaces of this host's networks beside what the store wants there.
 *
 * Entries that the kernel makes by itself (learnt, or for groups) are nobody's business and left out. Grows with the
 * endpoints of the networks that this host takes part in.
 */
import type { Datapath, Observed } from '../datapath/datapath.ts'
import { isGroup, isMulticast } from '../datapath/plan.ts'
import { compareFacts, type Difference, type Facts, nothing } from './difference.ts'

export interface KernelState {
  /** By namespace: each that carries the driver's mark, and each that is wanted. */
  namespaces: readonly ObservedNetwork[]
  /** Ends of containers' links that nobody has taken (`vxc…`), in the host's namespace. */
  strayLinks: readonly string[]
  /** Loose ends that may be: their endpoints are being joined at this moment. */
  joining: ReadonlySet<string>
}

export interface ObservedNetwork {
  /** For people; the namespace's path when no network has it. */
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
    more: (object) => portHint(facts.want, object, name),
  })
}

/** A pair that went cannot be made again for a container that runs. */
function portHint(want: Facts, object: string, network: string): { hint?: string } {
  if (!object.startsWith('port ') || !want.has(object)) return {}
  return { hint: `docker network disconnect ${network} CONTAINER, then connect it again` }
}

/** A macvlan child is in its container, where nobody looks. */
function wantedFacts({ kind, vxlan, veths, peers }: Datapath): Facts {
  const bridged = kind === 'bridge'
  return new Map([
    ...(bridged ? [['br0', 'up'] as const] : []),
    ['vxlan1', `${deviceText(vxlan)}, ${states({ up: true, master: bridged })}`],
    ...(bridged ? veths.map(({ port }) => [`port ${port}`, 'up'] as const) : []),
    ...peers.map(({ mac, vtep }) => [`FDB entry ${mac}`, vtep] as const),
    ...peers.flatMap(({ mac, addresses }) => addresses.map((ip) => [`neighbour ${ip}`, mac] as const)),
  ])
}

function foundFacts(have: Observed, want: Datapath): Facts {
  const { bridge, vxlan, ports, fdb, neighbours } = have
  const macs = new Set(want.peers.map(({ mac }) => mac))
  const ips = new Set(want.peers.flatMap(({ addresses }) => addresses))
  const facts = new Map<string, string>()
  const add = (object: string, state: string): void => {
    const before = facts.get(object)
    facts.set(object, before === undefined ? state : [before, state].sort().join(' and '))
  }
  if (bridge) add('br0', 'up')
  if (vxlan !== undefined) add('vxlan1', `${deviceText(vxlan)}, ${states(vxlan)}`)
  for (const { name, up } of ports) add(`port ${name}`, up ? 'up' : 'down or not a port of br0')
  for (const { mac, vtep, permanent } of fdb) {
    if (macs.has(mac) || (permanent && !isGroup(mac)))
      add(`FDB entry ${mac}`, createGracePeriod(vtep, permanent))
  }
  for (const { ip, mac, permanent } of neighbours) {
    if (ips.has(ip) || (permanent && !isMulticast(ip)))
      add(`neighbour ${ip}`, createGracePeriod(mac, permanent))
  }
  return facts
}

function deviceText({ vni, port, local, mtuBytes }: Datapath['vxlan']): string {
  return `VNI ${vni}, port ${port}, local ${local}, MTU ${mtuBytes}`
}

function states({ up, master }: Pick<NonNullable<Observed['vxlan']>, 'up' | 'master'>): string {
  return `${up ? 'up' : 'down'}, ${master ? 'a port of br0' : 'not a port of br0'}`
}

function createGracePeriod(value: string, permanent: boolean): string {
  return permanent ? value : `${value === '' ? 'an empty one' : value} (not permanent)`
}
