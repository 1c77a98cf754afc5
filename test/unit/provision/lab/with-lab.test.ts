import { expect, test } from 'vitest'
import type { Backend } from '../../../../provision/backends/backend.ts'
import type { LabChoice } from '../../../../provision/cli/arguments.ts'
import { withLab } from '../../../../provision/lab/with-lab.ts'
import { explain, LabError } from '../../../../provision/process/errors.ts'

/** A lab without hosts; what its backend is asked for is in `calls`. */
function choice(calls: string[], abandon: () => Promise<void> = async () => undefined): LabChoice {
  const backend: Partial<Backend> = {
    lab: { network: '10.1.0.0/24', hosts: [], source: 'a test' },
    fresh: true,
    prepare: () => [],
    complete: (stays) => void calls.push(`complete ${stays}`),
    down: async () => false,
    async abandon() {
      calls.push('abandon')
      await abandon()
    },
  }
  return { lab: 'main', flags: '', backend: backend as Backend } as LabChoice
}

const busy = () => Promise.reject(new Error('cgroup multihost-lab/main is busy'))

test('what failed on a lab is told, also when the lab cannot be taken down', async () => {
  const calls: string[] = []
  const hint = 'make room'
  const lost = withLab(choice(calls, busy), { keep: true }, () =>
    Promise.reject(new LabError('net-1 was lost', { hint })),
  )
  const told = await lost.catch(explain)
  expect(told).toBe('net-1 was lost\n\nand then, cleaning up: cgroup multihost-lab/main is busy\n  make room')
  expect(calls).toEqual(['complete false', 'abandon'])
})

test('a lab is taken down after the work, and stays where it is to be kept', async () => {
  const [down, kept]: [string[], string[]] = [[], []]
  expect(await withLab(choice(down), { keep: false }, async () => 'done')).toBe('done')
  expect(down).toEqual(['complete false', 'abandon'])
  expect(await withLab(choice(kept), { keep: true }, async () => 'done')).toBe('done')
  expect(kept).toEqual(['complete false', 'complete true'])
})
