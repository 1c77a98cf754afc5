import { createRequire, syncBuiltinESMExports } from 'node:module'
import type { Random } from '../../scenarios/faults/random.ts'

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
