/**
 * What happens in a run of chaos, drawn from a seed: an endless list of acts. Three lists run beside each
 * other: what happens to the store, to a host, and to containers that come and go.
 */
import { randomFrom } from './random.ts'

export interface Drawn<Act extends string> {
  act: Act
  /** Index of a host. */
  host: number
  /** From 0 to below 1, for what else an act has to choose. */
  chance: number
}

/** The same seed gives the same acts. */
export function* chaosPlan<Act extends string>(
  seed: number,
  acts: readonly Act[],
  hosts: number,
): Generator<Drawn<Act>, never> {
  const random = randomFrom(seed)
  for (;;) yield { act: random.pick(acts), host: random.below(hosts), chance: random.next() }
}
