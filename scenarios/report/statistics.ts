/**
 * Statistics of samples: the median, percentiles and a summary of both.
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

/** The middle sample; of an even number of samples, the mean of the two in the middle. NaN without samples. */
export function median(samples: readonly number[]): number {
  const sorted = ascending(samples)
  const middle = sorted.length / 2
  const below = sorted[Math.ceil(middle) - 1] ?? Number.NaN
  const above = sorted[Math.floor(middle)] ?? Number.NaN
  return (below + above) / 2
}

/** Nearest rank: the smallest sample that at least `percent` of the samples do not exceed. NaN without samples. */
export function percentile(samples: readonly number[], percent: number): number {
  const rank = Math.max(1, Math.ceil((percent / 100) * samples.length))
  return ascending(samples)[rank - 1] ?? Number.NaN
}

function ascending(samples: readonly number[]): number[] {
  return [...samples].sort((a, b) => a - b)
}
