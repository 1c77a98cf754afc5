/**
 * What a list of samples comes down to: the median with its spread, and percentiles.
 */
export interface Summary {
  count: number
  min: number
  median: number
  max: number
  p90: number
  p99: number
}

export function summarize(samples: readonly number[]): Summary {
  return {
    count: samples.length,
    min: percentile(samples, 0),
    median: median(samples),
    max: percentile(samples, 100),
    p90: percentile(samples, 90),
    p99: percentile(samples, 99),
  }
}

/** The middle one; of an even number, the mean of the two in the middle. NaN of none. */
export function median(samples: readonly number[]): number {
  const sorted = ascending(samples)
  const middle = sorted.length / 2
  const [below, above] = [sorted[Math.ceil(middle) - 1], sorted[Math.floor(middle)]]
  return ((below ?? Number.NaN) + (above ?? Number.NaN)) / 2
}

/** Nearest rank: the smallest sample that `percent` of all are not above, so always one that was measured. */
export function percentile(samples: readonly number[], percent: number): number {
  const rank = Math.max(1, Math.ceil((percent / 100) * samples.length))
  return ascending(samples)[rank - 1] ?? Number.NaN
}

function ascending(samples: readonly number[]): number[] {
  return [...samples].sort((a, b) => a - b)
}
