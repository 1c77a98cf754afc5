/**
 * The store's contents for a cluster of so many hosts, networks and endpoints: every record as the driver
 * writes it.
 *
 * Endpoint i is on network i mod K, and a network's endpoints go round the hosts. So with M ≥ N·K every host
 * takes part in every network and must know all M: the worst case.
 */
import { createHash } from 'node:crypto'
import type { Change, Endpoint, HostName, NetworkId } from '../../../driver/core/records.ts'
import type { Store } from '../../../driver/store/store.ts'
import { splitIntoCommits } from '../../../driver/store/transaction-limits.ts'

export interface Shape {
  hosts: number
  endpoints: number
  networks: number
}

/** Beside the endpoints of the shape, on network 0: those whose records the measured changes change. */
export const probes = 4

export const hostName = (host: number): HostName => `host-${host}`
export const vtepOf = (host: number): string => `192.168.${33 + Math.floor(host / 200)}.${11 + (host % 200)}`
const networkId = (network: number): NetworkId => hex(`network ${network}`)
/** Docker's id of the network on that host. */
const localId = (host: HostName, network: number): string => hex(`network ${network} on ${host}`)

function endpointAt(shape: Shape, i: number): Endpoint {
  const network = i % shape.networks
  const inNetwork = Math.floor(i / shape.networks)
  const host = (inNetwork + network) % shape.hosts
  return endpointOf(network, inNetwork + 2, hostName(host), vtepOf(host), `container-${i}`)
}

export function probeEndpoint(probe: number, name: string, joined: boolean): Endpoint {
  return { ...endpointOf(0, 65_000 + probe, `writer-${probe}`, `192.168.32.${1 + probe}`, name), joined }
}

function endpointOf(network: number, n: number, host: HostName, vtep: string, name: string): Endpoint {
  const bytes = [10, network + 1, n >> 8, n & 255]
  const v4 = bytes.join('.')
  const mac = ['02', '42', ...bytes.map((byte) => byte.toString(16).padStart(2, '0'))].join(':')
  const id = hex(`endpoint ${v4}`)
  const container = { id: hex(`container ${v4}`), name }
  return {
    ...{ network: networkId(network), id, v4, mac, host, vtep, joined: true },
    ...{ container, aliases: [container.id.slice(0, 12)] },
  }
}

function changesFor(shape: Shape): Change[] {
  const numbers = (count: number): number[] => Array.from({ length: count }, (_, i) => i)
  const networks = numbers(shape.networks)
  return [
    ...networks.flatMap(networkChanges),
    ...numbers(shape.hosts).flatMap((host) => hostChanges(hostName(host), vtepOf(host), networks)),
    ...numbers(shape.endpoints).flatMap((i) => endpointChanges(endpointAt(shape, i))),
    ...numbers(probes).flatMap((it) => endpointChanges(probeEndpoint(it, `probe-${it}`, true))),
  ]
}

export async function fill(store: Store, shape: Shape): Promise<void> {
  for (const changes of splitIntoCommits(changesFor(shape))) await store.commit(changes)
}

function networkChanges(network: number): Change[] {
  const [id, name] = [networkId(network), `network-${network}`]
  const cidr = `10.${network + 1}.0.0/16`
  const v4 = { cidr, gateway: `10.${network + 1}.255.254`, aux: {} }
  const common = { vni: 256 + network, port: 4789, internal: false, options: {}, labels: {} }
  const value = { id, name, v4, ...common, createdBy: hostName(0), createdAt: time }
  const claim = { host: hostName(0), network: id, gateway: v4.gateway, reserved: [], claimedAt: time }
  return [
    { op: 'create', table: 'networks', key: id, value },
    { op: 'create', table: 'network-names', key: name, value: id },
    { op: 'create', table: 'vnis', key: String(value.vni), value: id },
    { op: 'create', table: 'pools', key: cidr, value: claim },
  ]
}

function hostChanges(host: HostName, vtep: string, networks: readonly number[]): Change[] {
  const value = { vtep, driverVersion: '0.1.0', engineVersion: '26.1.5' }
  const replicas = networks.map((it): Change => {
    return { op: 'create', table: 'replicas', key: `${host}/${localId(host, it)}`, value: networkId(it) }
  })
  return [{ op: 'create', table: 'hosts', key: host, value }, ...replicas]
}

function endpointChanges(value: Endpoint): Change[] {
  const lease = { host: value.host, endpoint: value.id, leasedAt: time }
  return [
    { op: 'create', table: 'endpoints', key: `${value.network}/${value.id}`, value },
    { op: 'create', table: 'addresses', key: `${value.network}/${value.v4}`, value: lease },
  ]
}

const time = '2025-01-01T00:00:00.000Z'

/** 64 digits, as Docker's ids are. */
function hex(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
