import { createRequire, syncBuiltinESMExports } from 'node:module'

/** Random choices that a seed repeats. */
export interface Random {
  /** From 0 to below 1. */
  next(): number
  /** A whole number from 0 to below `limit`. */
  below(limit: number): number
  chance(probability: number): boolean
  /** Throws where the list is empty. */
  pick<T>(list: readonly T[]): T
}

/** mulberry32: 32 bits of state, good enough to choose steps. */
export function randomFrom(seed: number): Random {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const below = (limit: number): number => Math.floor(next() * limit)
  return {
    next,
    below,
    chance: (probability) => next() < probability,
    pick(list) {
      const index = below(list.length)
      if (!(index in list)) throw new Error('an empty list has nothing to pick')
      return list[index] as (typeof list)[number]
    },
  }
}

/** Everything random in this process is `random`'s: ids, words, pauses. */
export function installRandom(random: Random): void {
  const bytes = (count: number): Buffer => Buffer.from(Array.from({ length: count }, () => random.below(256)))
  Math.random = random.next
  Object.assign(createRequire(import.meta.url)('node:crypto'), {
    randomBytes: bytes,
    randomUUID: () => bytes(16).toString('hex'),
    randomInt: (limit: number) => random.below(limit),
  })
  syncBuiltinESMExports()
}
