/**
 * Every single measurement of a run, with its figure, peer and unit.
 *
 * A flat list, as the JSON file has it; summaries are computed from the list and never replace it.
 */
import { median, type Summary, summarize } from '../../scenarios/report/statistics.ts'

/**
 * `bare`: the hosts without Docker's networks (for containers: `--network none`). `bridge`: the engine's own;
 * across hosts through a published port. `multihost`: this driver as it is by default; `macvlan`: with
 * `-o datapath=macvlan`.
 */
export const peers = ['bare', 'bridge', 'swarm', 'multihost', 'macvlan'] as const
export type Peer = (typeof peers)[number]
export const ours = ['multihost', 'macvlan'] as const satisfies readonly Peer[]
export type Ours = (typeof ours)[number]

export function isOurs(peer: Peer): peer is Ours {
  return ours.some((it) => it === peer)
}

export interface Sample {
  figure: string
  peer: Peer
  value: number
}

export interface Recorder {
  samples: Sample[]
  add(figure: string, peer: Peer, value: number): void
}

export function recorder(): Recorder {
  const samples: Sample[] = []
  return {
    samples,
    add: (figure, peer, value) => void samples.push({ figure, peer, value }),
  }
}

export function summaryOf(samples: readonly Sample[], figure: string, peer: Peer): Summary | undefined {
  const values = valuesOf(samples, figure, peer)
  return values.length === 0 ? undefined : summarize(values)
}

/** In the order of the rounds. */
function valuesOf(samples: readonly Sample[], figure: string, peer: Peer): number[] {
  return samples.filter((it) => it.figure === figure && it.peer === peer).map((it) => it.value)
}

/**
 * Ours by theirs, round by round, and the median of that: a minute in which the machine was busy with
 * something else weighs on both. Absent where one has no samples, or theirs are not above zero (losses).
 */
export function ratioOf(
  samples: readonly Sample[],
  figure: string,
  peer: Peer,
  our: Ours = 'multihost',
): number | undefined {
  const [own, theirs] = [valuesOf(samples, figure, our), valuesOf(samples, figure, peer)]
  const pairs = own.slice(0, theirs.length).map((value, round) => [value, theirs[round] ?? 0] as const)
  if (pairs.length === 0 || pairs.some(([, their]) => their <= 0)) return undefined
  return median(pairs.map(([our, their]) => our / their))
}

/**
 * Round-robin, so that other work of the machine slows all drivers alike; each round begins with another
 * driver.
 */
export async function rounds<T>(
  count: number,
  all: readonly T[],
  measure: (each: T, round: number) => Promise<void>,
): Promise<void> {
  for (let round = 0; round < count; round++) {
    for (let i = 0; i < all.length; i++) {
      const each = all[(round + i) % all.length]
      if (each !== undefined) await measure(each, round)
    }
  }
}
