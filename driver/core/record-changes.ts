/**
 * Changes of several records that belong together, for verbs and loops.
 *
 * Pure: from a snapshot to the changes of a commit. Each change requires the version of the record that the
 * snapshot has.
 */
import type {
  Change,
  Endpoint,
  EndpointId,
  HostName,
  Lease,
  Network,
  NetworkId,
  Service,
  Snapshot,
  Versioned,
} from './records.ts'
import { ended } from './service-holder.ts'
import { addressesOf, keyIn, leasesOf, macClaimsOf, servicesOf, usesOfNetwork, wantsOf } from './snapshot.ts'

/**
 * Removes the endpoint. Its addresses stay leased until Docker releases them, or while a published service
 * keeps them. `leftAt`: ISO 8601, when Docker will release them.
 */
export function removeEndpoint(
  snapshot: Snapshot,
  { value, index }: Versioned<Endpoint>,
  leftAt?: string,
): Change[] {
  const container = value.container?.id
  const left =
    leftAt === undefined
      ? undefined
      : { endpoint: value.id, at: leftAt, ...(container !== undefined && { container }) }
  const key = keyIn(value.network, value.id)
  return [
    { op: 'remove', table: 'endpoints', key, index },
    ...leasesOfEndpoint(snapshot, value).map(([at, lease]) => unbind(at, lease, left)),
    ...macClaimOf(snapshot, value),
    ...servicesOf(snapshot, value.network)
      .filter((service) => service.value.endpoint === value.id)
      .map(({ value: { endpoint: _, ...service }, index }): Change => {
        return {
          op: 'update',
          table: 'services',
          key: keyIn(value.network, service.name),
          value: service,
          index,
        }
      }),
  ]
}

/** Removes the endpoint and its addresses, except those that a published service keeps. */
export function removeEndpointAndLeases(snapshot: Snapshot, endpoint: Versioned<Endpoint>): Change[] {
  const leases = new Map(leasesOfEndpoint(snapshot, endpoint.value))
  return removeEndpoint(snapshot, endpoint).map((change): Change => {
    const lease = change.table === 'addresses' ? leases.get(change.key) : undefined
    if (lease === undefined || lease.value.service !== undefined) return change
    return { op: 'remove', table: 'addresses', key: change.key, index: lease.index }
  })
}

/** Puts the endpoint behind the service; the attach has ended. */
export function bindService({ value, index }: Versioned<Service>, endpoint: EndpointId): Change {
  const bound: Service = { ...value, endpoint, ...(value.holder && { holder: ended(value.holder) }) }
  return { op: 'update', table: 'services', key: keyIn(value.network, value.name), value: bound, index }
}

function macClaimOf(snapshot: Snapshot, { network, id, mac }: Endpoint): Change[] {
  const key = keyIn(network, mac)
  const claim = snapshot.macs.get(key)
  return claim?.value === id ? [{ op: 'remove', table: 'macs', key, index: claim.index }] : []
}

/** The endpoint's leases, with their keys. */
export function leasesOfEndpoint(snapshot: Snapshot, endpoint: Endpoint): [string, Versioned<Lease>][] {
  return addressesOf(endpoint).flatMap((ip) => {
    const key = keyIn(endpoint.network, ip)
    const lease = snapshot.addresses.get(key)
    return lease?.value.endpoint === endpoint.id ? [[key, lease] as [string, Versioned<Lease>]] : []
  })
}

/** A published service keeps its address: Docker's release of it means nothing. */
function unbind(key: string, { value, index }: Versioned<Lease>, left: Lease['left']): Change {
  const { endpoint: _, left: __, ...lease } = value
  const isNoted = left !== undefined && lease.service === undefined
  return { op: 'update', table: 'addresses', key, value: isNoted ? { ...lease, left } : lease, index }
}

