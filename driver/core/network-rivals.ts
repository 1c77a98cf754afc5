/**
 * Networks that cannot be beside each other: another network has their name, VNI or pool. Pure.
 *
 * Claims keep networks apart. A backup that is restored can bring back a network that was removed, beside the
 * one that has taken its place; so can keys that are edited by hand. The network that holds the claim stays.
 * The other one is made on no further host, since its frames would reach the first one's containers. It is
 * removed when no host has or needs it.
 */
import { overlappingPools } from './pools.ts'
import { claimHolder, claimsOf } from './record-changes.ts'
import type { Network, NetworkId, Snapshot } from './records.ts'
import { endpointsOf, hostOfKey, networkLabel, servicesOf, usesOfNetwork } from './snapshot.ts'

export interface Rival {
  network: Network
  /** What both have: `the VNI 300`. */
  shared: string
}

/** The rival of each network that must give way to one. Pools are compared once per change of a pool. */
export function networkRivals(snapshot: Snapshot): Map<NetworkId, Rival> {
  const rivals = new Map<NetworkId, Rival>()
  for (const [id, rival] of overlaps(snapshot)) rivals.set(id, rival)
  for (const { value } of snapshot.networks.values()) {
    const rival = claimant(snapshot, value)
    if (rival !== undefined) rivals.set(value.id, rival)
  }
  return rivals
}

/** `foo (12ab34cd56ef)`: two networks can have one name. */
export function networkWithId(network: Pick<Network, 'id' | 'name'>): string {
  return network.name === undefined ? networkLabel(network) : `${network.name} (${network.id.slice(0, 12)})`
}

/** The hosts that have the network in Docker or a container for it, and its services. Empty: nothing needs it. */
export function neededBy(snapshot: Snapshot, id: NetworkId): string[] {
  const hosts = [
    ...copiesOf(snapshot, id),
    ...endpointsOf(snapshot, id).map(({ value }) => value.host),
    ...usesOfNetwork(snapshot, id).keys(),
  ]
  return [
    ...[...new Set(hosts)].sort(),
    ...servicesOf(snapshot, id).map(({ value }) => `service ${value.name}`),
  ]
}

function copiesOf(snapshot: Snapshot, id: NetworkId): string[] {
  return [...snapshot.replicas].flatMap(([key, { value }]) => (value === id ? [hostOfKey(key)] : []))
}

/** The network that holds one of its claims. */
function claimant(snapshot: Snapshot, network: Network): Rival | undefined {
  for (const { table, key } of claimsOf(network)) {
    const holder = standing(snapshot, claimHolder(snapshot, table, key))
    if (holder !== undefined && holder.id !== network.id)
      return { network: holder, shared: words[table](key) }
  }
  return undefined
}

const words = {
  'network-names': (name: string) => `the name ${name}`,
  vnis: (vni: string) => `the VNI ${vni}`,
  pools: (cidr: string) => `the pool ${cidr}`,
}

/** Of two networks with overlapping pools, each gives way to one that a host has. */
function overlaps(snapshot: Snapshot): [NetworkId, Rival][] {
  return pairsOf(snapshot.pools).flatMap((pair) => {
    const [a, b] = pair.map((cidr) => standing(snapshot, claimHolder(snapshot, 'pools', cidr)))
    if (a === undefined || b === undefined || a.id === b.id) return []
    const shared = `overlapping pools, ${pair.join(' and ')}`
    const isMade = ({ id }: Network): boolean => copiesOf(snapshot, id).length > 0
    return [
      ...(isMade(b) ? [[a.id, { network: b, shared }] as [NetworkId, Rival]] : []),
      ...(isMade(a) ? [[b.id, { network: a, shared }] as [NetworkId, Rival]] : []),
    ]
  })
}

const knownPairs = new WeakMap<Snapshot['pools'], ReturnType<typeof overlappingPools>>()

function pairsOf(pools: Snapshot['pools']): ReturnType<typeof overlappingPools> {
  const pairs = knownPairs.get(pools) ?? overlappingPools([...pools.keys()])
  knownPairs.set(pools, pairs)
  return pairs
}

function standing(snapshot: Snapshot, id: NetworkId | undefined): Network | undefined {
  const network = id === undefined ? undefined : snapshot.networks.get(id)?.value
  return network?.removing ? undefined : network
}
