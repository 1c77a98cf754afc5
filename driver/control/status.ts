/**
 * `multihost status`: one snapshot of this host, made of the states of the driver's parts.
 */

import { smallestMtu, smallUnderlay, type UnderlayMtu } from '../core/datapath/mtu.ts'
import { serviceConflicts } from '../core/endpoints/conflicts.ts'
import { holderText, sharedMacHint, sharedMacs } from '../core/endpoints/macs.ts'
import { familyOf } from '../core/ip.ts'
import { type Life, type Liveness, lifeOf } from '../core/liveness.ts'
import type { Cidr, HostName, Ip, NetworkId, Snapshot, Vni } from '../core/records.ts'
import { clashHint, clashingNetworks } from '../core/routes.ts'
import { sharedVtepHint, sharedVteps } from '../core/shared-vteps.ts'
import {
  endpointsOf,
  hostsUsing,
  labelOf,
  leasesOf,
  localIdOf,
  networkLabel,
  networksUsedBy,
  recordName,
  replicasOn,
} from '../core/snapshot.ts'
import type { FilterCounts } from '../core/tunnels/filter.ts'
import { vniClashes } from '../core/tunnels/foreign-vxlans.ts'
import { type TunnelStatus, tunnelSentence } from '../core/tunnels/peers.ts'
import { otherFamilies, otherFamilyHint } from '../core/vtep-families.ts'
import type { WorkQueueStatus } from '../loops/kit/work-queue.ts'
import type { StoreStatus } from '../store/store.ts'

/** While this host takes part in nothing. */
export interface WaitingStatus {
  version: string
  startedAt: string
  /** The reason and what to do. */
  waiting: string
  problems: string[]
}

export interface Status {
  version: string
  host: HostName
  /** The machine's hostname where it is not `host`: the name in the cluster is kept when the hostname changes. */
  hostname?: string | undefined
  underlay: UnderlayMtu
  startedAt: string
  /** `--default-network` */
  defaultNetwork: { driver: string; name: string }
  /** `corrupt` and `missing`: TABLE/KEY */
  store: Omit<StoreStatus, 'corrupt' | 'missing'> & { corrupt: string[]; missing: string[] }
  engine: { version: string | undefined }
  networks: NetworkStatus[]
  hosts: HostStatus[]
  loops: Record<string, WorkQueueStatus>
  names: NamingStatus
  /** To the hosts that this host shares a network with. */
  tunnels: TunnelStatus[]
  /** What the filter of tunnel packets has refused. Absent while there is no filter. */
  filter?: FilterCounts | undefined
  /** Docker's calls whose work is deferred until the store answers. */
  deferred: string[]
  /** One sentence each; empty when all is well. */
  problems: string[]
}

/** Names on this host: its containers' hosts files, and its DNS server. */
export interface NamingStatus {
  /** Named endpoints of a network, above which its names are DNS's alone. */
  hostsFileLimit: number
  /** Hosts files with names of ours. */
  files: number
  /** Writes of hosts files since the start. */
  writes: number
  /** Containers whose hosts file the driver does not write. */
  skipped: { container: string; name: string; reason: string /** Where writing failed. */; path?: string }[]
  /** Names of networks that are too large for hosts files. */
  dnsOnly: string[]
  /** Absent when the driver was given no address for DNS. `lastError` is undefined while it answers. */
  dns?: {
    address: string
    /** Address and port where questions of containers do not arrive. */
    blockedAt?: string | undefined
    lastError: string | undefined
    answered: number
    forwarded: number
    refused: number
    failed: number
  }
}

export interface NetworkStatus {
  id: NetworkId
  name?: string
  /** Docker's id of it on this host. */
  localId: string | undefined
  vni: Vni
  port: number
  pools: Cidr[]
  endpoints: { here: number; elsewhere: number }
  addresses: number
  usedBy: HostName[]
  /** `none` while this host has no container on it. */
  datapath: WorkQueueStatus['state'] | 'none'
  lastError?: string
}

export interface HostStatus {
  name: HostName
  vtep: Ip
  driverVersion: string
  engineVersion?: string
  /** Undefined when the store could not tell. */
  alive: boolean | undefined
  /** Its driver does not run, and its kernel answers and forwards. */
  driverDown?: true
  networks: number
}

export interface StatusParts {
  version: string
  host: HostName
  hostname?: string | undefined
  startedAt: string
  defaultNetwork: Status['defaultNetwork']
  underlay(): Status['underlay']
  underlayProblem(): string | undefined
  snapshot(): Snapshot
  store(): StoreStatus
  datapath(): ReadonlyMap<NetworkId, WorkQueueStatus>
  loops(): Record<string, WorkQueueStatus>
  loopProblems(): string[]
  names(): NamingStatus
  tunnels(): TunnelStatus[]
  filter(): FilterCounts | undefined
  deferred(): string[]
}

