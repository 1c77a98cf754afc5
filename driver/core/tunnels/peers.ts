/**
 * The hosts that this host's containers reach through a tunnel, and what is known of each tunnel.
 */
import { familyOf } from '../ip.ts'
import type { HostName, HostRecord, Ip, Snapshot } from '../records.ts'
import { hostsUsing, networksUsedBy } from '../snapshot.ts'
import { probeDevice } from './packet.ts'

export interface TunnelPeer {
  name: HostName
  vtep: Ip
  /**
   * Of the peer's underlay. Undefined where the peer's driver answers no probes on the port: it is older, or
   * cannot.
   */
  mtuBytes: number | undefined
}

interface Self {
  host: HostName
  vtep: Ip
}

/** Hosts that share a network of that port. Hosts of another address family cannot be reached. */
export function tunnelPeers(snapshot: Snapshot, self: Self, port: number): TunnelPeer[] {
  const networks = networksUsedBy(snapshot, self.host).filter(
    (id) => snapshot.networks.get(id)?.value.port === port,
  )
  const hosts = networks.flatMap((id) => hostsUsing(snapshot, id))
  return peersNamed(snapshot, hosts, self, port)
}

/** Ports beside VXLAN's own on which this host has peers. */
export function otherPorts(snapshot: Snapshot, self: Self): Set<number> {
  const ports = networksUsedBy(snapshot, self.host).flatMap(
    (id) => snapshot.networks.get(id)?.value.port ?? [],
  )
  const others = [...new Set(ports)].filter((port) => port !== probeDevice.port)
  return new Set(others.filter((port) => tunnelPeers(snapshot, self, port).length > 0))
}

/** All hosts of the cluster, with a shared network or without, on VXLAN's own port. */
export function allPeers(snapshot: Snapshot, self: Self): TunnelPeer[] {
  return peersNamed(snapshot, snapshot.hosts.keys(), self, probeDevice.port)
}

function peersNamed(
  snapshot: Snapshot,
  hosts: Iterable<HostName>,
  { host, vtep }: Self,
  port: number,
): TunnelPeer[] {
  const names = new Set(hosts)
  names.delete(host)
  return [...names].sort().flatMap((name): TunnelPeer[] => {
    const record = snapshot.hosts.get(name)?.value
    if (record === undefined || record.vtep === vtep || familyOf(record.vtep) !== familyOf(vtep)) return []
    return [{ name, vtep: record.vtep, mtuBytes: mtuOnPort(record, port) }]
  })
}

function mtuOnPort({ tunnel }: HostRecord, port: number): number | undefined {
  const answers = port === probeDevice.port ? tunnel?.answers : tunnel?.ports?.includes(port)
  return answers ? tunnel?.mtuBytes : undefined
}

export type TunnelState =
  /** Probes of full size are answered. */
  | 'answers'
  /** Only small ones are. */
  | 'small-only'
  | 'silent'
  /** The peer's driver does not run. Its host's kernel answers, and forwards without the driver. */
  | 'driver-down'
  /** The peer's host is away. */
  | 'away'
  /** The peer answers no probes by its record, its driver is stopping, or it has not been asked for long enough. */
  | 'unknown'

export interface TunnelStatus {
  host: HostName
  vtep: Ip
  /** UDP port of the tunnel. A peer has a status for each port on which it shares a network with this host. */
  port: number
  state: TunnelState
  /** Size of the outer packet that is not answered, or is. */
  probeBytes: number
  /** Round trip of the last answer, the two drivers' time included. */
  rttMs?: number
  /** Seconds without an answer of full size. */
  silentS?: number
  /** Why the last probe could not be sent: the errno of the socket. */
  sendError?: string
}

function causes(port: number, misrouted: number): string {
  const asymmetric =
    `a route to the other host by another interface than its packets come by (the filter has refused ${misrouted}: ` +
    'let both ways use one interface, or start the driver with --tunnel-filter=off), '
  return (
    `usual causes, in this order: ${misrouted > 0 ? asymmetric : ''}a firewall on one of the two hosts that drops UDP ${port}, ` +
    'also by letting in ct state new alone (the tunnel is untracked: new,untracked), a security group or network policy between them, an underlay MTU that is too large, a wrong VTEP address (--bind-interface), ' +
    'or an asymmetric route (status on the other host counts misrouted packets)'
  )
}

/**
 * The fault of a tunnel and what to do. Undefined where the peer answers, and where its state is unknown.
 * `misrouted`: packets with a host's address that this host's filter has refused.
 */
export function tunnelProblem(
  status: TunnelStatus,
  misrouted = 0,
): { found: string; hint: string } | undefined {
  const { state, port, probeBytes, sendError } = status
  const refused = sendError === undefined ? '' : ` (sending fails with ${sendError})`
  if (state === 'silent')
    return { found: `no answer through the tunnel${refused}`, hint: causes(port, misrouted) }
  if (state !== 'small-only') return undefined
  return {
    found: `answers of small packets through the tunnel, and none of ${probeBytes} bytes${refused}`,
    hint: `the MTU of a link between the two hosts is below ${probeBytes}: raise it, or lower the MTU of the VTEPs' interfaces`,
  }
}

/** `net-2 (192.168.33.12)`, with the port where it is not VXLAN's own. */
export function peerText({ host, vtep, port }: TunnelStatus): string {
  return `${host} (${vtep})${port === probeDevice.port ? '' : `, UDP ${port}`}`
}

export function tunnelSentence(status: TunnelStatus, misrouted = 0): string | undefined {
  const problem = tunnelProblem(status, misrouted)
  return (
    problem && `host ${peerText(status)}: ${problem.found}, for ${status.silentS ?? 0} s; ${problem.hint}`
  )
}
