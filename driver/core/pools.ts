/**
 * Which pool a network gets, when its creator named none or one.
 *
 * The list is walked in order and never written out (`10.0.0.0/8:24` stands for 65,536 pools), so the cost is
 * what has to be skipped. A pool that overlaps a claim or a route of this host is never offered, nor is one that
 * the caller says was refused: dockerd asks again, for the same network, until a pool suits it.
 */
import {
  type Block,
  bitsOf,
  blocksOverlap,
  canonicalCidr,
  formatCidr,
  isCidr,
  parseCidr,
  usable,
} from './addresses.ts'
import { DriverError } from './errors.ts'
import type { Cidr } from './records.ts'

/** A block, or `block:length` for all blocks of that length in it. */
export type PoolSource = string

/** 172.21.0.0/16 … 172.31.0.0/16: those that Docker's own bridges take last, and the ones that people knew in 2015. */
export const defaultPools: readonly PoolSource[] = [
  ...Array.from({ length: 11 }, (_, i) => `172.${21 + i}.0.0/16`),
]

export interface PoolQuestion {
  sources?: readonly PoolSource[]
  /** Pools of all networks. */
  claimed: Iterable<Cidr>
  /** What this host routes already. */
  routed?: Iterable<Cidr>
  /** Offered before and not taken. */
  refused?: Iterable<Cidr>
}

/** The first pool of the list that nothing holds. Throws `exhausted`. */
export function choosePool(question: PoolQuestion): Cidr {
  const sources = (question.sources ?? defaultPools).map(parseSource)
  const held = [question.claimed, question.routed ?? [], question.refused ?? []]
    .flatMap((cidrs) => [...cidrs])
    .map(parseCidr)
  for (const source of sources) {
    const free = firstFree(source, held)
    if (free !== undefined) return formatCidr(free)
  }
  throw noPool(sources, question)
}

/** The pool that was asked for, in its canonical form. Throws `invalid`, or `taken` naming what it overlaps. */
export function checkPool(asked: string, claimed: Iterable<Cidr>): Cidr {
  const block = parseCidr(asked)
  const { first, last } = usable(block)
  if (first === last) throw new DriverError('invalid', `${asked} has room for the gateway alone`)
  for (const other of claimed) {
    if (blocksOverlap(block, parseCidr(other))) throw poolTaken(formatCidr(block), other)
  }
  return formatCidr(block)
}

/** `--ip-range` in its canonical form. Throws `invalid` when it is not inside the pool. */
export function checkRange(asked: string, pool: Cidr): Cidr {
  const [range, whole] = [parseCidr(asked), parseCidr(pool)]
  const inside = range.family === whole.family && range.first >= whole.first && range.last <= whole.last
  if (!inside) throw new DriverError('invalid', `--ip-range ${asked} is not inside the subnet ${pool}`)
  return canonicalCidr(asked)
}

/** Throws `invalid` for what is neither a block nor `block:length`; for checking options at start. */
export function checkSource(text: PoolSource): PoolSource {
  parseSource(text)
  return text
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

/** Jumps behind whatever is in the way, so that one large claim costs one step. */
function firstFree({ within, length }: Source, held: readonly Block[]): Block | undefined {
  const size = 1n << BigInt(bitsOf(within.family) - length)
  let first = within.first
  while (first <= within.last) {
    const block: Block = { family: within.family, first, last: first + size - 1n, length }
    const obstacle = held.find((other) => blocksOverlap(block, other))
    if (obstacle === undefined) return block
    first += size * ((obstacle.last - first) / size + 1n)
  }
  return undefined
}

function noPool(
  sources: readonly Source[],
  { claimed, routed = [], refused = [] }: PoolQuestion,
): DriverError {
  const total = sources.reduce((sum, s) => sum + (1n << BigInt(s.length - s.within.length)), 0n)
  const count = (cidrs: Iterable<Cidr>): number => [...cidrs].length
  const list = sources.length < 3 ? sources.map((s) => s.text).join(', ') : spanOf(sources)
  return new DriverError(
    'exhausted',
    `no free pool: all ${total} of ${list} overlap one of ${count(claimed)} networks' pools, ` +
      `${count(routed)} routes of this host or ${count(refused)} pools that the engine refused`,
    { hint: 'name one with --subnet, remove a network, or give the driver a longer list of pools' },
  )
}

function spanOf(sources: readonly Source[]): string {
  return `${sources[0]?.text} … ${sources.at(-1)?.text}`
}

function poolTaken(asked: Cidr, other: Cidr): DriverError {
  return new DriverError('taken', `the subnet ${asked} overlaps ${other}, which another network has`, {
    hint: 'choose another --subnet, or leave it out and one is chosen',
  })
}

function badSource(text: string): DriverError {
  return new DriverError('invalid', `'${text}' is not a list of pools`, {
    hint: 'write a pool like 172.21.0.0/16, or 10.0.0.0/8:24 for all the /24s in it',
  })
}