/** `seen`: absent when the store was not asked which hosts are alive. */
export function statusOf(parts: StatusParts, seen?: Liveness): Status {
  const { version, host, hostname, startedAt } = parts
  const snapshot = parts.snapshot()
  const store = parts.store()
  const loops = parts.loops()
  const names = parts.names()
  const tunnels = parts.tunnels()
  const filter = parts.filter()
  const networks = networksIn(snapshot, host, parts.datapath())
  return {
    version,
    host,
    hostname,
    underlay: parts.underlay(),
    startedAt,
    defaultNetwork: parts.defaultNetwork,
    store: { ...store, corrupt: store.corrupt.map(recordName), missing: store.missing.map(recordName) },
    engine: { version: snapshot.hosts.get(host)?.value.engineVersion },
    networks,
    hosts: hostsIn(snapshot, tunnels, seen),
    loops,
    names,
    tunnels,
    filter,
    deferred: parts.deferred(),
    problems: [
      ...problemsIn(store, loops, networks),
      ...[parts.underlayProblem()].flatMap((it) => it ?? []),
      ...vtepProblems(snapshot, host),
      ...familyProblems(snapshot, host),
      ...macProblems(snapshot, host),
      ...serviceConflicts(snapshot),
      ...clashProblems(snapshot, host),
      ...vniProblems(snapshot, host),
      ...mtuProblems(snapshot, host, parts.underlay()),
      ...tunnels.flatMap((it) => tunnelSentence(it, filter?.misrouted) ?? []),
      ...parts.loopProblems(),
      ...namingProblems(names),
    ],
  }
}

function networksIn(
  snapshot: Snapshot,
  host: HostName,
  datapath: ReadonlyMap<NetworkId, WorkQueueStatus>,
): NetworkStatus[] {
  const all = [...snapshot.networks.values()].map(({ value }): NetworkStatus => {
    const endpoints = endpointsOf(snapshot, value.id)
    const here = endpoints.filter((endpoint) => endpoint.value.host === host).length
    const queue = datapath.get(value.id)
    return {
      id: value.id,
      ...(value.name === undefined ? {} : { name: value.name }),
      localId: localIdOf(snapshot, host, value.id),
      vni: value.vni,
      port: value.port,
      pools: [value.v4.cidr, ...(value.v6 === undefined ? [] : [value.v6.cidr])],
      endpoints: { here, elsewhere: endpoints.length - here },
      addresses: leasesOf(snapshot, value.id).size,
      usedBy: hostsUsing(snapshot, value.id),
      datapath: queue === undefined ? 'none' : queue.state,
      ...(queue?.lastError === undefined ? {} : { lastError: queue.lastError }),
    }
  })
  return all.sort((a, b) => (a.name ?? a.id).localeCompare(b.name ?? b.id))
}

function hostsIn(snapshot: Snapshot, tunnels: TunnelStatus[], seen: Liveness | undefined): HostStatus[] {
  const down = new Set(tunnels.filter(({ state }) => state === 'driver-down').map(({ host }) => host))
  return [...snapshot.hosts].sort().map(([name, { value }]) => ({
    name,
    vtep: value.vtep,
    driverVersion: value.driverVersion,
    ...(value.engineVersion === undefined ? {} : { engineVersion: value.engineVersion }),
    alive: seen && isAlive(lifeOf(name, value, seen)),
    ...(down.has(name) && { driverDown: true }),
    networks: replicasOn(snapshot, name).size,
  }))
}

function problemsIn(
  store: StoreStatus,
  loops: Record<string, WorkQueueStatus>,
  networks: NetworkStatus[],
): string[] {
  return [
    ...doubts(store),
    ...(store.fresh ? [] : [`the store ${store.url} is away: ${store.lastError ?? 'not connected yet'}`]),
    ...store.corrupt.map(
      (at) =>
        `the value of ${recordName(at)} in the store cannot be read: nothing that depends on it is removed; correct or delete the key`,
    ),
    ...missingKeys(store.missing),
    ...unwrittenFiles(store),
    ...Object.entries(loops)
      .filter(([, { state }]) => state === 'failing')
      .map(([name, { lastError }]) => `the loop ${name} fails: ${lastError}`),
    ...networks
      .filter(({ datapath }) => datapath === 'failing')
      .map(({ id, name = id, lastError }) => `the datapath of network ${name} fails: ${lastError}`),
  ]
}

/** A folder that was deleted is one line. */
function missingKeys(keys: StoreStatus['missing']): string[] {
  const [first] = keys
  if (first === undefined) return []
  const more = keys.length === 1 ? '' : ` and ${keys.length - 1} more`
  return [
    `${recordName(first)}${more}: deleted in the store by hand; kept here, and put back by the host that it belongs to`,
  ]
}

function unwrittenFiles({ unwritten = [] }: StoreStatus): string[] {
  if (unwritten.length === 0) return []
  return [
    `what this host keeps for a time without Consul is not up to date: ${unwritten.join('; ')}; containers run on, and may not start while Consul is away`,
  ]
}

