/**
 * The growth of a figure over a run: the median of the slopes between every two samples (Theil–Sen). A single
 * peak does not change it.
 */
import { median } from '../report/statistics.ts'

export interface Trend {
  median: number
  /** From the first sample to the last, along the median slope. */
  growth: number
}

export function trendOf(samples: readonly number[]): Trend {
  const slopes = samples.flatMap((from, i) => samples.slice(i + 1).map((to, d) => (to - from) / (d + 1)))
  return {
    median: median(samples),
    growth: (slopes.length === 0 ? 0 : median(slopes)) * Math.max(0, samples.length - 1),
  }
}
