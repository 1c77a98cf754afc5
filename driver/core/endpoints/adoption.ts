/**
 * Records for an endpoint that is in a container here and has lost its records: an unrecorded endpoint
 * (life.ts).
 *
 * A key was deleted by hand, or the cluster evicted this host while its containers ran on. The endpoint gets
 * its address back if the address is free, and asks for it where it lies unused in another host's reserve. An
 * endpoint that was behind a service is behind it again, unless the service has another endpoint or another
 * holder now. An attach that was begun and never ended is no other holder (service-holder.ts).
 */
import { bindService } from '../record-changes.ts'
import type {
  Change,
  EarlierHolder,
  Endpoint,
  EndpointId,
  Ip,
  Lease,
  NetworkId,
  Service,
  Snapshot,
} from '../records.ts'
import { isIdle } from '../reserve.ts'
import { isAttaching, lastEnded } from '../service-holder.ts'
import { addressesOf, endpoint, keyIn, servicesOf } from '../snapshot.ts'
import { recordedContainer } from './description.ts'
import { type DockerEndpoint, type DockerState, endpointsIn, unrecordedIn } from './docker-state.ts'
import type { EndpointCall } from './life.ts'
import { claimMacAgain } from './macs.ts'

/** One commit per unrecorded endpoint that can have its records again. */
export function adoptions(
  state: DockerState,
  calls: ReadonlyMap<EndpointId, EndpointCall>,
): Map<EndpointId, Change[]> {
  return new Map(
    unrecordedIn(state, calls).flatMap(([network, found]): [EndpointId, Change[]][] => {
      const changes = adoption(state, network, found)
      return changes === undefined ? [] : [[found.id, changes]]
    }),
  )
}

/** Undefined when the endpoint is in no container, has its record, or its address or its service is another's now. */
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
  const holder = service && stillBehind(service.value, found, state)
  if (service !== undefined && holder === undefined) return undefined
  const behind = service === undefined ? {} : { service: service.value.name }
  const leases = addressesOf({ v4, v6 }).map((ip) =>
    leaseAgain(
      snapshot,
      keyIn(network, ip),
      { host, endpoint: id, leasedAt: now, ...behind },
      service !== undefined,
    ),
  )
  if (leases.includes(undefined)) return undefined
  const value: Endpoint = {
    network,
    id,
    v4,
    ...(v6 !== undefined && { v6 }),
    mac,
    host,
    vtep,
    joined: true,
    container: recordedContainer(container),
    aliases: [],
    ...behind,
  }
  return [
    { op: 'expect', table: 'networks', key: network, index: record.index },
    { op: 'create', table: 'endpoints', key: keyIn(network, id), value },
    ...claimMacAgain(snapshot, record.value, value),
    ...leases.filter((change) => change !== undefined),
    ...(service && holder ? [bindService({ ...service, value: { ...service.value, holder } }, id)] : []),
  ]
}

/**
 * The addresses that the endpoint can have its records with as soon as other hosts return them: they lie
 * unused in the reserves of those hosts. None where anything else prevents the adoption. Such a lease is
 * never written over: its host may have given the address to Docker, which no record shows yet.
 */
export function unusedElsewhere(
  state: Omit<DockerState, 'networks'>,
  network: NetworkId,
  found: DockerEndpoint,
): Ip[] {
  const { snapshot, host } = state
  const unused = addressesOf(found).filter((ip) => {
    const lease = snapshot.addresses.get(keyIn(network, ip))?.value
    return lease !== undefined && lease.host !== host && isIdle(lease) && !lease.asked
  })
  if (unused.length === 0) return []
  const addresses = snapshot.addresses.deleteAll(unused.map((ip) => keyIn(network, ip)))
  const returned = { ...state, snapshot: { ...snapshot, addresses } }
  return adoption(returned, network, found) === undefined ? [] : unused
}

/** The holder, when the container was attached last, no other endpoint is behind, and no attach is under way. */
function stillBehind(
  { network, endpoint: behind, holder }: Service,
  { id, container }: DockerEndpoint,
  { snapshot, host, now }: Pick<DockerState, 'snapshot' | 'host' | 'now'>,
): EarlierHolder | undefined {
  if (behind !== undefined && behind !== id && endpoint(snapshot, network, behind) !== undefined)
    return undefined
  if (holder === undefined || isAttaching(holder, new Date(now))) return undefined
  const last = lastEnded(holder)
  // A service that was published with --publish-service does not name its container.
  const isThis = last?.container === undefined || last.container.id === container?.id
  return last?.host === host && isThis ? last : undefined
}

/** Per endpoint that is in a container here and has its record: the leases that it has lost, again. */
export function lostLeases(
  state: DockerState,
  calls: ReadonlyMap<EndpointId, EndpointCall>,
): Map<EndpointId, Change[]> {
  const { snapshot, host, now } = state
  const changes = endpointsIn(state).flatMap(([network, { id, container }]): [EndpointId, Change[]][] => {
    const record = endpoint(snapshot, network, id)
    if (container === undefined || calls.has(id) || record === undefined || record.value.host !== host)
      return []
    const { v4, v6, service } = record.value
    const lease = { host, endpoint: id, leasedAt: now, ...(service !== undefined && { service }) }
    const leases = [v4, v6].flatMap((ip) => {
      const key = keyIn(network, ip ?? '')
      const isLost = ip !== undefined && snapshot.addresses.get(key)?.value.endpoint === undefined
      const again = isLost ? leaseAgain(snapshot, key, lease) : undefined
      return again === undefined ? [] : [again]
    })
    if (leases.length === 0) return []
    const expect = { op: 'expect', table: 'endpoints', key: keyIn(network, id), index: record.index } as const
    return [[id, [expect, ...leases]]]
  })
  return new Map(changes)
}

/** `ofAnyHost`: an attach on another host may have moved the lease there, and did not end. */
function leaseAgain(
  snapshot: Snapshot,
  key: string,
  value: Lease & { endpoint: EndpointId },
  ofAnyHost = false,
): Change | undefined {
  const lease = snapshot.addresses.get(key)
  if (lease === undefined) return { op: 'create', table: 'addresses', key, value }
  const ours = (ofAnyHost || lease.value.host === value.host) && lease.value.service === value.service
  const free = lease.value.endpoint === undefined || lease.value.endpoint === value.endpoint
  return ours && free ? { op: 'update', table: 'addresses', key, value, index: lease.index } : undefined
}
