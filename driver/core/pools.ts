/**
 * Which pool a new network gets: the requested one (`--subnet`), or the first free one of a list.
 *
 * The list is walked in order and never expanded (`10.0.0.0/8:24` stands for 65,536 pools), so the cost is
 * the number of blocks in use. A pool that overlaps a claim, or clashes with a route of a host or an address
 * that it needs, is not offered. A pool that dockerd refused is not offered either: dockerd repeats
 * RequestPool for the same network until a pool suits it. Of the others, those inside of a wide route, or of
 * a block of an engine's bridges, come last.
 */

import { DriverError } from './errors.ts'
import {
  type Block,
  bitsOf,
  blocksOverlap,
  canonicalCidr,
  formatCidr,
  isCidr,
  overlaps,
  parseCidr,
  usable,
  within,
} from './ip.ts'
import type { Cidr, HostRoutes } from './records.ts'
import { routesByWidth } from './routes.ts'

/** A block, or `block:length` for all blocks of that length in it. */
export type PoolSource = string

/**
 * 768 networks of 253 addresses, away from the blocks of the engine's own bridges (172.17.0.0/16 …
 * 172.31.0.0/16, 192.168.0.0/16; moby's daemon/libnetwork/ipamutils) and of Swarm (10.0.0.0/8). 198.18.0.0/15
 * is for measurements between networks, and no host of the Internet has an address in it (RFC 2544, RFC
 * 6890).
 */
export const defaultPools: readonly PoolSource[] = ['172.16.0.0/16:24', '198.18.0.0/15:24']

/** Of the engine's bridges, where a person chose none. */
const engineBlocks = [
  '172.17.0.0/16',
  '172.18.0.0/15',
  '172.20.0.0/14',
  '172.24.0.0/13',
  '192.168.0.0/16',
] as const satisfies Cidr[]

/** The engine's next bridge may get the subnet of a network: one of `claimed` is in its blocks. */
export function mayMeetEngines(claimed: Iterable<Cidr>, ofEngine: readonly Cidr[] = engineBlocks): boolean {
  return [...claimed].some((pool) => ofEngine.some((block) => overlaps(pool, block)))
}

const noRoutes: HostRoutes = { connected: [], other: [] }

export interface PoolQuestion {
  sources?: readonly PoolSource[]
  /** Pools of all networks. */
  claimed: readonly Cidr[]
  /** Destinations that the hosts of the cluster route, and single addresses that they need. */
  routed?: HostRoutes
  /** Blocks of the engines' bridges. One of the pools in them is the last choice, as one inside of a wide route. */
  ofEngines?: readonly Cidr[]
  /** What dockerd refuses. */
  refused?: readonly Cidr[]
  /** Pools that were offered a moment ago, or that rest: one of them is better than one inside of a wide route. */
  avoided?: readonly Cidr[]
}

/**
 * Which pools are spared while another one is free: one inside of a wide route or of an engine's block is the
 * last choice.
 */
const preferences = [
  { wide: true, resting: true },
  { wide: true, resting: false },
  { wide: false, resting: true },
  { wide: false, resting: false },
]

/** The first free pool of the list. Throws `exhausted`. */
export function choosePool(question: PoolQuestion): Cidr {
  const {
    sources: texts = defaultPools,
    claimed,
    routed = noRoutes,
    ofEngines = [],
    refused = [],
    avoided = [],
  } = question
  const sources = texts.map(parseSource)
  const byWidth = routesByWidth(routed)
  const taken = [...claimed, ...refused].map(parseCidr)
  const resting = avoided.map(parseCidr)
  const bridges = ofEngines.map(parseCidr)
  for (const spares of preferences) {
    for (const source of sources) {
      const { clashing, wide } = byWidth(source.length)
      const inUse = [
        ...taken,
        ...clashing,
        ...(spares.wide ? [...wide, ...bridges] : []),
        ...(spares.resting ? resting : []),
      ]
      const free = firstFree(source, inUse)
      if (free !== undefined) return formatCidr(free)
    }
  }
  const clashing = new Set(
    sources.flatMap(({ length, within }) =>
      byWidth(length).clashing.filter((it) => blocksOverlap(it, within)),
    ),
  )
  throw noPool(sources, { claimed: claimed.length, routed: clashing.size, refused: refused.length })
}

/**
 * Blocks with addresses that no interface of a container can have, or that lead elsewhere. Source: IANA's
 * registries of special-purpose addresses (RFC 6890), RFC 5771, RFC 4291.
 */
const special: readonly (readonly [Cidr, string])[] = [
  ['0.0.0.0/8', '"this network"'],
  ['127.0.0.0/8', 'loopback'],
  ['169.254.0.0/16', 'link-local addresses'],
  ['224.0.0.0/4', 'multicast'],
  ['255.255.255.255/32', 'broadcast'],
  // The kernel's tools print these as ::10.0.0.1, which is another text than RFC 5952's.
  ['::/96', 'loopback and IPv4-compatible addresses'],
  ['::ffff:0:0/96', 'IPv4-mapped addresses'],
  ['fe80::/10', 'link-local addresses'],
  ['ff00::/8', 'multicast'],
]

