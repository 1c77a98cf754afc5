/**
 * Every single measurement of a run: which figure, of which peer, in which unit.
 *
 * A flat list, since that is what the JSON file holds; summaries are made from it and never kept instead of it.
 */
import { type Summary, summarize } from './statistics.ts'

/** `bare`: the hosts without Docker's networks (for containers: `--network none`). `bridge`: the engine's own. */
export const peers = ['bare', 'bridge', 'swarm', 'multihost'] as const
export type Peer = (typeof peers)[number]

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
  const values = samples.filter((it) => it.figure === figure && it.peer === peer).map((it) => it.value)
  return values.length === 0 ? undefined : summarize(values)
}

/**
 * Round-robin, so that whatever else the machine does meanwhile meets all alike; each round begins with another one.
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
