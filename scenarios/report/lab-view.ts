/**
 * A snapshot as the report draws it: networks by hosts, with the problems on which the store, the kernel and
 * Docker differ. A snapshot takes some 30 ms while the lab changes: a problem may be gone the next instant.
 */
import type { HostView, Snapshot, StoreView } from '../record/snapshot.ts'
import { counted } from './format.ts'
import {
  type AddProblem,
  clusterId,
  isNamespaceOf,
  type NetworkOnHost,
  networkOnHost,
} from './network-on-host.ts'

export interface LabView {
  hosts: Pick<HostView, 'name' | 'address' | 'silent'>[]
  networks: NetworkView[]
  /** One sentence per difference. */
  problems: string[]
  /** Counts of the store's records, in a line; absent without a store. */
  store?: string
}

export interface NetworkView {
  name: string
  vni: number | undefined
  pools: string[]
  /** One per host, in the order of the hosts. */
  onHosts: NetworkOnHost[]
}

export function labViewOf({ store, hosts }: Snapshot): LabView {
  const problems: string[] = []
  const addProblem: AddProblem = (problem) => problems.push(problem)
  const ids = [
    ...new Set([
      ...(store?.networks ?? []).map(({ id }) => id),
      ...hosts.flatMap((host) => idsOn(host, store)),
    ]),
  ]
  const networks = ids.map((id) => networkView(id, store, hosts, addProblem))
  if (store) for (const host of hosts) findStrayNamespaces(host, addProblem)
  return {
    hosts: hosts.map(({ name, address, silent }) => ({
      name,
      address,
      ...(silent !== undefined && { silent }),
    })),
    networks: networks.filter(({ onHosts, vni }) => vni !== undefined || onHosts.some(inUse)),
    problems,
    ...(store && { store: summary(store) }),
  }
}

function networkView(
  id: string,
  store: StoreView | undefined,
  hosts: HostView[],
  addProblem: AddProblem,
): NetworkView {
  const record = store?.networks.find((each) => each.id === id)
  const inDocker = hosts.flatMap((host) =>
    host.networks.filter((network) => clusterId(host, network.id, store) === id),
  )
  const name = record?.name ?? inDocker[0]?.name ?? id.slice(0, 12)
  const onHosts = hosts.map((host) => networkOnHost({ id, name, record, store, host, addProblem }))
  const vnis = onHosts.flatMap(({ tunnel }) => (tunnel ? [tunnel.vni] : []))
  return { name, vni: record?.vni ?? vnis[0], pools: record?.pools ?? [], onHosts }
}

function findStrayNamespaces(host: HostView, addProblem: AddProblem): void {
  for (const { namespace, vni } of host.tunnels.filter(
    (each) => !host.networks.some(({ id }) => isNamespaceOf(each, id)),
  ))
    addProblem(`${host.name}: namespace ${namespace} with VNI ${vni} belongs to no network in Docker`)
}

function idsOn(host: HostView, store: StoreView | undefined): string[] {
  return host.networks.map(({ id }) => clusterId(host, id, store))
}

function inUse({ tunnel, containers }: NetworkOnHost): boolean {
  return tunnel !== undefined || containers.length > 0
}

function summary({ networks, endpoints, services, hosts }: StoreView): string {
  const counts: [string, number][] = [
    ['network', networks.length],
    ['endpoint', endpoints.length],
    ['service', services.length],
    ['host', hosts.length],
  ]
  return counts
    .filter(([, count]) => count > 0)
    .map(([noun, count]) => counted(count, noun))
    .join(', ')
}
