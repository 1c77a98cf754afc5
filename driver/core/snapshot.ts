/**
 * The snapshot: how it changes, and the questions that verbs and loops ask it.
 *
 * A change costs what changes: old and new snapshot share the rest, and the old one stays what it was.
 * Questions about one network or host are answered from groups (record-index.ts), without a look at the others.
 */
import { Map as PersistentMap } from 'immutable'
import { carryIndexes, type IndexKeys, indexOf, lookUp } from './record-index.ts'
import type {
  Endpoint,
  EndpointId,
  HostName,
  Ip,
  Lease,
  Mac,
  Network,
  NetworkId,
  Service,
  Snapshot,
  Table,
  Tables,
  Versioned,
} from './records.ts'

/** One record as it is now; `undefined` when it is gone. */
export interface Delta<T extends Table> {
  table: T
  key: string
  record: Versioned<Tables[T]> | undefined
}
export type AnyDelta = { [T in Table]: Delta<T> }[Table]

/** What is put back into an empty store goes in this order: a host that is there has its networks and endpoints. */
export const tables = [
  'networks',
  'network-names',
  'vnis',
  'pools',
  'addresses',
  'endpoints',
  'services',
  'replicas',
  'hosts',
] as const satisfies readonly Table[]

export function emptySnapshot(): Snapshot {
  return {
    hosts: PersistentMap(),
    replicas: PersistentMap(),
    networks: PersistentMap(),
    'network-names': PersistentMap(),
    vnis: PersistentMap(),
    pools: PersistentMap(),
    addresses: PersistentMap(),
    endpoints: PersistentMap(),
    services: PersistentMap(),
  }
}

