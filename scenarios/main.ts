/**
 * `npm run scenarios`: the main job. Makes a lab of its own, replays the scenarios on it, writes the report,
 * takes the lab down.
 *
 * This process is vitest's parent, since vitest runs no teardown when it is interrupted: whatever becomes of
 * vitest, the lab goes. Exit codes: 0 all hold; 1 an assertion failed; 2 the lab could not be made or was lost.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, readdirSync, rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { chooseLab, type LabChoice, labOptions, parse } from '../provision/arguments.ts'
import { explain, LabError, unknown } from '../provision/errors.ts'
import { hosts } from '../provision/hosts.ts'
import { catchSignals } from '../provision/interruption.ts'
import { checkInterrupted } from '../provision/nspawn/run.ts'
import { timingTable } from '../provision/progress.ts'
import { withLab } from '../provision/with-lab.ts'

const usage = `usage: npm run scenarios -- [FILTER…] [--keep] [--engine 20.10|26|28] [--engine HOST=…] [--repeat N] [--lab NAME]

  FILTER     only scenario files whose path contains it
  --keep     leave the lab up afterwards
  --repeat   the whole job N times, each on a fresh lab
  --lab      name of the lab; two with different names can be up at once`

const options = {
  ...labOptions,
  keep: { type: 'boolean' },
  repeat: { type: 'string' },
  timings: { type: 'boolean' },
  help: { type: 'boolean' },
} as const

const root = fileURLToPath(new URL('..', import.meta.url))
let vitest: ChildProcess | undefined

async function main(args: string[]): Promise<number> {
  const { values, positionals } = parse(args, options)
  if (values.help) {
    console.log(usage)
    return 0
  }
  const times = count(values.repeat)
  for (const filter of positionals) checkFilter(filter)
  for (let round = 1; round <= times; round++) {
    if (times > 1) console.log(`\nround ${round} of ${times}`)
    const code = await once(
      await chooseLab(values, 'scenarios'),
      positionals,
      values.keep ?? false,
      values.timings ?? false,
    )
    if (code !== 0) return code
  }
  return 0
}

async function once(
  choice: LabChoice,
  filters: string[],
  keep: boolean,
  withTimings: boolean,
): Promise<number> {
  return withLab(choice, { keep }, async ({ timings }) => {
    if (withTimings) console.log(timingTable(timings))
    const code = await replay(choice, filters)
    checkInterrupted()
    const states = await choice.backend.states()
    const lost = hosts.map((host) => host.name).filter((name) => states.get(name) !== 'running')
    if (lost.length > 0) throw new LabError(`the lab was lost while the scenarios ran: ${lost.join(', ')}`)
    return code === 0 ? 0 : 1
  })
}

/** Runs vitest in a process group of its own, so that a signal reaches it when this process says so. */
function replay({ environment }: LabChoice, filters: string[]): Promise<number> {
  const report = `${root}report/junit.xml`
  rmSync(report, { force: true })
  rmSync(`${root}report/events.jsonl`, { force: true })
  rmSync(`${root}report/evidence`, { recursive: true, force: true })
  mkdirSync(`${root}report`, { recursive: true })
  const reporters = ['--reporter=default', '--reporter=junit', `--outputFile.junit=${report}`]
  const args = [
    `${root}node_modules/vitest/vitest.mjs`,
    'run',
    '--project',
    'scenarios',
    ...reporters,
    ...filters,
  ]
  return new Promise((resolve, reject) => {
    vitest = spawn(process.execPath, args, {
      cwd: root,
      detached: true,
      stdio: ['ignore', 'inherit', 'inherit'],
      env: { ...process.env, ...environment },
    })
    vitest.once('error', reject)
    vitest.once('exit', (code) => resolve(code ?? 1))
  })
}

function endVitest(): void {
  if (vitest?.pid === undefined || vitest.exitCode !== null) return
  try {
    process.kill(-vitest.pid, 'SIGKILL') // nothing of it is worth waiting for: the lab is taken down here
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

/** Before a lab is made for nothing. vitest takes the files whose path contains the filter. */
function checkFilter(filter: string): void {
  const names = readdirSync(`${root}scenarios`, { recursive: true, encoding: 'utf8' })
  const files = names.filter((name) => name.endsWith('.scenario.ts'))
  if (files.some((name) => `${root}scenarios/${name}`.includes(filter.replace(/^\.\//, '')))) return
  throw unknown(
    'scenario',
    filter,
    files.map((name) => name.replace('.scenario.ts', '')),
  )
}

function count(value: string | undefined): number {
  if (value === undefined) return 1
  if (/^[1-9]\d{0,3}$/.test(value)) return Number(value)
  throw new LabError(`--repeat ${value}: a whole number from 1 to 9999`)
}

const interrupted = catchSignals(endVitest)
main(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = interrupted() ?? code
  },
  (error) => {
    const code = interrupted()
    console.error(explain(error))
    process.exitCode = code ?? 2
  },
)