/** Records the host's replica of a network: Docker's id there → the cluster's id. */
export function addReplica(snapshot: Snapshot, host: HostName, localId: string, network: NetworkId): Change {
  const key = keyIn(host, localId)
  const record = snapshot.replicas.get(key)
  if (record === undefined) return { op: 'create', table: 'replicas', key, value: network }
  return { op: 'update', table: 'replicas', key, value: network, index: record.index }
}

/** Removes the record of the host's replica with that id of Docker's. */
export function removeReplica(snapshot: Snapshot, host: HostName, localId: string): Change[] {
  const key = keyIn(host, localId)
  const record = snapshot.replicas.get(key)
  return record === undefined ? [] : [{ op: 'remove', table: 'replicas', key, index: record.index }]
}

/**
 * Removes a network that is marked as being removed and has no endpoint: first its leases, services and uses,
 * which may be many and need no order; then, in one commit, the network with its claims. Every host can
 * continue after the first.
 */
export function removeNetwork(
  snapshot: Snapshot,
  network: Versioned<Network>,
): { contents: Change[]; claims: Change[] } {
  const { id, name, vni } = network.value
  return {
    contents: [
      ...[...leasesOf(snapshot, id).keys()].map((key) => drop('addresses', key)),
      ...servicesOf(snapshot, id).map(({ value }) => drop('services', keyIn(id, value.name))),
      ...[...usesOfNetwork(snapshot, id).keys()].map((host) => drop('uses', keyIn(host, id))),
      ...macClaimsOf(snapshot, id).map((key) => drop('macs', key)),
      ...[...wantsOf(snapshot, id).keys()].map((key) => drop('wanted', key)),
    ],
    claims: [
      { op: 'remove', table: 'networks', key: id, index: network.index },
      ...(name === undefined ? [] : ownClaim(snapshot, 'network-names', name, id)),
      ...ownClaim(snapshot, 'vnis', String(vni), id),
      ...[...snapshot.pools]
        .filter(([, { value }]) => value.network === id)
        .map(([key, { index }]): Change => ({ op: 'remove', table: 'pools', key, index })),
    ],
  }
}

function drop(table: 'addresses' | 'services' | 'uses' | 'macs' | 'wanted', key: string): Change {
  return { op: 'drop', table, key }
}

function ownClaim(snapshot: Snapshot, table: 'network-names' | 'vnis', key: string, id: string): Change[] {
  const claim = snapshot[table].get(key)
  return claim?.value === id ? [{ op: 'remove', table, key, index: claim.index }] : []
}

/** From now on no host makes anything for the network, and any host finishes its removal. */
export function markRemoved({ value, index }: Versioned<Network>): Change {
  return { op: 'update', table: 'networks', key: value.id, value: { ...value, removing: true }, index }
}

/** A record that gives a name, a VNI or a pool to one network. */
export type Claim = Extract<Change, { op: 'create'; table: 'network-names' | 'vnis' | 'pools' }>

/** The network that has the name, the VNI or the pool. */
export function claimHolder(snapshot: Snapshot, table: Claim['table'], key: string): NetworkId | undefined {
  return table === 'pools' ? snapshot.pools.get(key)?.value.network : snapshot[table].get(key)?.value
}

/** The claims that the network needs, as they are made. */
export function claimsOf({ id, name, vni, v4, v6, createdBy, createdAt }: Network): Claim[] {
  const pools = [v4, v6].filter((pool) => pool !== undefined)
  return [
    { op: 'create', table: 'vnis', key: String(vni), value: id },
    ...(name === undefined
      ? []
      : [{ op: 'create', table: 'network-names', key: name, value: id } satisfies Claim]),
    ...pools.map(({ cidr, gateway, range }): Claim => {
      const value = { host: createdBy, network: id, gateway, reserved: [], claimedAt: createdAt }
      return {
        op: 'create',
        table: 'pools',
        key: cidr,
        value: { ...value, ...(range === undefined ? {} : { range }) },
      }
    }),
  ]
}
