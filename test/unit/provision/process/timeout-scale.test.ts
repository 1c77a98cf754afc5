import { expect, test } from 'vitest'
import { timeoutScaleFrom } from '../../../../provision/process/timeout-scale.ts'

test('without a word, deadlines are what they are', () => {
  expect([timeoutScaleFrom(undefined), timeoutScaleFrom('')]).toEqual([1, 1])
})

test('a factor is taken as it is', () => {
  expect(timeoutScaleFrom('6')).toBe(6)
})

test.each(['0.5', '0', '-1', '11', '2.5', 'six', 'NaN'])('%s is refused with what is allowed', (value) => {
  expect(() => timeoutScaleFrom(value)).toThrow(`MULTIHOST_PATIENCE=${value}: a whole number from 1 to 10`)
})
