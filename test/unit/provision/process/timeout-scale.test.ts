import { expect, test } from 'vitest'
import { patienceFrom } from '../../../../provision/process/timeout-scale.ts'

test('without a word, deadlines are what they are', () => {
  expect([patienceFrom(undefined), patienceFrom('')]).toEqual([1, 1])
})

test('a factor is taken as it is', () => {
  expect(patienceFrom('6')).toBe(6)
})

test.each(['0.5', '0', '-1', '11', '2.5', 'six', 'NaN'])('%s is refused with what is allowed', (value) => {
  expect(() => patienceFrom(value)).toThrow(`MULTIHOST_PATIENCE=${value}: a whole number from 1 to 10`)
})
