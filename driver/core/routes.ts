/**
 * What the hosts of the cluster route and ask already, so that no network gets it.
 *
 * A container has an interface on its overlay network and one on docker_gwbridge, and may have others on the
 * engine's bridges: with two of one subnet it does not start. A bridge exists on one host alone, and a
 * network on all. So each host publishes its routes in its record. The driver chooses no pool that overlaps a
 * route of any host. A `--subnet` is refused when it overlaps the subnet of a host's interface, or contains
 * another route of a host; inside a larger route (10.0.0.0/8 through a VPN) it is the person's choice.
 *
 * A host's name servers and its VTEP may be behind its default route alone, as in a cloud that gives each
 * host one address of /32. On a network that contains them the containers would look for them among
 * themselves. So they count like routes to single addresses.
 */
import { type Block, bitsOf, blocksOverlap, contains, familyOf, formatCidr, parseCidr } from './ip.ts'
import type { Cidr, HostName, HostRecord, HostRoutes, Ip, Network, Snapshot } from './records.ts'

/** A route of the main table, not the default one. */
export interface Route {
  to: Cidr
  /** The subnet of an interface's own address. */
  connected: boolean
  /** Another route without a gateway, as of WireGuard. */
  onLink?: true
}

/** What of a host a pool is compared with. */
export type HostUse = Partial<Pick<HostRecord, 'routes' | 'resolvers' | 'vtep'>>

/** What of a host does not go together with a pool: a route, or an address inside of the pool. */
export type Clash = { route: Cidr } | { address: Ip; role: 'a name server' | 'the VTEP' }

/** What a pool is compared with, for pools of one length. */
export interface RoutesByWidth {
  /** Clash with each pool that overlaps them. */
  clashing: Block[]
  /** Wider than the pool. */
  wide: Block[]
}

/** Enough for a host's bridges; a router of a large site has more. */
const mostPublished = 100
/** RFC 4291 §2.5.6, §2.7: the same on each link. */
const ofEachLink = ['fe80::/10', 'ff00::/8'].map(parseCidr)
/** RFC 1122 §3.2.1.3, RFC 3927, RFC 4291 §2.5.3, §2.5.6: another machine on each host or link. */
const ofOneHostOrLink = ['127.0.0.0/8', '169.254.0.0/16', '::1/128', 'fe80::/10']

/**
 * What a host publishes: sorted, without single addresses and default routes. A route inside of another one
 * is published too, because a pool may be chosen inside the outer one. The outermost are the last that the
 * limit drops.
 */
export function publishedRoutes(routes: readonly Route[]): HostRoutes {
  const known = publishedBefore.get(routes)
  if (known !== undefined) return known
  const connected: Block[] = []
  const others: Block[] = []
  for (const route of routes) {
    const block = parseCidr(route.to)
    if (!isPublished(block)) continue
    if (route.connected) connected.push(block)
    else if (!isDefault(block)) others.push(block)
  }
  const { outer, inner } = nested(others)
  const published = { connected: publish(nested(connected).outer), other: publish([...outer, ...inner]) }
  publishedBefore.set(routes, published)
  return published
}

/** The kernel's routes are the same list until they change. */
const publishedBefore = new WeakMap<readonly Route[], HostRoutes>()

function publish(blocks: readonly Block[]): Cidr[] {
  const texts = new Set(blocks.slice(0, mostPublished).sort(inOrder).map(formatCidr))
  return [...texts]
}

/** What a host publishes of the name servers in its files. */
export function publishedResolvers(servers: readonly Ip[]): Ip[] {
  return servers.filter((ip) => !ofOneHostOrLink.some((block) => contains(block, ip)))
}

/**
 * What the hosts of the cluster route, this host's present routes included, and the single addresses that
 * they need.
 */
export function routedInCluster(snapshot: Snapshot, own: readonly Route[]): HostRoutes {
  const ownOf = (connected: boolean): Cidr[] =>
    own.filter((it) => it.connected === connected).map(({ to }) => to)
  const records = [...snapshot.hosts.values()].map(({ value }) => value)
  const addresses = records.flatMap(addressesOf).map(({ address }) => blockOf(address))
  return {
    connected: [...new Set([...ownOf(true), ...records.flatMap(({ routes }) => routes?.connected ?? [])])],
    other: [
      ...new Set([...ownOf(false), ...records.flatMap(({ routes }) => routes?.other ?? []), ...addresses]),
    ],
  }
}

function addressesOf({ vtep, resolvers = [] }: HostUse): Extract<Clash, { address: Ip }>[] {
  const servers = resolvers.map((address) => ({ address, role: 'a name server' as const }))
  return vtep === undefined ? servers : [...servers, { address: vtep, role: 'the VTEP' }]
}

function blockOf(ip: Ip): Cidr {
  return `${ip}/${bitsOf(familyOf(ip))}`
}

