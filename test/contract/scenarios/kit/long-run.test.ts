import { expect, test } from 'vitest'
import { longRun } from '../../../../scenarios/kit/long-run.ts'
import { hostHere } from '../../../fixtures/host-here.ts'

test('a long run resolves with both outputs when the line has ended, also one that fails', async () => {
  const line = "echo 'one word'; sleep 0.3; echo two >&2; false"
  expect(await longRun(hostHere(), line, 5000)).toBe('one word\ntwo')
})
