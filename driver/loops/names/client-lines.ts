/**
 * The lines that a container's hosts file has of us: those of each of its networks, hidden where an earlier
 * network answers for the name, and the aliases of its links.
 *
 * The names of a network that is left to DNS are looked up one by one, so that a change of such a network
 * does not cost as much as it is large.
 */
import {
  type Link,
  type LinkedNetwork,
  linkedRecords,
  linksOn,
  namesWithoutTarget,
} from '../../core/links.ts'
import {
  haveName,
  isDnsName,
  type NameRecord,
  type NamesOfNetwork,
  namedEndpoints,
  recordsByNetwork,
  recordsForClient,
} from '../../core/names.ts'
import type { Ip, NetworkId } from '../../core/records.ts'
import { networkById } from '../../core/snapshot.ts'
import type { Store } from '../../store/store.ts'
import type { ClientNetworks, OtherNames } from './client-networks.ts'
import type { NameRecords } from './network-lines.ts'

export interface ClientLinesOptions {
  store: Pick<Store, 'snapshot'>
  records: Pick<NameRecords, 'of' | 'zone'>
  networks: Pick<ClientNetworks, 'inOrder'>
  /** Named endpoints of a network, above which its names are DNS's alone. */
  hostsFileLimit: number
  /** Whether containers get answers from our DNS. */
  dnsAnswers(): boolean
}

export interface Client {
  container: string
  /** The cluster's networks that the container is on. */
  networks: readonly NetworkId[]
  /** Of its `--link`. */
  links: readonly Link[]
  /** Whether its questions go to our DNS. */
  asksUs: boolean
  /** Whether they go to the engine's DNS, which knows the names on networks of other drivers. */
  asksEngine: boolean
}

type Links = Omit<LinkedNetwork, 'records'>
type KnownNetwork = ({ id: NetworkId } & Links) | OtherNames

export function linesOfClient(options: ClientLinesOptions, client: Client): readonly NameRecord[] {
  const ordered = options.networks
    .inOrder(client.container, client.networks)
    .map((it): KnownNetwork => ('id' in it ? { ...it, ...linksOfClient(options, client, it.id) } : it))
  const engines = (has: (name: string) => boolean): NamesOfNetwork => ({
    records: [],
    has: ({ name }) => client.asksEngine && has(name.toLowerCase()),
  })
  const aliases = ordered.flatMap((it) => ('aliases' in it ? [...it.aliases] : []))
  const first = aliases.length === 0 ? [] : [engines((name) => aliases.includes(name))]
  const all = recordsByNetwork([
    ...first,
    ...ordered.map((it) =>
      'id' in it
        ? { records: linesOn(options, client, it.id), has: hasName(options, client, it) }
        : engines((name) => it.names.has(name)),
    ),
  ])
  const lines = all.slice(first.length)
  if (client.links.length === 0) return lines.flat()
  return linkedRecords(ordered.flatMap((it, at) => ('id' in it ? { ...it, records: lines[at] ?? [] } : [])))
}

function linksOfClient(
  { store, records }: ClientLinesOptions,
  { container, links }: Client,
  network: NetworkId,
): Links {
  return {
    domain: networkById(store.snapshot(), network)?.value.name ?? '',
    addressesOf: (target) => addressesFor(container, addressesOf(records, network, target)),
    links: linksOn(store.snapshot(), network, links),
  }
}

function linesOn(
  options: ClientLinesOptions,
  { container, asksUs }: Client,
  network: NetworkId,
): readonly NameRecord[] {
  const { records, store } = options
  if (asksUs && isDnsOnly(options, network)) return []
  // The containers of an internal network reach no resolver.
  const asksDns = asksUs && networkById(store.snapshot(), network)?.value.internal !== true
  return recordsForClient(records.of(network, !asksDns), container)
}

/** Whether the network answers for a later network's line. */
function hasName(
  options: ClientLinesOptions,
  { asksUs }: Client,
  { id, ...links }: { id: NetworkId } & Links,
): (record: NameRecord) => boolean {
  const { records } = options
  const without = namesWithoutTarget(links)
  const isOut = ({ name }: NameRecord): boolean => without.size > 0 && without.has(name.toLowerCase())
  if (asksUs && isDnsOnly(options, id)) {
    const zone = records.zone(id)
    return (it) => !isOut(it) && (zone?.addressesOf(it.name.toLowerCase()) ?? []).length > 0
  }
  return (it) => !isOut(it) && haveName(records.of(id, true), it)
}

/** `name` in lower case. */
function addressesOf(records: ClientLinesOptions['records'], network: NetworkId, name: string): Ip[] {
  if (isDnsName(name)) return records.zone(network)?.addressesOf(name) ?? []
  // Zones lack it.
  const lines = records.of(network, true).filter((it) => it.name.toLowerCase() === name)
  return lines.map(({ ip }) => ip)
}

/** In the order of `recordsForClient`. */
function addressesFor(client: string, ips: readonly Ip[]): Ip[] {
  const records = ips.map((ip) => ({ ip, name: '' }))
  return recordsForClient(records, client).map(({ ip }) => ip)
}

export function isDnsOnly(
  { store, dnsAnswers, hostsFileLimit }: Pick<ClientLinesOptions, 'store' | 'dnsAnswers' | 'hostsFileLimit'>,
  network: NetworkId,
): boolean {
  const known = networkById(store.snapshot(), network)?.value
  // The containers of an internal network reach no resolver.
  if (known === undefined || known.internal || !dnsAnswers()) return false
  return namedEndpoints(store.snapshot(), network) > hostsFileLimit
}
