/**
 * Who is called what on a network: the lines of the hosts files and the answers of DNS, from one place.
 *
 * An endpoint has a name when its container is known and has joined; a service has one as soon as it is published.
 * Each name exists twice, as NAME and as NAME.NETWORK. Grows with the endpoints of one network; asked per network, so
 * that a change costs that network alone.
 */
import { parseIp } from './address.ts'
import { type GroupOf, group } from './grouped.ts'
import type { Cidr, Endpoint, Ip, Network, NetworkId, Service, Snapshot, Versioned } from './model.ts'
import { endpointsOf, networkById, servicesOf } from './snapshot.ts'

/** One line of a hosts file. */
export interface NameRecord {
  ip: Ip
  name: string
}

/** The names of a network as a resolver needs them. Names in lower case (RFC 4343), addresses in ascending order. */
export interface Zone {
  network: string
  pools: readonly Cidr[]
  addresses: ReadonlyMap<string, readonly Ip[]>
  /** Address → NAME.NETWORK. */
  names: ReadonlyMap<Ip, string>
}

/**
 * Sorted by address; for one address its container's name, its service and its aliases, each followed by its
 * NAME.NETWORK. Empty while the network itself has no name yet.
 */
export function recordsFor(snapshot: Snapshot, network: NetworkId): NameRecord[] {
  const domain = networkById(snapshot, network)?.value.name
  if (domain === undefined) return []
  const records = new Map<string, NameRecord>()
  for (const { ip, names } of namedAddresses(snapshot, network)) {
    for (const name of names.filter(isWritable)) {
      for (const full of [name, `${name}.${domain}`]) records.set(`${ip} ${full}`, { ip, name: full })
    }
  }
  return [...records.values()]
}

/** Undefined while the network has no name yet. */
export function zoneOf({ name: network, v4, v6 }: Network, records: readonly NameRecord[]): Zone | undefined {
  if (network === undefined) return undefined
  const addresses = new Map<string, Ip[]>()
  const names = new Map<Ip, string>()
  for (const { ip, name } of records) {
    const key = name.toLowerCase()
    const known = addresses.get(key) ?? []
    if (!known.includes(ip)) known.push(ip)
    addresses.set(key, known)
    if (!names.has(ip) && name.endsWith(`.${network}`)) names.set(ip, name)
  }
  return { network, pools: v6 === undefined ? [v4.cidr] : [v4.cidr, v6.cidr], addresses, names }
}

/** Endpoints that a hosts file would have to name. */
export function namedEndpoints(snapshot: Snapshot, network: NetworkId): number {
  return group(snapshot.endpoints, namedByNetwork, network).size
}

const namedByNetwork: GroupOf<Versioned<Endpoint>> = (_, { value }) => (isNamed(value) ? [value.network] : [])

interface Named {
  ip: Ip
  names: string[]
}

function namedAddresses(snapshot: Snapshot, network: NetworkId): Named[] {
  const endpoints = endpointsOf(snapshot, network).map(({ value }) => value)
  const services = servicesOf(snapshot, network).map(({ value }) => value)
  const all = [...endpoints.filter(isNamed), ...services].flatMap(namesOf)
  return all
    .map((named) => ({ ...named, order: parseIp(named.ip) }))
    .sort(
      (a, b) =>
        a.order.family - b.order.family ||
        compare(a.order.value, b.order.value) ||
        compare(a.names.join(' '), b.names.join(' ')),
    )
}

function namesOf(it: Endpoint | Service): Named[] {
  const names = 'mac' in it ? namesOfEndpoint(it) : [it.name]
  return [it.v4, it.v6].filter((ip) => ip !== undefined).map((ip) => ({ ip, names }))
}

function namesOfEndpoint({ container, service, aliases }: Endpoint): string[] {
  return [container?.name, service, ...[...aliases].sort()].filter((name) => name !== undefined)
}

function isNamed({ joined, container }: Endpoint): boolean {
  return joined && container !== undefined
}

/** Aliases are free text to Docker; what is no word of a hosts file would be a line of its own there. */
function isWritable(name: string): boolean {
  return name.length <= 253 && /^[A-Za-z0-9_][A-Za-z0-9_.-]*$/.test(name)
}

function compare<T extends bigint | string>(a: T, b: T): number {
  return a < b ? -1 : a > b ? 1 : 0
}
