/**
 * The names on a network: the lines of hosts files and the answers of DNS, from one place.
 *
 * An endpoint has names when it has joined and its container is known; a service has them as soon as it is
 * published. Each name exists twice, as NAME and as NAME.NETWORK. The cost grows with the endpoints of one
 * network, and a change costs only its network.
 */
import { parseIp } from './addresses.ts'
import { type IndexKeys, lookUp } from './record-index.ts'
import type { Cidr, Endpoint, Ip, NetworkId, Service, Snapshot, Versioned } from './records.ts'
import { endpointsOf, keyIn, networkById, servicesOf } from './snapshot.ts'

/** One line of a hosts file. */
export interface NameRecord {
  ip: Ip
  name: string
}

/** The names of a network for DNS lookups: a lookup costs what it returns, not what the network has. */
export interface Zone {
  network: string
  pools: readonly Cidr[]
  /**
   * Addresses of NAME or NAME.NETWORK, in lower case (RFC 4343), ascending. Empty when the name does not
   * exist.
   */
  addressesOf(name: string): Ip[]
  /** NAME.NETWORK of the address. */
  nameAt(ip: Ip): string | undefined
}

/**
 * Sorted by address. Per address: the container's name, its service and its aliases, each followed by its
 * NAME.NETWORK. Empty while the network has no name.
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

/** Undefined while the network does not exist or has no name. */
export function zoneOf(snapshot: Snapshot, id: NetworkId): Zone | undefined {
  const { name: network, v4, v6 } = networkById(snapshot, id)?.value ?? {}
  if (network === undefined || v4 === undefined) return undefined
  const domain = `.${network.toLowerCase()}`
  return {
    network,
    pools: v6 === undefined ? [v4.cidr] : [v4.cidr, v6.cidr],
    addressesOf(name) {
      const short = name.endsWith(domain) ? [name.slice(0, -domain.length)] : []
      const called = [name, ...short].flatMap((it) => namedIn(snapshot, byName, keyIn(id, it)))
      const ips = called.flatMap(addressesOf)
      return [...new Set(ips)]
        .map(ordered)
        .sort(ascending)
        .map(({ ip }) => ip)
    },
    nameAt(ip) {
      const [first] = namedIn(snapshot, byAddress, keyIn(id, ip))
        .map((it) => writableNames(it))
        .filter((names) => names.length > 0)
        .sort((a, b) => compare(a.join(' '), b.join(' ')))
      return first === undefined ? undefined : `${first[0]}.${network}`
    },
  }
}

/** The number of endpoints that a hosts file would have to list. */
export function namedEndpoints(snapshot: Snapshot, network: NetworkId): number {
  return lookUp(snapshot.endpoints, namedByNetwork, network).size
}

type Holder = Endpoint | Service

const isNamed = ({ joined, container }: Endpoint): boolean => joined && container !== undefined
const namedByNetwork: IndexKeys<Versioned<Endpoint>> = (_, { value }) =>
  isNamed(value) ? [value.network] : []

/** Index keys of the two tables that have names. */
interface NameIndexKeys {
  endpoints: IndexKeys<Versioned<Endpoint>>
  services: IndexKeys<Versioned<Service>>
}

const nameKeys = (it: Holder): string[] => [
  ...new Set(writableNames(it).map((name) => keyIn(it.network, name.toLowerCase()))),
]
const addressKeys = (it: Holder): string[] => addressesOf(it).map((ip) => keyIn(it.network, ip))

const byName: NameIndexKeys = {
  endpoints: (_, { value }) => (isNamed(value) ? nameKeys(value) : []),
  services: (_, { value }) => nameKeys(value),
}
const byAddress: NameIndexKeys = {
  endpoints: (_, { value }) => (isNamed(value) ? addressKeys(value) : []),
  services: (_, { value }) => addressKeys(value),
}

function namedIn(snapshot: Snapshot, by: NameIndexKeys, name: string): Holder[] {
  const endpoints = lookUp(snapshot.endpoints, by.endpoints, name).values()
  const services = lookUp(snapshot.services, by.services, name).values()
  return [...endpoints, ...services].map(({ value }) => value)
}

interface Named {
  ip: Ip
  names: string[]
}

function namedAddresses(snapshot: Snapshot, network: NetworkId): Named[] {
  const endpoints = endpointsOf(snapshot, network).map(({ value }) => value)
  const services = servicesOf(snapshot, network).map(({ value }) => value)
  return [...endpoints.filter(isNamed), ...services]
    .flatMap((it) => addressesOf(it).map((ip) => ({ ...ordered(ip), names: namesOf(it) })))
    .sort((a, b) => ascending(a, b) || compare(a.names.join(' '), b.names.join(' ')))
}

function addressesOf({ v4, v6 }: Holder): Ip[] {
  return v6 === undefined ? [v4] : [v4, v6]
}

/** Of an endpoint: its container's name, its service and its aliases. Of a service: its name. */
function namesOf(it: Holder): string[] {
  if (!('mac' in it)) return [it.name]
  const { container, service, aliases } = it
  return [container?.name, service, ...[...aliases].sort()].filter((name) => name !== undefined)
}

function writableNames(it: Holder): string[] {
  return namesOf(it).filter(isWritable)
}

/**
 * Aliases are free text for Docker. An alias that is not one word would be a line of its own in a hosts file.
 */
function isWritable(name: string): boolean {
  return name.length <= 253 && /^[A-Za-z0-9_][A-Za-z0-9_.-]*$/.test(name)
}

/** An address with its sort keys. */
function ordered(ip: Ip) {
  return { ip, ...parseIp(ip) }
}

function ascending(a: ReturnType<typeof ordered>, b: ReturnType<typeof ordered>): number {
  return a.family - b.family || compare(a.value, b.value)
}

function compare<T extends bigint | string>(a: T, b: T): number {
  return a < b ? -1 : a > b ? 1 : 0
}
