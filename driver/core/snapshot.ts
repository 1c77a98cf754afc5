/**
 * The snapshot: how it changes, and the queries of verbs and loops.
 *
 * A change costs what changes: the old and the new snapshot share the rest, and the old one stays valid.
 * Queries for one network or one host use indexes (record-index.ts) and do not visit other records.
 */
import { Map as PersistentMap } from 'immutable'
import { carryIndexes, type IndexKeys, lookUp } from './record-index.ts'
import type {
  Endpoint,
  EndpointId,
  HostName,
  HostRecord,
  Ip,
  Lease,
  Mac,
  Network,
  NetworkId,
  PoolClaim,
  Service,
  Snapshot,
  Table,
  Tables,
  Use,
  Versioned,
  Want,
} from './records.ts'

/** The current state of one record; `undefined` when it is deleted. */
export interface Delta<T extends Table> {
  table: T
  key: string
  record: Versioned<Tables[T]> | undefined
}
export type AnyDelta = { [T in Table]: Delta<T> }[Table]

/**
 * The order in which lost records are restored: networks and endpoints exist before the hosts that have them.
 */
export const tables = [
  'networks',
  'network-names',
  'vnis',
  'macs',
  'pools',
  'addresses',
  'endpoints',
  'services',
  'replicas',
  'uses',
  'wanted',
  'hosts',
] as const satisfies readonly Table[]

export function emptySnapshot(): Snapshot {
  return {
    hosts: PersistentMap(),
    replicas: PersistentMap(),
    uses: PersistentMap(),
    networks: PersistentMap(),
    'network-names': PersistentMap(),
    vnis: PersistentMap(),
    macs: PersistentMap(),
    pools: PersistentMap(),
    addresses: PersistentMap(),
    endpoints: PersistentMap(),
    services: PersistentMap(),
    wanted: PersistentMap(),
  }
}

/**
 * The snapshot with the deltas applied, the last one of a key counting. The same object when there are none.
 */
export function applyDeltas(snapshot: Snapshot, deltas: readonly AnyDelta[]): Snapshot {
  if (deltas.length === 0) return snapshot
  const next = { ...snapshot }
  for (const table of tables) {
    const own = deltas.filter((delta) => delta.table === table)
    if (own.length > 0) Object.assign(next, { [table]: changed<Table>(snapshot[table], own) })
  }
  return next
}

function changed<T extends Table>(
  before: PersistentMap<string, Versioned<Tables[T]>>,
  deltas: readonly Delta<T>[],
): PersistentMap<string, Versioned<Tables[T]>> {
  const after = before.withMutations((table) => {
    for (const { key, record } of deltas) {
      if (record === undefined) table.delete(key)
      else table.set(key, record)
    }
  })
  carryIndexes(
    before,
    after,
    deltas.map(({ key }) => key),
  )
  return after
}

/** `<table>/<key>`: one text for one record, for sets, maps and messages. */
export function recordName({ table, key }: { table: Table; key: string }): string {
  return `${table}/${key}`
}

/** Every record of the snapshot, by its place. */
export function keysIn(snapshot: Snapshot): { table: Table; key: string }[] {
  return tables.flatMap((table) => [...snapshot[table].keys()].map((key) => ({ table, key })))
}

/** The key `<network>/<rest>` of addresses, endpoints, services and MACs, or `<host>/<rest>` of replicas and uses. */
export function keyIn(first: NetworkId | HostName, rest: string): string {
  return `${first}/${rest}`
}

/** The second part of such a key: an IP, an endpoint's id, a service's name, a MAC, Docker's id of a network. */
export function restOf(key: string): string {
  return key.slice(key.indexOf('/') + 1)
}

function firstOf(key: string): string {
  return key.slice(0, key.indexOf('/'))
}

export const networkOfKey: (key: string) => NetworkId = firstOf
/** For the key of a replica or a use. */
export const hostOfKey: (key: string) => HostName = firstOf

/** True for the record of one of the host's replicas. */
export function isReplicaOn({ table, key }: Pick<AnyDelta, 'table' | 'key'>, host: HostName): boolean {
  return table === 'replicas' && hostOfKey(key) === host
}

