/**
 * What the hosts of the cluster route already, so that no network gets it.
 *
 * A container has an interface on its overlay network and one on docker_gwbridge, and may have others on the engine's
 * bridges: with two of one subnet it does not start. A bridge exists on one host alone, and a network on all. So each
 * host publishes its routes in its record. The driver chooses no pool that overlaps a route of any host. A `--subnet` is
 * refused when it overlaps the subnet of a host's interface, or contains another route of a host; inside a larger
 * route (10.0.0.0/8 through a VPN) it is the person's choice.
 */
import { type Block, blocksOverlap, formatCidr, overlaps, parseCidr } from './addresses.ts'
import type { Cidr, HostName, HostRoutes, Network, Snapshot } from './records.ts'

/** A route of the main table, not the default one. */
export interface Route {
  to: Cidr
  /** The subnet of an interface's own address. */
  connected: boolean
}

/** Enough for a host's bridges; a router of a large site has more. */
const mostPublished = 100
/** RFC 4291 §2.5.6, §2.7: the same on each link. */
const ofEachLink: readonly Cidr[] = ['fe80::/10', 'ff00::/8']

/** What a host publishes: sorted, without single addresses, and without what a larger block of the list contains. */
export function publishedRoutes(routes: readonly Route[]): HostRoutes {
  const of = (connected: boolean): Cidr[] => {
    const blocks = routes
      .filter((it) => it.connected === connected && isPublished(it.to))
      .map(({ to }) => parseCidr(to))
    return outermost(blocks).slice(0, mostPublished).map(formatCidr)
  }
  return { connected: of(true), other: of(false) }
}

/** All blocks that a host of the cluster routes, this host's present ones included. */
export function routedInCluster(snapshot: Snapshot, own: readonly Route[]): Cidr[] {
  const published = [...snapshot.hosts.values()].flatMap(({ value: { routes } }) => [
    ...(routes?.connected ?? []),
    ...(routes?.other ?? []),
  ])
  return [...new Set([...own.map(({ to }) => to), ...published])]
}

/** The route of the host that does not go together with the pool. */
export function clashingRoute(pool: Cidr, routes: HostRoutes): Cidr | undefined {
  return clashFinder(routes)(pool)
}

/** Parses the routes once, for many pools. */
function clashFinder({ connected, other }: HostRoutes): (pool: Cidr) => Cidr | undefined {
  const subnets = connected.map(parseCidr)
  const rest = other.map(parseCidr)
  return (pool) => {
    const block = parseCidr(pool)
    const found =
      subnets.find((it) => blocksOverlap(it, block)) ??
      rest.find((it) => it.length >= block.length && blocksOverlap(it, block))
    return found && formatCidr(found)
  }
}

/** The first host with a clashing route, this host's present routes first. */
export function routeClash(
  snapshot: Snapshot,
  pool: Cidr,
  own: { host: HostName; routes: readonly Route[] },
): { host: HostName; route: Cidr } | undefined {
  const others = [...snapshot.hosts].filter(([name]) => name !== own.host)
  const all: [HostName, HostRoutes | undefined][] = [
    [own.host, publishedRoutes(own.routes)],
    ...others.map(([name, { value }]): [HostName, HostRoutes | undefined] => [name, value.routes]),
  ]
  for (const [host, routes] of all) {
    const route = routes && clashingRoute(pool, routes)
    if (route !== undefined) return { host, route }
  }
  return undefined
}

export interface PoolClash {
  network: Network
  pool: Cidr
  route: Cidr
}

/** The networks whose pool a host with these routes has otherwise. */
export function clashingNetworks(snapshot: Snapshot, routes: HostRoutes | undefined): PoolClash[] {
  if (routes === undefined) return []
  const routeOf = clashFinder(routes)
  return [...snapshot.networks.values()].flatMap(({ value: network }) =>
    [network.v4, network.v6].flatMap((pool): PoolClash[] => {
      const route = pool && routeOf(pool.cidr)
      return pool === undefined || route === undefined ? [] : [{ network, pool: pool.cidr, route }]
    }),
  )
}

export const clashHint =
  'containers with an interface in both do not start; remove one of the two networks, or create it again with another --subnet'

function isPublished(to: Cidr): boolean {
  const { first, last } = parseCidr(to)
  return first !== last && !ofEachLink.some((it) => overlaps(it, to))
}

function outermost(blocks: readonly Block[]): Block[] {
  const sorted = [...blocks].sort(
    (a, b) => a.family - b.family || a.length - b.length || (a.first < b.first ? -1 : 1),
  )
  const kept: Block[] = []
  for (const block of sorted) if (!kept.some((it) => blocksOverlap(it, block))) kept.push(block)
  return kept.sort((a, b) => a.family - b.family || (a.first < b.first ? -1 : 1))
}
