/**
 * Services as people see them: published services, and every container under its own name.
 *
 * A published service is a record with its own address; it stays until it is unpublished. A container without
 * one is a service under its name while it is on the network; such a service is not stored but derived from
 * the endpoint. This was so in 2015 on every network (moby v1.8.0, daemon/container_unix.go,
 * AllocateNetwork). Dots in a container's name become dashes, since a dot separates service and network.
 */
import { defined } from './defined.ts'
import { DriverError } from './errors.ts'
import { isDnsName, isWritable } from './names.ts'
import type { Endpoint, HostName, Ip, Network, NetworkId, Service, Snapshot, Versioned } from './records.ts'
import { endpoint, networkById, networkByName, networkLabel } from './snapshot.ts'

export interface ServiceRef {
  service: string
  /** Undefined: the default network. */
  network?: string
  driver?: string
}

export interface ServiceView {
  /** The id of the published service, or of the container's endpoint. */
  id: string
  name: string
  network: { id: NetworkId; name: string }
  v4: Ip
  v6?: Ip
  published: boolean
  /** The endpoint behind the service at present. */
  backend?: { host: HostName; endpoint: string; container?: { id: string; name: string } }
}

/** Whether the cluster has a network of that name. */
type IsNetwork = (name: string) => boolean

const noNetwork: IsNetwork = () => false

/**
 * `SERVICE[.NETWORK]`: the network follows the last dot, or an earlier one where what follows that alone is a
 * network: networks' names may have dots.
 */
export function parseServiceName(text: string, isNetwork = noNetwork): ServiceRef {
  const dots = [...text.matchAll(/\./g)].map(({ index }) => index).reverse()
  const dot = dots.find((at) => isNetwork(text.slice(at + 1))) ?? dots[0]
  if (dot === undefined) return checkRef(text, { service: text })
  return checkRef(text, { service: text.slice(0, dot), network: text.slice(dot + 1) })
}

/**
 * `--publish-service=SERVICE[.NETWORK[.DRIVER]]`: of three or more parts the last is the driver, unless the
 * last ones are a network's name.
 */
export function parsePublished(text: string, isNetwork = noNetwork): ServiceRef {
  const whole = parseServiceName(text, isNetwork)
  const parts = text.split('.')
  if (parts.length < 3 || whole.network?.includes('.')) return whole
  const driver = parts.pop()
  return { ...parseServiceName(parts.join('.'), isNetwork), ...defined({ driver }) }
}

export function serviceRef(snapshot: Snapshot, text: string): ServiceRef {
  return parseServiceName(text, (name) => networkByName(snapshot, name) !== undefined)
}

function checkRef(text: string, ref: ServiceRef): ServiceRef {
  if (ref.service !== '' && ref.network !== '') return ref
  throw new DriverError('invalid', `'${text}' is not a service`, {
    hint: 'write SERVICE or SERVICE.NETWORK',
  })
}

/**
 * A name that may be published: it becomes a host name in containers, and a label of DNS or several. Throws
 * `invalid`.
 */
export function checkServiceName(name: string): string {
  const isName = /^[A-Za-z0-9].{0,62}$/.test(name) && isDnsName(name)
  if (isName && isWritable(name)) return name
  if (isName)
    throw new DriverError('invalid', `'${name}' is a name that each machine has for itself`, {
      hint: 'choose another name',
    })
  throw new DriverError('invalid', `'${name}' is not a valid service name`, {
    hint: 'use at most 63 letters, digits, dots, dashes and underscores, starting with a letter or digit',
  })
}

/** All services, or those of one network, sorted by network and name. */
export function listServices(snapshot: Snapshot, network?: NetworkId): ServiceView[] {
  const published = [...snapshot.services.values()].flatMap(({ value }) => viewOf(snapshot, value))
  const behindPublished = new Set(published.map(({ backend }) => backend?.endpoint))
  const derived = [...snapshot.endpoints.values()]
    .filter(({ value }) => !behindPublished.has(value.id))
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
      id,
      name,
      network: { id: network.id, name: networkLabel(network) },
      v4,
      published: true,
      ...(v6 === undefined ? {} : { v6 }),
      ...(behind ? { backend: backendOf(behind) } : {}),
    },
  ]
}

/** Empty until the engine has told which container the endpoint belongs to. */
function derivedFrom(snapshot: Snapshot, at: Endpoint): ServiceView[] {
  const network = networkById(snapshot, at.network)?.value
  if (network === undefined || at.container === undefined) return []
  const name = at.container.name.replaceAll('.', '-')
  const { id, v4, v6 } = at
  return [
    {
      id,
      name,
      network: { id: network.id, name: networkLabel(network) },
      v4,
      published: false,
      ...(v6 === undefined ? {} : { v6 }),
      backend: backendOf(at),
    },
  ]
}

function backendOf({ host, id, container }: Endpoint): ServiceView['backend'] & object {
  return { host, endpoint: id, ...(container === undefined ? {} : { container }) }
}

/** The network of a reference. Throws `not-found` with the existing networks. */
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
  const names = [...snapshot.networks.values()].map(({ value }) => networkLabel(value)).sort()
  const known = names.length === 0 ? 'it has none yet' : `its networks are ${names.join(', ')}`
  return new DriverError('not-found', `the cluster has no network '${name}'`, {
    hint: `${known}; create one with: docker network create -d vxlan --ipam-driver vxlan ${name}`,
  })
}

/**
 * By name on its network (namedIn), otherwise by the start of its id on any network. Throws `not-found`, or
 * `invalid` when several match.
 */
export function findService(snapshot: Snapshot, text: string, defaultNetwork: string): ServiceView {
  const ref = serviceRef(snapshot, text)
  const network = networkByName(snapshot, ref.network ?? defaultNetwork)?.value
  const byName = network === undefined ? [] : namedIn(snapshot, network.id, ref.service)
  const candidates = byName.length > 0 ? byName : withPrefix(listServices(snapshot), text)
  const [only, ...others] = candidates
  if (only === undefined) throw unknownService(snapshot, ref, defaultNetwork)
  if (others.length > 0) throw ambiguous(text, candidates)
  return only
}

/** The services that a name means: the published one alone, since a container with its name may come later. */
export function namedIn(snapshot: Snapshot, network: NetworkId, service: string): ServiceView[] {
  const named = listServices(snapshot, network).filter(({ name }) => name === service)
  const published = named.filter((it) => it.published)
  return published.length > 0 ? published : named
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
    hint: "'multihost service ls' lists the services; name one of another network as SERVICE.NETWORK",
  })
}

function ambiguous(text: string, candidates: readonly ServiceView[]): DriverError {
  const list = candidates.map(({ id, name, network }) => `${id.slice(0, 12)} (${name}.${network.name})`)
  return new DriverError('invalid', `'${text}' matches several services: ${list.join(', ')}`, {
    hint: 'give more digits of the id',
  })
}

/** `net-1's container df479e660658 (web)`, for messages. */
export function describeBackend({ host, container }: NonNullable<ServiceView['backend']>): string {
  const what = container === undefined ? 'a container' : `container ${container.name}`
  return `${what}${container === undefined ? '' : ` (${container.id.slice(0, 12)})`} on ${host}`
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
