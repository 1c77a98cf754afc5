/**
 * Endpoints that are in a container here and have lost their records: what they get back, when nobody has it now.
 *
 * A key may have been deleted by hand, or this host was taken out of the cluster while its containers ran on. One that
 * was behind a service is behind it again, unless somebody took the service meanwhile.
 */
import { bindService } from '../record-changes.ts'
import type { Change, Endpoint, EndpointId, Lease, NetworkId, Service, Snapshot } from '../records.ts'
import { endpoint, keyIn, servicesOf } from '../snapshot.ts'
import { type DockerEndpoint, type DockerState, endpointsIn } from './docker-state.ts'

/** Of all endpoints that are in a container here and not in the store, but for those that are just leaving it. */
export function adoptions(state: DockerState, leaving: ReadonlySet<EndpointId>): Change[][] {
  return endpointsIn(state)
    .filter(([, { id }]) => !leaving.has(id))
    .map(([network, found]) => adoption(state, network, found))
    .filter((changes) => changes !== undefined)
}

/**
 * The records of an endpoint that is in a container and not in the store; undefined when it is in none, or somebody
 * else has its address or its service: then the container must go.
 */
export function adoption(
  state: Omit<DockerState, 'networks'>,
  network: NetworkId,
  found: DockerEndpoint,
): Change[] | undefined {
  const { snapshot, host, vtep, now } = state
  const { id, v4, v6, mac, container } = found
  const record = snapshot.networks.get(network)
  if (container === undefined || v4 === '' || mac === '' || record === undefined || record.value.removing)
    return undefined
  if (endpoint(snapshot, network, id) !== undefined) return undefined
  const service = servicesOf(snapshot, network).find(({ value }) => value.v4 === v4)
  if (service !== undefined && !isStillBehind(service.value, found, state)) return undefined
  const behind = service === undefined ? {} : { service: service.value.name }
  const ips = [v4, v6].filter((ip) => ip !== undefined)
  const leases = ips.map((ip) =>
    leaseAgain(snapshot, keyIn(network, ip), { host, endpoint: id, leasedAt: now, ...behind }),
  )
  if (leases.includes(undefined)) return undefined
  const value: Endpoint = {
    ...{ network, id, v4, mac, host, vtep, joined: true, container, aliases: [], ...behind },
    ...(v6 === undefined ? {} : { v6 }),
  }
  return [
    { op: 'expect', table: 'networks', key: network, index: record.index },
    { op: 'create', table: 'endpoints', key: keyIn(network, id), value },
    ...leases.filter((change) => change !== undefined),
    ...(service === undefined ? [] : [bindService(service, id)]),
  ]
}

/** It was attached last, nothing else is behind the service, and nobody is about to attach anything. */
function isStillBehind(
  { network, endpoint: behind, holder }: Service,
  { id, container }: DockerEndpoint,
  { snapshot, host }: Pick<DockerState, 'snapshot' | 'host'>,
): boolean {
  if (behind !== undefined && behind !== id && endpoint(snapshot, network, behind) !== undefined) return false
  if (holder?.host !== host || holder.attachingSince !== undefined) return false
  // Not known of a container that was made with --publish-service.
  return holder.container === undefined || holder.container.id === container?.id
}

function leaseAgain(
  snapshot: Snapshot,
  key: string,
  value: Lease & { endpoint: EndpointId },
): Change | undefined {
  const lease = snapshot.addresses.get(key)
  if (lease === undefined) return { op: 'create', table: 'addresses', key, value }
  const ours = lease.value.host === value.host && lease.value.service === value.service
  const free = lease.value.endpoint === undefined || lease.value.endpoint === value.endpoint
  return ours && free ? { op: 'update', table: 'addresses', key, value, index: lease.index } : undefined
}
