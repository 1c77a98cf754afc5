/**
 * The hosts that this host's containers reach through a tunnel, and what is known of each tunnel.
 */
import { familyOf } from '../addresses.ts'
import type { HostName, Ip, Snapshot } from '../records.ts'
import { hostsUsing, networksUsedBy } from '../snapshot.ts'
import { probeDevice } from './packet.ts'

export interface TunnelPeer {
  name: HostName
  vtep: Ip
  /** Of the peer's underlay. Undefined where the peer's driver answers no probes: it is older, or cannot. */
  mtuBytes: number | undefined
}

/** Hosts of another address family cannot be reached; networks on another port than VXLAN's are not probed. */
export function tunnelPeers(snapshot: Snapshot, host: HostName, vtep: Ip): TunnelPeer[] {
  const networks = networksUsedBy(snapshot, host).filter(
    (id) => snapshot.networks.get(id)?.value.port === probeDevice.port,
  )
  return peersNamed(
    snapshot,
    networks.flatMap((id) => hostsUsing(snapshot, id)),
    { host, vtep },
  )
}

/** All hosts of the cluster, with a shared network or without. */
export function allPeers(snapshot: Snapshot, host: HostName, vtep: Ip): TunnelPeer[] {
  return peersNamed(snapshot, snapshot.hosts.keys(), { host, vtep })
}

function peersNamed(
  snapshot: Snapshot,
  hosts: Iterable<HostName>,
  { host, vtep }: { host: HostName; vtep: Ip },
): TunnelPeer[] {
  const names = new Set(hosts)
  names.delete(host)
  return [...names].sort().flatMap((name): TunnelPeer[] => {
    const record = snapshot.hosts.get(name)?.value
    if (record === undefined || record.vtep === vtep || familyOf(record.vtep) !== familyOf(vtep)) return []
    const { mtuBytes, answers } = record.tunnel ?? {}
    return [{ name, vtep: record.vtep, mtuBytes: answers ? mtuBytes : undefined }]
  })
}

export type TunnelState =
  /** Probes of full size are answered. */
  | 'answers'
  /** Only small ones are. */
  | 'small-only'
  | 'silent'
  /** The peer's host is away. */
  | 'away'
  /** The peer answers no probes by its record, its driver is stopping, or it has not been asked for long enough. */
  | 'unknown'

export interface TunnelStatus {
  host: HostName
  vtep: Ip
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

const causes =
  'usual causes, in this order: a firewall on one of the two hosts that drops UDP 4789, a security group or network policy ' +
  'between them, an underlay MTU that is too large, a wrong VTEP address (--bind-interface)'

/** The fault of a tunnel and what to do. Undefined where the peer answers, and where its state is unknown. */
export function tunnelProblem(status: TunnelStatus): { found: string; hint: string } | undefined {
  const { state, probeBytes, sendError } = status
  const refused = sendError === undefined ? '' : ` (sending fails with ${sendError})`
  if (state === 'silent') return { found: `no answer through the tunnel${refused}`, hint: causes }
  if (state !== 'small-only') return undefined
  return {
    found: `answers of small packets through the tunnel, and none of ${probeBytes} bytes${refused}`,
    hint: `the MTU of a link between the two hosts is below ${probeBytes}: raise it, or lower the MTU of the VTEPs' interfaces`,
  }
}

export function tunnelSentence(status: TunnelStatus): string | undefined {
  const problem = tunnelProblem(status)
  return (
    problem &&
    `host ${status.host} (${status.vtep}): ${problem.found}, for ${status.silentS ?? 0} s; ${problem.hint}`
  )
}