/** The requested pool in canonical form, host bits cleared. Throws `invalid`. */
export function checkPool(asked: string): Cidr {
  const block = parseCidr(asked)
  const clash = specialIn(block)
  if (clash !== undefined) {
    throw new DriverError('invalid', `the subnet ${asked} overlaps ${clash}`, {
      hint: 'choose another --subnet, or omit --subnet to get a free one',
    })
  }
  const { first, last } = usable(block)
  if (first !== last) return formatCidr(block)
  throw new DriverError('invalid', `the subnet ${asked} has room for the gateway only`, {
    hint: 'choose a larger --subnet',
  })
}

/** Pairs of pools: one that lies in no other, and one inside of it. Blocks are nested or apart. */
export function overlappingPools(pools: readonly Cidr[]): [outer: Cidr, inner: Cidr][] {
  const sorted = pools.map((cidr) => ({ cidr, ...parseCidr(cidr) })).sort(byPlace)
  const found: [Cidr, Cidr][] = []
  let outer: Cidr | undefined
  for (const { cidr } of sorted) {
    if (outer === undefined || !overlaps(outer, cidr)) outer = cidr
    else found.push([outer, cidr])
  }
  return found
}

function byPlace(a: Block, b: Block): number {
  if (a.family !== b.family) return a.family - b.family
  return a.first < b.first ? -1 : a.first > b.first ? 1 : a.length - b.length
}

/** As words, the special block that it overlaps. */
function specialIn(block: Block): string | undefined {
  const found = special.find(([cidr]) => blocksOverlap(block, parseCidr(cidr)))
  return found && `${found[0]}, which is for ${found[1]}`
}

/** `--ip-range` in canonical form. Throws `invalid` when it is not inside the pool. */
export function checkRange(asked: string, pool: Cidr): Cidr {
  if (!within(asked, pool))
    throw new DriverError('invalid', `--ip-range ${asked} is not inside the subnet ${pool}`)
  return canonicalCidr(asked)
}

/** Throws `invalid` unless the text is a usable IPv4 block or `block:length`. For the driver's options at start. */
export function checkSource(text: PoolSource): PoolSource {
  const { within } = parseSource(text)
  const clash = specialIn(within)
  if (clash !== undefined) throw new DriverError('invalid', `the address pool ${text} overlaps ${clash}`)
  if (within.family === 4) return text
  throw new DriverError('invalid', `the address pool ${text} is IPv6, and a subnet that is chosen is IPv4`, {
    hint: 'write IPv4 blocks, like 10.0.0.0/8:24; a network gets its IPv6 subnet by --ipv6 --subnet',
  })
}

interface Source {
  text: string
  within: Block
  length: number
}

function parseSource(text: PoolSource): Source {
  const [, cidr = '', digits] = /^(.*\/\d+)(?::(\d{1,3}))?$/.exec(text) ?? []
  if (!isCidr(cidr)) throw badSource(text)
  const block = parseCidr(cidr)
  const length = digits === undefined ? block.length : Number(digits)
  if (length < block.length || length > bitsOf(block.family) - 2) throw badSource(text)
  return { text, within: block, length }
}

/** Continues behind each overlapping block, in ascending order, so that one large block costs one step. */
function firstFree({ within, length }: Source, inUse: readonly Block[]): Block | undefined {
  const size = 1n << BigInt(bitsOf(within.family) - length)
  const obstacles = inUse
    .filter((other) => blocksOverlap(within, other))
    .sort((a, b) => (a.first < b.first ? -1 : 1))
  let { first } = within
  for (const obstacle of obstacles) {
    if (obstacle.first >= first + size) break
    if (obstacle.last >= first) first += size * ((obstacle.last - first) / size + 1n)
  }
  if (first > within.last) return undefined
  return { family: within.family, first, last: first + size - 1n, length }
}

function noPool(
  sources: readonly Source[],
  { claimed, routed, refused }: { claimed: number; routed: number; refused: number },
): DriverError {
  const total = sources.reduce((sum, s) => sum + (1n << BigInt(s.length - s.within.length)), 0n)
  const list = sources.length < 5 ? sources.map((s) => s.text).join(', ') : spanOf(sources)
  return new DriverError(
    'exhausted',
    `no free pool: each of the ${total} pools in ${list} overlaps a block in use ` +
      `(${claimed} of networks, ${routed} routed or needed by hosts, ${refused} refused by Docker)`,
    {
      hint: 'choose a subnet with --subnet, remove a network, or give the driver more pools (--address-pools)',
    },
  )
}

function spanOf(sources: readonly Source[]): string {
  return `${sources[0]?.text} … ${sources.at(-1)?.text}`
}

function badSource(text: string): DriverError {
  return new DriverError('invalid', `'${text}' is not a pool`, {
    hint: 'write a block, like 172.21.0.0/16, or 10.0.0.0/8:24 for all /24 blocks in 10.0.0.0/8',
  })
}
