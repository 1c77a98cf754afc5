/**
 * Whether a figure grows over a run, told from all its samples: the median of the slopes between every two of them
 * (Theil–Sen), which no single peak moves.
 */
export interface Trend {
  median: number
  /** From the first to the last sample, along the slope. */
  growth: number
}

export function trendOf(samples: readonly number[]): Trend {
  const slopes = samples.flatMap((from, i) => samples.slice(i + 1).map((to, d) => (to - from) / (d + 1)))
  return { median: median(samples), growth: median(slopes) * Math.max(0, samples.length - 1) }
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length / 2
  const pair = [sorted[Math.ceil(middle) - 1], sorted[Math.floor(middle)]]
  return ((pair[0] ?? 0) + (pair[1] ?? 0)) / 2
}
