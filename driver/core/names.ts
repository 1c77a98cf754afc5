/**
 * The names on a network: the lines of hosts files and the answers of DNS, from one place.
 *
 * An endpoint has names when it has joined and its container is known; a service has them as soon as it is
 * published. Each name exists twice, as NAME and as NAME.NETWORK. The cost grows with the endpoints of one
 * network, and a change costs only its network. A name of several members lacks those that cannot answer,
 * while it has another member: those on hosts that are away, and a published service without a container.
 */
import { familyOf, parseIp } from './ip.ts'
import { type IndexKeys, lookUp } from './record-index.ts'
import type { Cidr, Endpoint, HostName, Ip, NetworkId, Service, Snapshot, Versioned } from './records.ts'
import {
  addressesOf,
  endpoint,
  endpointsOf,
  interfaceAddressesOf,
  keyIn,
  networkById,
  servicesOf,
} from './snapshot.ts'

/** One line of a hosts file. */
export interface NameRecord {
  ip: Ip
  name: string
  /**
   * Another network of the client answers for the name, and comes before; or the name is NAME.NETWORK of one
   * container, and the whole name of another one.
   */
  hidden?: true
}

/** The names of a network for DNS lookups: a lookup costs what it returns, not what the network has. */
export interface Zone {
  /** The network's name. Empty when the name cannot be a domain: then names exist without it. */
  domain: string
  pools: readonly Cidr[]
  /**
   * Addresses of NAME or NAME.NETWORK, in lower case (RFC 4343), ascending; `tasks.` may stand before it.
   * Empty when the name does not exist.
   */
  addressesOf(name: string): Ip[]
  /** NAME.NETWORK of the address, or NAME where the network's name cannot be a domain. */
  nameAt(ip: Ip): string | undefined
}

/**
 * Sorted by address. Per address: the container's name, its service, its hostname and its aliases, with
 * `shortIds` its short id, each followed by its NAME.NETWORK. Empty while the network has no name. Names of
 * one address that differ in case alone are one record. `away`: hosts that cannot be reached.
 */
export function recordsFor(
  snapshot: Snapshot,
  network: NetworkId,
  shortIds = false,
  away: ReadonlySet<HostName> = none,
): NameRecord[] {
  const domain = networkById(snapshot, network)?.value.name
  if (domain === undefined) return []
  const records = new Map<string, NameRecord>()
  const named = namedAddresses(snapshot, network, away)
  const wholeNames = namesWithDomain(named, domain)
  const answering = answeringNames(named)
  for (const { ip, names, short, isSilent } of named) {
    for (const name of oncePerCase(shortIds ? [...names, ...short] : names)) {
      if (!isWritable(name) || (isSilent && answering.has(name.toLowerCase()))) continue
      for (const full of [name, `${name}.${domain}`]) {
        const lower = full.toLowerCase()
        const key = `${ip} ${lower}`
        const isHidden = full !== name && wholeNames.has(lower)
        if (!isWritable(full) || (records.has(key) && (isHidden || !records.get(key)?.hidden))) continue
        records.set(key, { ip, name: full, ...(isHidden && { hidden: true }) })
      }
    }
  }
  return [...records.values()]
}

/**
 * Names that end like NAME.NETWORK, in lower case. Such a name is its members' alone, as in Docker, which
 * asks for the whole name first (moby's Sandbox.ResolveName).
 */
function namesWithDomain(named: readonly Named[], domain: string): Set<string> {
  const suffix = `.${domain.toLowerCase()}`
  const all = named.flatMap(({ names }) => names.map((name) => name.toLowerCase()))
  return new Set(all.filter((name) => name.endsWith(suffix)))
}

/**
 * The line of a name with capitals has its lower-case form, too. A line of that form besides would be the
 * address for a second time: glibc returns it twice.
 */
function oncePerCase(names: readonly string[]): Iterable<string> {
  const once = new Map<string, string>()
  for (const name of names) {
    const lower = name.toLowerCase()
    if ((once.get(lower) ?? lower) === lower) once.set(lower, name)
  }
  return once.values()
}

/**
 * One network's records as one client reads them. Programs take the first address of a name, so a name of
 * several addresses of one family has them in another order for each client: by a hash of client and address,
 * which keeps the order of the others when an address comes or goes. Lines of other names stay where they
 * are.
 */
export function recordsForClient(records: readonly NameRecord[], client: string): readonly NameRecord[] {
  const shared = linesOfSharedNames(records)
  if (shared.length === 0) return records
  const mixed = [...records]
  for (const at of shared) {
    const ordered = at
      .map((line) => records[line] as NameRecord)
      .map((record) => ({ record, rank: hashOf(`${client} ${record.ip}`) }))
      .sort((a, b) => a.rank - b.rank)
    at.forEach((line, turn) => {
      mixed[line] = ordered[turn]?.record as NameRecord
    })
  }
  return mixed
}

