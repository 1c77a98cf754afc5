/**
 * VXLAN devices of other programs on the hosts: of Proxmox, LXD, Calico, Docker Swarm, or made by hand.
 *
 * The filter drops a packet with the VNI of a network that is not from a host of the cluster, on every host.
 * A device with that VNI would receive nothing any more. So each host publishes such devices in its record,
 * and no network gets a VNI of theirs. Pure.
 */
import type { ForeignVxlan, HostName, Network, Snapshot } from '../records.ts'
import { judgedPorts } from './filter.ts'

/** A hypervisor has a device for each of its virtual networks. */
const mostPublished = 500

/** Sorted, each once. The limit drops the highest VNIs, which networks get last. */
export function publishedVxlans(found: readonly ForeignVxlan[]): ForeignVxlan[] {
  const each = new Map(found.map(({ vni, port }) => [`${vni} ${port}`, { vni, port }]))
  return [...each.values()].sort((a, b) => a.vni - b.vni || a.port - b.port).slice(0, mostPublished)
}

/** Those of all hosts. `own`: this host's present ones, which its record may not have yet. */
export function foreignVxlansIn(
  snapshot: Snapshot,
  own: { host: HostName; vxlans: readonly ForeignVxlan[] },
): (ForeignVxlan & { host: HostName })[] {
  const others = [...snapshot.hosts].filter(([name]) => name !== own.host)
  return [
    ...own.vxlans.map((it) => ({ ...it, host: own.host })),
    ...others.flatMap(([host, { value }]) => (value.foreignVxlans ?? []).map((it) => ({ ...it, host }))),
  ]
}

/** The networks with the VNI of a device of the host whose packets the filter judges. */
export function vniClashes(snapshot: Snapshot, host: HostName): { network: Network; port: number }[] {
  const ports = judgedPorts(snapshot)
  const devices = snapshot.hosts.get(host)?.value.foreignVxlans ?? []
  return devices
    .filter(({ port }) => ports.includes(port))
    .flatMap(({ vni, port }) =>
      [...snapshot.networks.values()].flatMap(({ value }) =>
        value.vni === vni ? [{ network: value, port }] : [],
      ),
    )
}