/** True for networks, network names and the host's replicas. */
export function isNetworkRecord(changed: Pick<AnyDelta, 'table' | 'key'>, host: HostName): boolean {
  return changed.table === 'networks' || changed.table === 'network-names' || isReplicaOn(changed, host)
}

const replicasByHost: IndexKeys<Versioned<NetworkId>> = (key) => [hostOfKey(key)]
const usesByHost: IndexKeys<Versioned<Use>> = (key) => [hostOfKey(key)]
const usesByNetwork: IndexKeys<Versioned<Use>> = (key) => [restOf(key)]
const byNetwork = (key: string): [NetworkId] => [networkOfKey(key)]
const endpointsByHost: IndexKeys<Versioned<Endpoint>> = (_, { value }) => [value.host]
const endpointsByPlace: IndexKeys<Versioned<Endpoint>> = (_, { value }) =>
  placesOf(value).map((place) => keyIn(value.network, place))
const leasesByHost: IndexKeys<Versioned<Lease>> = (_, { value }) => [value.host]

export function networkById(snapshot: Snapshot, id: NetworkId): Versioned<Network> | undefined {
  return snapshot.networks.get(id)
}

/** By the claim of the name, so that the network is found as soon as its name is claimed. */
export function networkByName(snapshot: Snapshot, name: string): Versioned<Network> | undefined {
  const claim = snapshot['network-names'].get(name)
  return claim === undefined ? undefined : snapshot.networks.get(claim.value)
}

/**
 * The cluster's id of the network that Docker on this host calls `localId`, which may be the cluster's id
 * itself.
 */
export function networkIdOnHost(snapshot: Snapshot, host: HostName, localId: string): NetworkId | undefined {
  const mapped = snapshot.replicas.get(keyIn(host, localId))
  return mapped?.value ?? (snapshot.networks.has(localId) ? localId : undefined)
}

/** The network that the record belongs to; undefined for hosts, for wants, and where the value is not known. */
export function networkOfRecord(record: {
  table: Table
  key: string
  value: unknown
}): NetworkId | undefined {
  const { table, key, value } = record
  switch (table) {
    case 'networks':
      return key
    case 'network-names':
    case 'vnis':
    case 'replicas':
      return value as NetworkId | undefined
    case 'pools':
      return (value as PoolClaim | undefined)?.network
    case 'uses':
      return restOf(key)
    case 'hosts':
    case 'wanted':
      return undefined
    default:
      return networkOfKey(key)
  }
}

/** What messages call the network: its name, or the start of its id. */
export function networkLabel({ id, name }: Pick<Network, 'id' | 'name'>): string {
  return name ?? id.slice(0, 12)
}

export function labelOf(snapshot: Snapshot, id: NetworkId): string {
  return networkLabel(snapshot.networks.get(id)?.value ?? { id })
}

export function networkOnHost(
  snapshot: Snapshot,
  host: HostName,
  localId: string,
): Versioned<Network> | undefined {
  const id = networkIdOnHost(snapshot, host, localId)
  return id === undefined ? undefined : snapshot.networks.get(id)
}

/** Docker's id of the network on the host. */
export function localIdOf(snapshot: Snapshot, host: HostName, network: NetworkId): string | undefined {
  return localIdsOf(snapshot, host, network)[0]
}

/**
 * Docker's ids of the network on the host. The first one counts; a second replica exists only until it is
 * removed.
 */
export function localIdsOf(snapshot: Snapshot, host: HostName, network: NetworkId): string[] {
  const replicas = lookUp(snapshot.replicas, replicasByHost, host).filter(({ value }) => value === network)
  return [...replicas].sort(([, a], [, b]) => a.index - b.index).map(([key]) => restOf(key))
}

/** Docker's network ids on the host → the cluster's ids. */
export function replicasOn(snapshot: Snapshot, host: HostName): Map<string, NetworkId> {
  const replicas = lookUp(snapshot.replicas, replicasByHost, host)
  return new Map([...replicas].map(([key, { value }]) => [restOf(key), value]))
}

/** Networks that the host's containers need → the record. */
export function usesOn(snapshot: Snapshot, host: HostName): Map<NetworkId, Versioned<Use>> {
  const uses = lookUp(snapshot.uses, usesByHost, host)
  return new Map([...uses].map(([key, use]) => [restOf(key), use]))
}