/** Once per list of records, which all clients on the network share. */
const sharedLines = new WeakMap<readonly NameRecord[], number[][]>()

/** The lines of each name that has several addresses of one family. The case does not count, as for clients. */
function linesOfSharedNames(records: readonly NameRecord[]): number[][] {
  const known = sharedLines.get(records)
  if (known !== undefined) return known
  const lines = new Map<string, number[]>()
  records.forEach(({ ip, name }, at) => {
    const key = `${familyOf(ip)} ${name.toLowerCase()}`
    const others = lines.get(key)
    if (others === undefined) lines.set(key, [at])
    else others.push(at)
  })
  const shared = [...lines.values()].filter((at) => at.length > 1)
  sharedLines.set(records, shared)
  return shared
}

/** One of a client's networks. */
export interface NamesOfNetwork {
  /** Its lines. */
  records: readonly NameRecord[]
  /** Whether it answers for a later network's line. */
  has(record: NameRecord): boolean
}

/**
 * The lines of each of a client's networks, which are given in the order of `compareNetworks`. A line is
 * hidden when an earlier network answers for it.
 */
export function recordsByNetwork(networks: readonly NamesOfNetwork[]): (readonly NameRecord[])[] {
  return networks.map(({ records }, at) => {
    const earlier = networks.slice(0, at)
    const isTaken = (it: NameRecord): boolean => earlier.some(({ has }) => has(it))
    return at === 0 ? records : records.map((it) => (isTaken(it) ? { ...it, hidden: true } : it))
  })
}

/** Once per list of records, which all clients on the network share. */
const namesOfRecords = new WeakMap<readonly NameRecord[], ReadonlySet<string>>()

/** Whether the records have the name of `record`, in any case and with an address of any family. */
export function haveName(records: readonly NameRecord[], { name }: NameRecord): boolean {
  const known = namesOfRecords.get(records) ?? new Set(records.map((it) => it.name.toLowerCase()))
  namesOfRecords.set(records, known)
  return known.has(name.toLowerCase())
}

