/**
 * Which tunnel packets this host lets in: those of the cluster's hosts, by the way that leads back to them.
 *
 * The kernel gives a VXLAN packet to the device of its VNI, from any sender and any interface (RFC 7348 §7).
 * So the driver keeps a filter (kernel/tunnel-filter.ts), and the hosts in the store decide who is in it.
 * Pure.
 */
import type { Ip, Snapshot, Vni } from '../records.ts'
import { probeDevice } from './packet.ts'

export interface TunnelFilter {
  /** Sources that are let in, this host's VTEP among them. */
  vteps: Ip[]
  /** UDP ports. */
  ports: number[]
  /** Packets of other VNIs are not judged: Swarm's networks use the same port. */
  vnis: Vni[]
}

/** Packets that the filter has refused since it was made. */
export interface FilterCounts {
  /** For a network of this cluster, and not from one of its hosts. */
  arriving: number
  /** With a host's address, on an interface that does not lead back to it: forged, or by an asymmetric route. */
  misrouted: number
  /** To a host of the cluster, from a container or a user of this host. */
  leaving: number
}

/** `sources`: who is let in. Each list is sorted. */
export function wantedFilter(snapshot: Snapshot, sources: Iterable<Ip>): TunnelFilter {
  const networks = [...snapshot.networks.values()].map(({ value }) => value)
  return {
    vteps: [...new Set(sources)].sort(),
    ports: judgedPorts(snapshot),
    vnis: numbers([probeDevice.vni, ...networks.map(({ vni }) => vni)]),
  }
}

/** Sorted. A packet to any of these is judged when it has the VNI of any network. */
export function judgedPorts({ networks }: Snapshot): number[] {
  return numbers([probeDevice.port, ...[...networks.values()].map(({ value }) => value.port)])
}

/** What either lets in. */
export function bothFilters(a: TunnelFilter, b: TunnelFilter): TunnelFilter {
  return {
    vteps: [...new Set([...a.vteps, ...b.vteps])].sort(),
    ports: numbers([...a.ports, ...b.ports]),
    vnis: numbers([...a.vnis, ...b.vnis]),
  }
}

/** Of hosts, and of endpoints whose host's record cannot be read. */
export function vtepsOf({ hosts, endpoints }: Snapshot): Set<Ip> {
  const vteps = new Set<Ip>()
  for (const { value } of hosts.values()) vteps.add(value.vtep)
  for (const { value } of endpoints.values()) vteps.add(value.vtep)
  return vteps
}

function numbers(all: readonly number[]): number[] {
  return [...new Set(all)].sort((a, b) => a - b)
}
