import { expect, test } from 'vitest'
import { checkWithinMs } from '../../../../driver/cli/check.ts'

test.each([
  ['5', false, 35_000],
  ['60', false, 90_000],
  ['60', true, 150_000],
  ['0.5', true, 31_000],
  // The driver refuses it.
  ['soon', false, 30_000],
])('check --within=%s (repair: %s) has its answer within %i ms', (within, repair, ms) => {
  expect(checkWithinMs(within, repair)).toBe(ms)
})