/** Whether a record may have the name: one word, so that messages, tables and commands can contain it. */
export function isOneWord(name: string): boolean {
  return /^[^\s#\p{Cc}\p{Cs}]{1,255}$/u.test(name)
}

/** The name that Docker makes of a container's id. */
export function shortId(container: string): string {
  return container.slice(0, 12)
}

/** Undefined while the network does not exist or has no name. `away`: hosts that cannot be reached. */
export function zoneOf(
  snapshot: Snapshot,
  id: NetworkId,
  away: ReadonlySet<HostName> = none,
): Zone | undefined {
  const { name: network, v4, v6 } = networkById(snapshot, id)?.value ?? {}
  if (network === undefined || v4 === undefined) return undefined
  const domain = isDnsName(`hostmaster.${network}`) ? network : ''
  const suffix = `.${domain.toLowerCase()}`
  return {
    domain,
    pools: v6 === undefined ? [v4.cidr] : [v4.cidr, v6.cidr],
    addressesOf(name) {
      const short = domain !== '' && name.endsWith(suffix) ? [name.slice(0, -suffix.length)] : []
      const holders = (names: string[]) => names.flatMap((it) => namedIn(snapshot, byName, keyIn(id, it)))
      const forms = [[name], short, withoutTasks(name), short.flatMap(withoutTasks)]
      const called = firstOf(forms, holders)
      const answering = called.filter((it) => !isSilent(snapshot, it, away))
      const members = answering.length === 0 ? called : answering
      const ips = members.flatMap((it) => presentAddresses(snapshot, it))
      return [...new Set(ips)]
        .map(ordered)
        .sort(ascending)
        .map(({ ip }) => ip)
    },
    nameAt(ip) {
      const [first] = namedIn(snapshot, byAddress, keyIn(id, ip))
        .filter((it) => presentAddresses(snapshot, it).includes(ip))
        .map((it) => dnsNames(it))
        .filter((names) => names.length > 0)
        .sort((a, b) => compare(a.join(' '), b.join(' ')))
        .flat()
      if (first === undefined || domain === '') return first
      return isDnsName(first + suffix) ? `${first}.${domain}` : first
    },
  }
}

function firstOf(forms: readonly string[][], holders: (names: string[]) => Holder[]): Holder[] {
  for (const names of forms) {
    const found = holders(names)
    if (found.length > 0) return found
  }
  return []
}

/** The number of endpoints that a hosts file would have to list. */
export function namedEndpoints(snapshot: Snapshot, network: NetworkId): number {
  return lookUp(snapshot.endpoints, namedByNetwork, network).size
}

type Holder = Endpoint | Service

const none: ReadonlySet<HostName> = new Set()

const isNamed = ({ joined, container }: Endpoint): boolean => joined && container !== undefined
const namedByNetwork: IndexKeys<Versioned<Endpoint>> = (_, { value }) =>
  isNamed(value) ? [value.network] : []

/** Index keys of the two tables that have names. */
interface NameIndexKeys {
  endpoints: IndexKeys<Versioned<Endpoint>>
  services: IndexKeys<Versioned<Service>>
}

const nameKeys = (it: Holder): string[] => [
  ...new Set(dnsNames(it).map((name) => keyIn(it.network, name.toLowerCase()))),
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
  /** The container's short id. */
  short: string[]
  isSilent: boolean
}

function namedAddresses(snapshot: Snapshot, network: NetworkId, away: ReadonlySet<HostName>): Named[] {
  const endpoints = endpointsOf(snapshot, network).map(({ value }) => value)
  const services = servicesOf(snapshot, network).map(({ value }) => value)
  return [...endpoints.filter(isNamed), ...services]
    .flatMap((it) => {
      const more = { ...namesOf(it), isSilent: isSilent(snapshot, it, away) }
      return presentAddresses(snapshot, it).map((ip) => ({ ...ordered(ip), ...more }))
    })
    .sort((a, b) => ascending(a, b) || compare(a.names.join(' '), b.names.join(' ')))
}

/** Of a service: the endpoint behind it. Undefined while it has none. */
function endpointOf(snapshot: Snapshot, it: Holder): Endpoint | undefined {
  if ('mac' in it) return it
  return it.endpoint === undefined ? undefined : endpoint(snapshot, it.network, it.endpoint)?.value
}

/** No container answers on the address: its host is away, or it is a service's without a container. */
function isSilent(snapshot: Snapshot, it: Holder, away: ReadonlySet<HostName>): boolean {
  const host = endpointOf(snapshot, it)?.host
  return host === undefined || away.has(host)
}

/** The addresses that the names stand for: a service has the addresses of the interface behind it. */
function presentAddresses(snapshot: Snapshot, it: Holder): Ip[] {
  return interfaceAddressesOf({ v4: it.v4, v6: it.v6, withoutIpv6: endpointOf(snapshot, it)?.withoutIpv6 })
}

/** Names with a member that answers, in lower case. Empty when no member is silent. */
function answeringNames(named: readonly Named[]): Set<string> {
  const answering = named.filter((it) => !it.isSilent)
  if (answering.length === named.length) return new Set()
  return new Set(
    answering.flatMap(({ names, short }) => [...names, ...short].map((name) => name.toLowerCase())),
  )
}

/** What the engine's own DNS knows an endpoint by, and its service. Of a service: its name. */
function namesOf(it: Holder): Pick<Named, 'names' | 'short'> {
  if (!('mac' in it)) return { names: [it.name], short: [] }
  const { container, service, hostname, aliases } = it
  const names = [container?.name, service, hostname, ...[...aliases].sort()]
  return {
    names: [...new Set(names)].filter((name) => name !== undefined),
    short: container === undefined ? [] : [shortId(container.id)],
  }
}

/**
 * Swarm's word for all members of a name. The engine knows no `tasks.NAME`, so it asks us also when it has
 * members of NAME on this host.
 */
function withoutTasks(name: string): string[] {
  return name.startsWith('tasks.') ? [name.slice('tasks.'.length)] : []
}

function dnsNames(it: Holder): string[] {
  const { names, short } = namesOf(it)
  return [...names, ...short].filter((name) => isWritable(name) && isDnsName(name))
}

/**
 * Aliases, hostnames and networks' names are free text for Docker. A name that is not one word of ASCII would
 * be another name in a hosts file, or a line of its own. The machine's own names for itself stay its own.
 */
export function isWritable(name: string): boolean {
  return name.length <= 253 && /^[A-Za-z0-9_][A-Za-z0-9_.-]*$/.test(name) && !isOwnName(name)
}

function isOwnName(name: string): boolean {
  return /^localhost(\.localdomain)?$|^ip6-(localhost|loopback|localnet|mcastprefix|allnodes|allrouters)$/i.test(
    name,
  )
}

/** A name of labels of 1 to 63 bytes that a DNS message can contain (RFC 1035 §2.3.4). */
export function isDnsName(name: string): boolean {
  return name.length <= 253 && /^[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*$/.test(name)
}

/** FNV-1a, 32 bits, with murmur3's last mixing, so that texts that differ in one digit are far apart. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
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
