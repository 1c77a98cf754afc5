/**
 * What creates an endpoint in the store: in the commit of CreateEndpoint, or in a later commit of the
 * journal.
 */
import { DriverError } from '../errors.ts'
import { bindService } from '../record-changes.ts'
import type { Change, Endpoint, Ip, Lease, Network, Snapshot } from '../records.ts'
import { addressesOf, keyIn, networkLabel, serviceAt } from '../snapshot.ts'
import { claimMac } from './macs.ts'

export interface EndpointCreation {
  /** Addresses that a person requested (`--ip`). */
  asked: readonly Ip[]
  /**
   * ISO 8601. Given for an endpoint that Docker was told of some time ago: a lease that is gone is made again
   * with this time (the host was taken out of the cluster), and a published service may have got the address.
   */
  leaseAgainAt?: string
}

/**
 * Creates the endpoint: its record and its MAC claim, bound to its leases and to the published service that
 * keeps its address. Throws `taken` or `not-found` when the endpoint cannot be in the store.
 */
export function createEndpoint(snapshot: Snapshot, value: Endpoint, how: EndpointCreation): Change[] {
  const { id, v4 } = value
  const network = snapshot.networks.get(value.network)
  if (network === undefined || network.value.removing) throw networkGone(value)
  const leases = addressesOf(value).map((ip) => bindLease(snapshot, network.value, value, ip, how))
  const service = serviceAt(snapshot, value.network, v4)
  return [
    { op: 'expect', table: 'networks', key: value.network, index: network.index },
    { op: 'create', table: 'endpoints', key: keyIn(value.network, id), value },
    ...claimMac(snapshot, network.value, value),
    ...leases,
    ...(service === undefined ? [] : [bindService(service, id)]),
  ]
}

function networkGone({ network }: Endpoint): DriverError {
  return new DriverError('not-found', `network ${network.slice(0, 12)} was removed meanwhile`, {
    hint: 'make it again, or connect the container to another network',
  })
}

function bindLease(
  snapshot: Snapshot,
  network: Network,
  { id, host }: Endpoint,
  ip: Ip,
  { asked, leaseAgainAt }: EndpointCreation,
): Change {
  const key = keyIn(network.id, ip)
  const bound = { endpoint: id, ...(asked.includes(ip) && { asked: true as const }) }
  const lease = snapshot.addresses.get(key)
  if (lease !== undefined) {
    const holder = holderOf(lease.value, { id, host }, leaseAgainAt !== undefined)
    if (holder !== undefined) throw addressTaken(network, ip, holder)
    return { op: 'update', table: 'addresses', key, value: { ...lease.value, ...bound }, index: lease.index }
  }
  if (leaseAgainAt === undefined) {
    throw new DriverError('not-found', `the address ${ip} is not leased by this host`, { hint: 'try again' })
  }
  return { op: 'create', table: 'addresses', key, value: { host, leasedAt: leaseAgainAt, ...bound } }
}

/** Who has the address instead of the endpoint. */
function holderOf(
  { host, endpoint, service }: Lease,
  own: Pick<Endpoint, 'id' | 'host'>,
  isLate: boolean,
): string | undefined {
  if (isLate && service !== undefined) return `service ${service}`
  const isOwn = host === own.host && (endpoint === undefined || endpoint === own.id)
  return isOwn ? undefined : `a container on ${host}`
}

function addressTaken(network: Network, ip: Ip, holder: string): DriverError {
  const label = networkLabel(network)
  return new DriverError('taken', `the address ${ip} of network ${label} went to ${holder} meanwhile`, {
    hint: 'start the container again to get another address',
  })
}
