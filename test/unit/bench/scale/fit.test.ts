import { expect, test } from 'vitest'
import { exponent } from '../../../bench/scale/fit.ts'

const of = (f: (x: number) => number): number =>
  Number(exponent([2, 10, 50, 100].map((x) => ({ x, y: f(x) }))).toFixed(3))

test('what does not grow has exponent 0, what is proportional 1, what is quadratic 2', () => {
  expect([of(() => 7), of((x) => 3 * x), of((x) => x * x), of((x) => 100 / x)]).toEqual([0, 1, 2, -1])
})

test('a constant part makes it less', () => {
  expect(of((x) => 100 + x)).toBeCloseTo(0.15, 1)
})
