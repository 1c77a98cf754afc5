/**
 * `.ci/run`, the gate: the linter, the tests and all scenarios, and the walkthrough once more with a secured
 * Consul. Every part runs, also after a failure. The last lines say what the hosts of failed scenarios have
 * logged, name the tests that failed and count all; the exit code is 0 when none failed. ACCEPTANCE=1 adds
 * the lab on virtual machines, which takes long where the machines are emulated.
 */
import { existsSync, readFileSync, rmSync, statfsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { execa } from 'execa'
import { type Counts, countsOf, failuresOf, sum } from './checks/junit.ts'
import { loggedIn } from './checks/logged.ts'
import { root } from './checks/tree.ts'

type Part = { command: string[]; report?: string; env?: Record<string, string> }

const env = labDisks()
const parts: Part[] = [
  { command: ['run', 'check'] },
  { command: ['test'], report: 'report/test.xml' },
  { command: ['run', 'scenarios', '--', '--all'], report: 'report/junit.xml', env },
  {
    env,
    command: ['run', 'scenarios', '--', '--secure', '--lab', 'secure', '4-a-look', 'faults/security'],
    report: 'report/secure/junit.xml',
  },
  ...(process.env.ACCEPTANCE === '1'
    ? [{ command: ['run', 'acceptance'], report: 'report/acceptance.xml' }]
    : []),
]

// The same soak and the same chaos each time: a red gate is repeated by the same commands.
process.env.SOAK_SEED ??= '1'
process.env.CHAOS_SEED ??= '1'

const results: Result[] = []
for (const part of parts) results.push(await run(part))
const { passed, failed, skipped } = sum(results)
for (const line of results.flatMap(({ logged }) => logged)) console.log(`logged: ${line}`)
for (const failure of results.flatMap(({ failures }) => failures)) console.log(`failed: ${failure}`)
console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`)
process.exitCode = failed === 0 && passed > 0 ? 0 : 1

type Result = Counts & { failures: string[]; logged: string[] }

/**
 * The hosts' disks are in memory where there is enough. Consul and Docker wait for the disk at each change,
 * and a disk that stalls for seconds, as that of a shared machine may, is no fault of what is tested.
 */
function labDisks(): Record<string, string> {
  if (process.env.MULTIHOST_LAB_DISKS !== undefined || !existsSync('/dev/shm')) return {}
  const { bavail, bsize } = statfsSync('/dev/shm')
  return bavail * bsize < 8 * 2 ** 30 ? {} : { MULTIHOST_LAB_DISKS: '/dev/shm/multihost-lab' }
}

/** A signal that ends this process ends the command, too. */
async function run({ command, report, env }: Part): Promise<Result> {
  const file = report && `${root}${report}`
  if (file) rmSync(file, { force: true }) // a report of an earlier run would be counted
  const start = performance.now()
  const { exitCode } = await execa('npm', command, {
    ...{ cwd: root, stdio: 'inherit', reject: false },
    ...(env && { env }),
  })
  const minutes = ((performance.now() - start) / 60_000).toFixed(1)
  const line = `npm ${command.join(' ')}: ${minutes} min, exit code ${exitCode}`
  console.log(line)
  const xml = file && existsSync(file) ? readFileSync(file, 'utf8') : ''
  const [found, failures] = [countsOf(xml), failuresOf(xml)]
  const logged = file && failures.length > 0 ? loggedIn(join(dirname(file), 'evidence')) : []
  // a part that fails without a failed test counts as one: the linter, or a command that wrote no report
  const isUncounted = found.failed === 0 && (exitCode !== 0 || (file !== undefined && xml === ''))
  return isUncounted ? { ...found, failed: 1, failures: [line], logged } : { ...found, failures, logged }
}
