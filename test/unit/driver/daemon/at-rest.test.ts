/** What whole drivers do while nothing happens (test/histories/at-rest.ts). */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { beforeAll, expect, test } from 'vitest'

const program = fileURLToPath(new URL('../../../histories/at-rest.ts', import.meta.url))

let minute: {
  hosts: number
  questions: Record<string, number>
  timers: Record<string, number>
  violations: string[]
}
beforeAll(() => {
  const run = spawnSync(process.execPath, ['--import', 'tsx', program], { encoding: 'utf8' })
  expect(run.stderr).toBe('')
  minute = JSON.parse(run.stdout)
}, 60_000)

test('no timer but that of the tunnels is shorter than 10 s', () => {
  expect(minute.timers).toEqual({ '1000 ms': 60 * minute.hosts })
  expect(minute.violations).toEqual([])
})

/** Each look of a loop is one to three questions. A question to the kernel starts a process. */
test.each([
  ['docker', 50],
  ['kernel', 20],
  ['consul', 80],
])('a host asks %s at most %i times in a minute', (who, most) => {
  const asked = Object.entries(minute.questions).filter(([question]) => question.startsWith(`${who} `))
  const times = asked.reduce((sum, [, count]) => sum + count, 0) / minute.hosts
  expect(times, JSON.stringify(asked)).toBeLessThanOrEqual(most)
  expect(times).toBeGreaterThan(0)
})
