import { expect, test } from 'vitest'
import { median, percentile, summarize } from '../../../../scenarios/report/statistics.ts'

test('the median is the middle sample, or the mean of the two in the middle', () => {
  expect(median([9, 1, 5])).toBe(5)
  expect(median([9, 1, 5, 7])).toBe(6)
  expect(median([4])).toBe(4)
})

test('samples are ordered as numbers and left as they were', () => {
  const samples = [100, 20, 3]
  expect(median(samples)).toBe(20)
  expect(samples).toEqual([100, 20, 3])
})

test('a percentile is a sample that was measured: the nearest rank', () => {
  const hundred = Array.from({ length: 100 }, (_, i) => i + 1)
  expect([0, 1, 50, 90, 99, 100].map((percent) => percentile(hundred, percent))).toEqual([
    1, 1, 50, 90, 99, 100,
  ])
  expect(percentile([7, 8], 99)).toBe(8)
})

test('of no samples there is no median and no percentile', () => {
  expect(median([])).toBeNaN()
  expect(percentile([], 50)).toBeNaN()
})

test('a summary has the spread beside the median', () => {
  expect(summarize([3, 1, 2])).toEqual({ count: 3, min: 1, median: 2, max: 3, p90: 3, p99: 3 })
})