/** Of this host's VTEP. `multihost check` names those of other hosts as well. */
function vtepProblems(snapshot: Snapshot, host: HostName): string[] {
  return [...sharedVteps(snapshot)]
    .filter(([, names]) => names.includes(host))
    .map(
      ([vtep, names]) =>
        `${names.join(' and ')} have one VTEP, ${vtep}: their containers do not reach each other; ${sharedVtepHint}`,
    )
}

function familyProblems(snapshot: Snapshot, self: HostName): string[] {
  return otherFamilies(snapshot, self).map(
    ({ host, vtep, own, networks }) =>
      `host ${host} has the VTEP ${vtep}, and this host ${own}: containers of the two do not reach each other on ${networks.join(', ')}; ${otherFamilyHint}`,
  )
}

/** One of two containers with one MAC cannot be reached. */
function macProblems(snapshot: Snapshot, host: HostName): string[] {
  return networksUsedBy(snapshot, host).flatMap((network) =>
    [...sharedMacs(snapshot, network)].map(([mac, holders]) => {
      const name = labelOf(snapshot, network)
      const who = holders.map(holderText).join(' and ')
      return `network ${name}: ${who} have the same MAC ${mac}; ${sharedMacHint}`
    }),
  )
}

/** By the host's record, which is at most 10 s old. */
function clashProblems(snapshot: Snapshot, host: HostName): string[] {
  return clashingNetworks(snapshot, snapshot.hosts.get(host)?.value ?? {}).map(({ network, pool, clash }) => {
    const what =
      'route' in clash
        ? `overlaps ${clash.route}, which this host routes to another interface`
        : `contains ${clash.address}, ${clash.role} of host ${host}`
    return `network ${networkLabel(network)}: its subnet ${pool} ${what}; ${clashHint(clash)}`
  })
}

/** By the host's record, too. A network that is older than the device keeps its VNI. */
function vniProblems(snapshot: Snapshot, host: HostName): string[] {
  return vniClashes(snapshot, host).map(
    ({ network, port }) =>
      `network ${networkLabel(network)}: its VNI ${network.vni} is that of another program's VXLAN device on this host, UDP port ${port}: packets for that device are dropped, unless a host of the cluster sends them; give one of the two another VNI: 'ip -d link show type vxlan' shows the device, and a network that is created again gets a free one`,
  )
}

/** Outer packets of IPv6 are not fragmented by the kernel's vxlan. */
function mtuProblems(snapshot: Snapshot, host: HostName, underlay: UnderlayMtu): string[] {
  const small = smallUnderlay(underlay)
  const networks = networksUsedBy(snapshot, host)
    .filter((id) => snapshot.networks.get(id)?.value.v6 !== undefined)
    .map((id) => labelOf(snapshot, id))
  if (small === undefined || networks.length === 0) return []
  const fate = familyOf(underlay.address) === 6 ? 'are lost' : 'are sent in fragments'
  return [
    `${small.found}: networks with IPv6 keep ${smallestMtu.v6}, and longer packets of ${networks.join(', ')} ${fate}; ${small.hint}`,
  ]
}

function blockedText(at: string): string {
  const port = at.slice(at.lastIndexOf(':') + 1)
  return `questions for names do not arrive at ${at}; a firewall of this host drops them: allow udp and tcp port ${port} from container bridges`
}

/** Undefined where the store cannot tell. */
function isAlive(life: Life): boolean | undefined {
  return life === 'unknown' ? undefined : life === 'alive'
}

/** A store that has not answered yet is named by another problem. */
function doubts({ doubt, fresh, ageMs }: StoreStatus): string[] {
  if (doubt === undefined || (!fresh && ageMs === undefined)) return []
  const hint = doubt.hint === undefined ? '' : `; ${doubt.hint}`
  return [`nothing is removed: ${doubt.why}${hint}`]
}

function namingProblems({ dns, skipped }: NamingStatus): string[] {
  const unwritten = skipped.flatMap(({ name, reason, path }) => {
    if (path === undefined) return []
    const folder = path.replace(/\/containers\/[^/]*\/hosts$/, '')
    const hint = /EROFS|EACCES|EPERM|ENOENT/.test(reason)
      ? `; if the unit's protection is the reason, add the lines [Service], ReadWritePaths=${folder} and ProtectHome=no to /etc/systemd/system/multihost.service.d/data-root.conf, then run systemctl daemon-reload and systemctl restart multihost`
      : ''
    return [`the hosts file of ${name} cannot be written: ${reason}${hint}`]
  })
  if (dns?.lastError !== undefined)
    return [...unwritten, `DNS does not answer on ${dns.address}: ${dns.lastError}`]
  return dns?.blockedAt === undefined ? unwritten : [...unwritten, blockedText(dns.blockedAt)]
}