/** Hosts whose containers need the network, stopped containers and hosts that are away included → the record. */
export function usesOfNetwork(snapshot: Snapshot, network: NetworkId): Map<HostName, Versioned<Use>> {
  const uses = lookUp(snapshot.uses, usesByNetwork, network)
  return new Map([...uses].map(([key, use]) => [hostOfKey(key), use]))
}

export function endpoint(
  snapshot: Snapshot,
  network: NetworkId,
  id: EndpointId,
): Versioned<Endpoint> | undefined {
  return snapshot.endpoints.get(keyIn(network, id))
}

export function endpointsOf(snapshot: Snapshot, network: NetworkId): Versioned<Endpoint>[] {
  return [...lookUp(snapshot.endpoints, byNetwork, network).values()]
}

export function endpointsOnHost(snapshot: Snapshot, host: HostName): Versioned<Endpoint>[] {
  return [...lookUp(snapshot.endpoints, endpointsByHost, host).values()]
}

/** Endpoints of the network with this MAC or address: more than one only when they conflict. */
export function endpointsAt(snapshot: Snapshot, network: NetworkId, place: Mac | Ip): Versioned<Endpoint>[] {
  return [...lookUp(snapshot.endpoints, endpointsByPlace, keyIn(network, place)).values()]
}

/** IPv4, then IPv6 where there is one: of an endpoint or a service. */
export function addressesOf({ v4, v6 }: { v4: Ip; v6?: Ip | undefined }): Ip[] {
  return v6 === undefined ? [v4] : [v4, v6]
}

/** Without the addresses that the endpoint's interface does not have: nothing answers there. */
export function interfaceAddressesOf({
  withoutIpv6,
  v4,
  v6,
}: {
  withoutIpv6?: Endpoint['withoutIpv6'] | undefined
  v4: Ip
  v6?: Ip | undefined
}): Ip[] {
  return addressesOf({ v4, v6: withoutIpv6 ? undefined : v6 })
}

/** What no other endpoint of the network may have: its MAC, then its IPs. */
export function placesOf(endpoint: Endpoint): [Mac, ...Ip[]] {
  return [endpoint.mac, ...addressesOf(endpoint)]
}

/** The keys of the network's claimed MACs. */
export function macClaimsOf(snapshot: Snapshot, network: NetworkId): string[] {
  return [...lookUp(snapshot.macs, byNetwork, network).keys()]
}

/** The network's leases, with their keys. */
export function leasesOf(snapshot: Snapshot, network: NetworkId): PersistentMap<string, Versioned<Lease>> {
  return lookUp(snapshot.addresses, byNetwork, network)
}

export function leasesOnHost(snapshot: Snapshot, host: HostName): PersistentMap<string, Versioned<Lease>> {
  return lookUp(snapshot.addresses, leasesByHost, host)
}

export function servicesOf(snapshot: Snapshot, network: NetworkId): Versioned<Service>[] {
  return [...lookUp(snapshot.services, byNetwork, network).values()]
}

/** The published service that keeps this address. */
export function serviceAt(snapshot: Snapshot, network: NetworkId, v4: Ip): Versioned<Service> | undefined {
  const name = snapshot.addresses.get(keyIn(network, v4))?.value.service
  return name === undefined ? undefined : snapshot.services.get(keyIn(network, name))
}

/** Hosts that look for an address of the network and do not find one, with the keys of the records. */
export function wantsOf(snapshot: Snapshot, network: NetworkId): PersistentMap<string, Versioned<Want>> {
  return lookUp(snapshot.wanted, byNetwork, network)
}

export function hostRecords({ hosts }: Snapshot): Map<HostName, HostRecord> {
  return new Map([...hosts].map(([name, { value }]) => [name, value]))
}

/** Hosts with an endpoint on the network. */
export function hostsUsing(snapshot: Snapshot, network: NetworkId): HostName[] {
  return [...new Set(endpointsOf(snapshot, network).map(({ value }) => value.host))].sort()
}

/** Networks with an endpoint on the host. */
export function networksUsedBy(snapshot: Snapshot, host: HostName): NetworkId[] {
  return [...new Set(endpointsOnHost(snapshot, host).map(({ value }) => value.network))].sort()
}