/** The blocks from which a host's engine may give a bridge its subnet later. */
export function enginePoolsIn(snapshot: Snapshot): Cidr[] {
  return [...new Set([...snapshot.hosts.values()].flatMap(({ value }) => value.enginePools ?? []))]
}

/**
 * The blocks in which this host's engine accepts no pool that the driver chooses: it asks for another one,
 * until none is left. Before 23.0 it compares pools with all routes, the halves of a default route included;
 * before 27.0, with those without a gateway (moby/moby#42598). Since then it compares none of ours, because
 * the driver has one address space (moby's libnetwork/ipams/remote). A `--subnet` is never compared.
 */
export function refusedByEngine(own: readonly Route[], engineVersion: string | undefined): Cidr[] {
  const major = Number.parseInt(engineVersion ?? '', 10)
  const isCompared = ({ onLink }: Route): boolean => major < 23 || (major < 27 && onLink === true)
  return own.filter((it) => !it.connected && isCompared(it)).map(({ to }) => to)
}

/** Parses the routes once, for pools of several lengths. Default routes do not count. */
export function routesByWidth({ connected, other }: HostRoutes): (poolLength: number) => RoutesByWidth {
  const subnets = connected.map(parseCidr)
  const rest = other.map(parseCidr).filter((it) => !isDefault(it))
  return (poolLength) => ({
    clashing: [...subnets, ...rest.filter((it) => it.length >= poolLength)],
    wide: rest.filter((it) => it.length < poolLength),
  })
}

/** The first thing of the host that does not go together with the pool. */
export function clashWith(pool: Cidr, use: HostUse): Clash | undefined {
  return clashFinder(use)(pool)
}

/** Parses the routes once, for many pools. */
function clashFinder(use: HostUse): (pool: Cidr) => Clash | undefined {
  const byWidth = routesByWidth(use.routes ?? { connected: [], other: [] })
  const addresses = addressesOf(use)
  return (pool) => {
    const block = parseCidr(pool)
    const found = byWidth(block.length).clashing.find((it) => blocksOverlap(it, block))
    if (found !== undefined) return { route: formatCidr(found) }
    return addresses.find(({ address }) => contains(pool, address))
  }
}

/** The first host that the pool clashes with, this host and its present routes first. */
export function routeClash(
  snapshot: Snapshot,
  pool: Cidr,
  own: { host: HostName; routes: readonly Route[] },
): { host: HostName; clash: Clash } | undefined {
  const others = [...snapshot.hosts].filter(([name]) => name !== own.host)
  const all: [HostName, HostUse][] = [
    [own.host, { ...snapshot.hosts.get(own.host)?.value, routes: publishedRoutes(own.routes) }],
    ...others.map(([name, { value }]): [HostName, HostUse] => [name, value]),
  ]
  for (const [host, use] of all) {
    const clash = clashWith(pool, use)
    if (clash !== undefined) return { host, clash }
  }
  return undefined
}

export interface PoolClash {
  network: Network
  pool: Cidr
  clash: Clash
}

/** The networks whose pool does not go together with the host. */
export function clashingNetworks(snapshot: Snapshot, use: HostUse): PoolClash[] {
  const clashOf = clashFinder(use)
  return [...snapshot.networks.values()].flatMap(({ value: network }) =>
    [network.v4, network.v6].flatMap((pool): PoolClash[] => {
      const clash = pool && clashOf(pool.cidr)
      return pool === undefined || clash === undefined ? [] : [{ network, pool: pool.cidr, clash }]
    }),
  )
}

export function clashHint(clash: Clash): string {
  return 'route' in clash
    ? 'containers with an interface in both do not start; remove one of the two networks, or create it again with another --subnet'
    : "the network's containers do not reach that address; create the network again with another --subnet"
}

function isPublished(block: Block): boolean {
  return block.first !== block.last && !ofEachLink.some((it) => blocksOverlap(it, block))
}

/** A VPN writes 0.0.0.0/1 and 128.0.0.0/1, so that the host's own default route stays in the table. */
function isDefault({ length }: Block): boolean {
  return length <= 1
}

/** The first blocks that no other one contains, and the first of those that one does; as many as are published. */
function nested(blocks: Block[]): { outer: Block[]; inner: Block[] } {
  const outer: Block[] = []
  const inner: Block[] = []
  for (const block of blocks.sort(inOrder)) {
    const last = outer.at(-1)
    const into = last === undefined || !blocksOverlap(last, block) ? outer : inner
    if (into.length < mostPublished) into.push(block)
    else if (into === outer) break
  }
  return { outer, inner }
}

/** By address, and a block before those inside of it. */
function inOrder(a: Block, b: Block): number {
  if (a.family !== b.family) return a.family - b.family
  if (a.first !== b.first) return a.first < b.first ? -1 : 1
  return a.length - b.length
}
