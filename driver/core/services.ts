/**
 * Services as people see them: what is published, and every container under its own name.
 *
 * A published service is a record with an address of its own; it stays until it is unpublished. A container without
 * one is a service by its name, for as long as it is on the network, and is stored nowhere: it is read off its
 * endpoint. So it was in 2015 on whatever network the container was (moby v1.8.0, daemon/container_unix.go,
 * AllocateNetwork), dots in the container's name becoming dashes, since a dot parts service and network.
 */
import { DriverError } from './errors.ts'
import type { Endpoint, HostName, Ip, Network, NetworkId, Service, Snapshot, Versioned } from './records.ts'
import { endpoint, networkById, networkByName } from './snapshot.ts'

export interface ServiceRef {
  service: string
  /** Undefined: the default network. */
  network?: string
  driver?: string
}

export interface ServiceView {
  /** The published service's own, or that of the container's endpoint. */
  id: string
  name: string
  network: { id: NetworkId; name: string }
  v4: Ip
  v6?: Ip
  published: boolean
  /** What is behind it at this moment. */
  backend?: { host: HostName; endpoint: string; container?: { id: string; name: string } }
}

/** `SERVICE[.NETWORK]`: behind the last dot is the network. */
export function parseServiceName(text: string): ServiceRef {
  const parts = text.split('.')
  const network = parts.length > 1 ? parts.pop() : undefined
  return checkRef(text, { service: parts.join('.'), ...(network === undefined ? {} : { network }) })
}

/** `--publish-service=SERVICE[.NETWORK[.DRIVER]]`: of three or more parts the last is the driver. */
export function parsePublished(text: string): ServiceRef {
  const parts = text.split('.')
  const driver = parts.length > 2 ? parts.pop() : undefined
  return { ...parseServiceName(parts.join('.')), ...(driver === undefined ? {} : { driver }) }
}

function checkRef(text: string, ref: ServiceRef): ServiceRef {
  if (ref.service !== '' && ref.network !== '') return ref
  throw new DriverError('invalid', `'${text}' does not name a service`, {
    hint: 'write SERVICE or SERVICE.NETWORK',
  })
}

/** A name that may be published: it becomes a host's name in the containers. Throws `invalid`. */
export function checkServiceName(name: string): string {
  if (/^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/.test(name)) return name
  throw new DriverError('invalid', `'${name}' cannot be a service's name`, {
    hint: 'give it letters, digits, dots, dashes and underscores, at most 63, a letter or digit first',
  })
}

/** All services, or those of one network, by network and name. */
export function listServices(snapshot: Snapshot, network?: NetworkId): ServiceView[] {
  const published = [...snapshot.services.values()].flatMap(({ value }) => viewOf(snapshot, value))
  const taken = new Set(published.map(({ backend }) => backend?.endpoint))
  const derived = [...snapshot.endpoints.values()]
    .filter(({ value }) => !taken.has(value.id))
    .flatMap(({ value }) => derivedFrom(snapshot, value))
  return [...published, ...derived]
    .filter((it) => network === undefined || it.network.id === network)
    .sort((a, b) => compare(a.network.name, b.network.name) || compare(a.name, b.name) || compare(a.id, b.id))
}

function viewOf(snapshot: Snapshot, service: Service): ServiceView[] {
  const network = networkById(snapshot, service.network)?.value
  if (network === undefined) return []
  const { id, name, v4, v6 } = service
  const behind = service.endpoint && endpoint(snapshot, service.network, service.endpoint)?.value
  return [
    {
      ...{ id, name, network: { id: network.id, name: nameOf(network) }, v4, published: true },
      ...(v6 === undefined ? {} : { v6 }),
      ...(behind ? { backend: backendOf(behind) } : {}),
    },
  ]
}

/** None before the engine has told whose endpoint it is. */
function derivedFrom(snapshot: Snapshot, at: Endpoint): ServiceView[] {
  const network = networkById(snapshot, at.network)?.value
  if (network === undefined || at.container === undefined) return []
  const name = at.container.name.replaceAll('.', '-')
  const { id, v4, v6 } = at
  return [
    {
      ...{ id, name, network: { id: network.id, name: nameOf(network) }, v4, published: false },
      ...(v6 === undefined ? {} : { v6 }),
      backend: backendOf(at),
    },
  ]
}

function backendOf({ host, id, container }: Endpoint): ServiceView['backend'] & object {
  return { host, endpoint: id, ...(container === undefined ? {} : { container }) }
}

/** The network of a reference. Throws `not-found` with the networks that there are. */
export function serviceNetwork(
  snapshot: Snapshot,
  { network }: ServiceRef,
  defaultNetwork: string,
): Versioned<Network> {
  const name = network ?? defaultNetwork
  const found = networkByName(snapshot, name) ?? networkById(snapshot, name)
  if (found === undefined || found.value.removing) throw unknownNetwork(snapshot, name)
  return found
}

function unknownNetwork(snapshot: Snapshot, name: string): DriverError {
  const names = [...snapshot.networks.values()].map(({ value }) => nameOf(value)).sort()
  const known = names.length === 0 ? 'there are none yet' : `those of the cluster are ${names.join(', ')}`
  return new DriverError('not-found', `the cluster has no network '${name}'`, {
    hint: `${known}; make it with: docker network create -d vxlan --ipam-driver vxlan ${name}`,
  })
}

/** By name on its network, else by the beginning of its id on any. Throws `not-found`, or `invalid` for several. */
export function findService(snapshot: Snapshot, text: string, defaultNetwork: string): ServiceView {
  const ref = parseServiceName(text)
  const network = networkByName(snapshot, ref.network ?? defaultNetwork)?.value
  const named = network === undefined ? [] : listServices(snapshot, network.id)
  const byName = named.filter(({ name }) => name === ref.service)
  const candidates = byName.length > 0 ? byName : withPrefix(listServices(snapshot), text)
  const [only, ...others] = candidates
  if (only === undefined) throw unknownService(snapshot, ref, defaultNetwork)
  if (others.length > 0) throw ambiguous(text, candidates)
  return only
}

function withPrefix(services: readonly ServiceView[], text: string): ServiceView[] {
  return /^[0-9a-f]{1,64}$/.test(text) ? services.filter(({ id }) => id.startsWith(text)) : []
}

function unknownService(snapshot: Snapshot, ref: ServiceRef, defaultNetwork: string): DriverError {
  const network = ref.network ?? defaultNetwork
  if (ref.network !== undefined && networkByName(snapshot, network) === undefined) {
    return unknownNetwork(snapshot, network)
  }
  return new DriverError('not-found', `there is no service '${ref.service}' on network ${network}`, {
    hint: "see 'multihost service ls'; on another network it is SERVICE.NETWORK",
  })
}

function ambiguous(text: string, candidates: readonly ServiceView[]): DriverError {
  const list = candidates.map(({ id, name, network }) => `${id.slice(0, 12)} (${name}.${network.name})`)
  return new DriverError('invalid', `'${text}' is more than one service: ${list.join(', ')}`, {
    hint: 'give more digits of the id',
  })
}

/** `net-1's container df479e660658 (web)`, for messages. */
export function describeBackend({ host, container }: NonNullable<ServiceView['backend']>): string {
  const what = container === undefined ? 'a container' : `container ${container.name}`
  return `${what}${container === undefined ? '' : ` (${container.id.slice(0, 12)})`} on ${host}`
}

function nameOf({ name, id }: Network): string {
  return name ?? id.slice(0, 12)
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
