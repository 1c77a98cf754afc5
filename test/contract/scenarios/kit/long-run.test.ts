import { execa } from 'execa'
import { expect, test } from 'vitest'
import type { Connection } from '../../../../provision/ssh/connection.ts'
import { labHost } from '../../../../scenarios/kit/host.ts'
import { longRun } from '../../../../scenarios/kit/long-run.ts'

/** Commands run here. */
const exec: Connection['exec'] = async (command) => {
  const { stdout, stderr, exitCode = 255 } = await execa('bash', ['-c', command], { reject: false })
  return { stdout, stderr, code: exitCode }
}
const host = labHost(
  'net-1',
  '192.168.33.11',
  async () => ({ exec }) as Connection,
  () => undefined,
)

test('a long run resolves with both outputs when the line has ended, also one that fails', async () => {
  expect(await longRun(host, "echo 'one word'; sleep 0.3; echo two >&2; false", 5000)).toBe('one word\ntwo')
})
