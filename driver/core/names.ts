/**
 * Who is called what on a network: the lines of the hosts files and the answers of DNS, from one place.
 *
 * An endpoint has a name when its container is known and has joined; a service has one as soon as it is published.
 * Each name exists twice, as NAME and as NAME.NETWORK. Grows with the endpoints of one network; asked per network, so
 * that a change costs that network alone.
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

/** The names of a network as a resolver asks for them: an answer costs what it says, not what the network has. */
export interface Zone {
  network: string
  pools: readonly Cidr[]
  /** Of NAME or NAME.NETWORK in lower case (RFC 4343), ascending; empty when there is no such name. */
  addressesOf(name: string): Ip[]
  /** NAME.NETWORK of an address. */
  nameAt(ip: Ip): string | undefined
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

/** Undefined while the network is not there, or has no name yet. */
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

/** Endpoints that a hosts file would have to name. */
export function namedEndpoints(snapshot: Snapshot, network: NetworkId): number {
  return lookUp(snapshot.endpoints, namedByNetwork, network).size
}

type Holder = Endpoint | Service

const isNamed = ({ joined, container }: Endpoint): boolean => joined && container !== undefined
const namedByNetwork: IndexKeys<Versioned<Endpoint>> = (_, { value }) =>
  isNamed(value) ? [value.network] : []

/** RecordIndex of both tables that have names: the same questions of endpoints and of services. */
interface Index {
  endpoints: IndexKeys<Versioned<Endpoint>>
  services: IndexKeys<Versioned<Service>>
}

const nameKeys = (it: Holder): string[] => [
  ...new Set(writableNames(it).map((name) => keyIn(it.network, name.toLowerCase()))),
]
const addressKeys = (it: Holder): string[] => addressesOf(it).map((ip) => keyIn(it.network, ip))

const byName: Index = {
  endpoints: (_, { value }) => (isNamed(value) ? nameKeys(value) : []),
  services: (_, { value }) => nameKeys(value),
}
const byAddress: Index = {
  endpoints: (_, { value }) => (isNamed(value) ? addressKeys(value) : []),
  services: (_, { value }) => addressKeys(value),
}

function namedIn(snapshot: Snapshot, by: Index, name: string): Holder[] {
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

/** Its container's name, its service and its aliases; of a service, its own. */
function namesOf(it: Holder): string[] {
  if (!('mac' in it)) return [it.name]
  const { container, service, aliases } = it
  return [container?.name, service, ...[...aliases].sort()].filter((name) => name !== undefined)
}

function writableNames(it: Holder): string[] {
  return namesOf(it).filter(isWritable)
}

/** Aliases are free text to Docker; what is no word of a hosts file would be a line of its own there. */
function isWritable(name: string): boolean {
  return name.length <= 253 && /^[A-Za-z0-9_][A-Za-z0-9_.-]*$/.test(name)
}

/** An address with what it is sorted by. */
function ordered(ip: Ip) {
  return { ip, ...parseIp(ip) }
}

function ascending(a: ReturnType<typeof ordered>, b: ReturnType<typeof ordered>): number {
  return a.family - b.family || compare(a.value, b.value)
}

function compare<T extends bigint | string>(a: T, b: T): number {
  return a < b ? -1 : a > b ? 1 : 0
}