/** A new snapshot with the deltas in it, the last one of a key counting; the very same one when there are none. */
export function applyDeltas(snapshot: Snapshot, deltas: readonly AnyDelta[]): Snapshot {
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

/** The highest index of all records, 0 without any: the state that the snapshot is of, at least. */
export function highestIndex(snapshot: Snapshot): number {
  const indexes = tables.flatMap((table) => [...snapshot[table].values()].map(({ index }) => index))
  return indexes.reduce((highest, index) => Math.max(highest, index), 0)
}

/** `<network>/<rest>`: the keys of addresses, endpoints and services; and `<host>/<rest>`, those of replicas. */
export function keyIn(first: NetworkId | HostName, rest: string): string {
  return `${first}/${rest}`
}

/** What stands behind the first part of such a key: an IP, an endpoint's id, a service's name, Docker's id. */
export function restOf(key: string): string {
  return key.slice(key.indexOf('/') + 1)
}

function firstOf(key: string): string {
  return key.slice(0, key.indexOf('/'))
}

export const networkOfKey: (key: string) => NetworkId = firstOf
/** In the key of a replica. */
export const hostOfKey: (key: string) => HostName = firstOf

/** Which of its networks this host's Docker has, or under which id. */
export function isReplicaOn({ table, key }: Pick<AnyDelta, 'table' | 'key'>, host: HostName): boolean {
  return table === 'replicas' && hostOfKey(key) === host
}

/** The cluster's networks, their names, or this host's replicas. */
export function isOfNetworks(changed: Pick<AnyDelta, 'table' | 'key'>, host: HostName): boolean {
  return changed.table === 'networks' || changed.table === 'network-names' || isReplicaOn(changed, host)
}

const replicasByHost: IndexKeys<Versioned<NetworkId>> = (key) => [hostOfKey(key)]
const byNetwork = (key: string): [NetworkId] => [networkOfKey(key)]
const endpointsByHost: IndexKeys<Versioned<Endpoint>> = (_, { value }) => [value.host]
const endpointsByPlace: IndexKeys<Versioned<Endpoint>> = (_, { value }) =>
  placesOf(value).map((place) => keyIn(value.network, place))
const leasesByHost: IndexKeys<Versioned<Lease>> = (_, { value }) => [value.host]

export function networkById(snapshot: Snapshot, id: NetworkId): Versioned<Network> | undefined {
  return snapshot.networks.get(id)
}

/** By its claim, so that a name which is being claimed is found as soon as it is held. */
export function networkByName(snapshot: Snapshot, name: string): Versioned<Network> | undefined {
  const claim = snapshot['network-names'].get(name)
  return claim === undefined ? undefined : snapshot.networks.get(claim.value)
}

/** The cluster's id of the network that this host's Docker calls `localId`, which may be the cluster's own. */
export function networkIdOnHost(snapshot: Snapshot, host: HostName, localId: string): NetworkId | undefined {
  const mapped = snapshot.replicas.get(keyIn(host, localId))
  return mapped?.value ?? (snapshot.networks.has(localId) ? localId : undefined)
}

export function networkOnHost(
  snapshot: Snapshot,
  host: HostName,
  localId: string,
): Versioned<Network> | undefined {
  const id = networkIdOnHost(snapshot, host, localId)
  return id === undefined ? undefined : snapshot.networks.get(id)
}

/** The id that this host's Docker gave the network. */
export function localIdOf(snapshot: Snapshot, host: HostName, network: NetworkId): string | undefined {
  return localIdsOf(snapshot, host, network)[0]
}

/** The first is the one that counts; a second copy is there only until it is removed. */
export function localIdsOf(snapshot: Snapshot, host: HostName, network: NetworkId): string[] {
  const replicas = lookUp(snapshot.replicas, replicasByHost, host).filter(({ value }) => value === network)
  return [...replicas].sort(([, a], [, b]) => a.index - b.index).map(([key]) => restOf(key))
}

/** The host's Docker network ids, and what the cluster calls them. */
export function replicasOn(snapshot: Snapshot, host: HostName): Map<string, NetworkId> {
  const replicas = lookUp(snapshot.replicas, replicasByHost, host)
  return new Map([...replicas].map(([key, { value }]) => [restOf(key), value]))
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

/** Endpoints of the network that have this MAC or address: more than one only while something is wrong. */
export function endpointsAt(snapshot: Snapshot, network: NetworkId, place: Mac | Ip): Versioned<Endpoint>[] {
  return [...lookUp(snapshot.endpoints, endpointsByPlace, keyIn(network, place)).values()]
}

/** Where an endpoint's entries stand: its MAC, then its addresses. */
export function placesOf({ mac, v4, v6 }: Endpoint): [Mac, ...Ip[]] {
  return v6 === undefined ? [mac, v4] : [mac, v4, v6]
}

/** Under their whole keys. */
export function leasesOf(snapshot: Snapshot, network: NetworkId): PersistentMap<string, Versioned<Lease>> {
  return lookUp(snapshot.addresses, byNetwork, network)
}

export function leasesOnHost(snapshot: Snapshot, host: HostName): PersistentMap<string, Versioned<Lease>> {
  return lookUp(snapshot.addresses, leasesByHost, host)
}

export function servicesOf(snapshot: Snapshot, network: NetworkId): Versioned<Service>[] {
  return [...lookUp(snapshot.services, byNetwork, network).values()]
}

/** Hosts with an endpoint on the network. */
export function hostsUsing(snapshot: Snapshot, network: NetworkId): HostName[] {
  return [...new Set(endpointsOf(snapshot, network).map(({ value }) => value.host))].sort()
}

/** Networks with an endpoint on the host. */
export function networksUsedBy(snapshot: Snapshot, host: HostName): NetworkId[] {
  return [...new Set(endpointsOnHost(snapshot, host).map(({ value }) => value.network))].sort()
}

/** Networks that have at least one endpoint anywhere. */
export function networksInUse(snapshot: Snapshot): NetworkId[] {
  return [...indexOf(snapshot.endpoints, byNetwork).keys()].sort()
}
