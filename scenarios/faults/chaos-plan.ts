/**
 * What happens in a run of chaos, drawn from a seed: an endless list of acts. Three lists run beside each
 * other: what happens to the store, to a host, and to containers that come and go.
 */
import { randomFrom } from './soak-plan.ts'

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
  const below = (bound: number) => Math.floor(random() * bound)
  for (;;) yield { act: acts[below(acts.length)] as Act, host: below(hosts), chance: random() }
}
