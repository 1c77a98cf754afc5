/**
 * `npm run scenarios`: the main job. Makes a lab of its own, replays the scenarios on it, writes the report,
 * takes the lab down.
 *
 * This process is vitest's parent, since vitest runs no teardown when it is interrupted: whatever becomes of
 * vitest, the lab goes. Exit codes: 0 all hold; 1 an assertion failed; 2 the lab could not be made or was lost.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { resolve } from 'node:path'
import { chooseLab, type LabChoice, labOptions, parse } from '../provision/cli/arguments.ts'
import { timingTable } from '../provision/cli/progress.ts'
import { hosts } from '../provision/lab/hosts.ts'
import { withLab } from '../provision/lab/with-lab.ts'
import { LabError } from '../provision/process/errors.ts'
import { exitWith } from '../provision/process/exit.ts'
import { checkInterrupted } from '../provision/process/interruption.ts'
import { catchSignals } from '../provision/process/signals.ts'
import { connected } from './kit/connected.ts'
import { told } from './record/events.ts'
import { defaultLab, emptyReportFolder, folderOf, root } from './record/folder.ts'
import { comparison } from './report/comparison.ts'
import { type RoundFacts, reportedRound } from './report/round.ts'
import { roundsTold } from './report/rounds.ts'
import { checkPage, lastSection, selected } from './selection.ts'
import { type Driver, environmentFor, vxlan, vxlanWith } from './subjects/driver.ts'
import { type OtherDriver, otherDriver } from './subjects/other-driver.ts'
import { PageFailure } from './walkthrough/page/replay.ts'

const usage = `usage: npm run scenarios -- [FILTER…] [--all] [--keep] [--engine 20.10|26|28] [--engine HOST=…] [--repeat N]
                            [--lab NAME | --backend vagrant | --backend ssh --inventory FILE] [--secure]
                            [--driver swarm|PATH[:NAME]] [--datapath bridge|macvlan] [--update] [--page FILE] [--timings]

  Without a FILTER: docs/walkthrough.md, replayed.
  FILTER     only scenario files whose path contains it; of the walkthrough also those before it
  --all      the walkthrough, and everything else: conformance, overlay, faults
  --update   take the outputs that docs/walkthrough.md shows from this run
  --page     another page than docs/walkthrough.md, a copy of it
  --keep     leave the lab up afterwards
  --timings  how long each part of making the lab took
  --repeat   the whole job N times, each on a fresh lab, and how long each wait took; goes on after a round that
             failed, but with --keep ends there
  --driver   only what any driver promises, on ours and then on Swarm's overlay or on your own plugin
  --datapath all networks of that kind (docs/datapath.md), as -o datapath= makes them
  --backend  on machines that Vagrant made or an inventory names (docs/vms.md, docs/lab.md)
  --secure   Consul with ACLs and TLS (docs/security.md)
  --lab      name of the lab; two with different names can be up at once, and each has its report, in report/NAME`

const options = {
  ...labOptions,
  all: { type: 'boolean' },
  driver: { type: 'string' },
  datapath: { type: 'string' },
  page: { type: 'string' },
  update: { type: 'boolean' },
  keep: { type: 'boolean' },
  repeat: { type: 'string' },
  timings: { type: 'boolean' },
  help: { type: 'boolean' },
} as const

let vitest: ChildProcess | undefined

async function main(args: string[]): Promise<number> {
  const { values, positionals } = parse(args, options)
  if (values.help) {
    console.log(usage)
    return 0
  }
  const times = count(values.repeat)
  const other = values.driver === undefined ? undefined : otherDriver(values.driver)
  const ours = values.datapath === undefined ? vxlan : vxlanWith(values.datapath)
  if (values.page !== undefined) process.env.MULTIHOST_PAGE = resolve(values.page)
  if (values.update) process.env.MULTIHOST_UPDATE = '1'
  const wish = { filters: positionals, all: values.all ?? false, folder: other ? 'conformance/' : undefined }
  const files = selected(wish)
  const [keep, timings] = [values.keep ?? false, values.timings ?? false]
  if (keep) process.env.MULTIHOST_KEEP = '1'
  process.env.MULTIHOST_LAST_SECTION = lastSection(files) ?? ''
  const choose = () => chooseLab(values, defaultLab)
  const { lab, backend } = await choose()
  checkPage()
  process.env.MULTIHOST_REPORT = folderOf(lab)
  emptyReportFolder()
  return repeated(times, keep, async (round) => {
    const facts = { round, rounds: times, lab, backend: backend.name, filters: positionals }
    return once({ choice: await choose(), facts, files, ours, other, keep, timings })
  })
}

/** Goes on after a round that failed, so that it can be told how often it does; with `keep` its lab stays instead. */
async function repeated(times: number, keep: boolean, job: (round: number) => Promise<number>) {
  if (times === 1) return job(1)
  let worst = 0
  try {
    for (let round = 1; round <= times && !(keep && worst > 0); round++) {
      console.log(`\nround ${round} of ${times}`)
      worst = Math.max(worst, await job(round))
    }
  } finally {
    console.log(`\n${roundsTold(told(), times)}`)
  }
  return worst
}

interface Job {
  choice: LabChoice
  facts: RoundFacts
  files: string[]
  ours: Driver
  other: OtherDriver | undefined
  keep: boolean
  timings: boolean
}

function once({ choice, facts, files, ours, other, keep, timings: withTimings }: Job): Promise<number> {
  return reportedRound(facts, (round) =>
    withLab(choice, { keep }, async ({ timings }) => {
      if (withTimings) console.log(timingTable(timings))
      round.raised(timings)
      const replayed = other ? compare(choice, files, ours, other) : replay(choice, files, ours)
      const code = await replayed.finally(round.replayed)
      checkInterrupted()
      const states = await choice.backend.states()
      const lost = hosts.map((host) => host.name).filter((name) => states.get(name) !== 'running')
      if (lost.length > 0) throw new LabError(`the lab was lost while the scenarios ran: ${lost.join(', ')}`)
      return code === 0 ? 0 : 1
    }),
  )
}

/** Ours runs, too: a check that fails on both is not the other's fault. */
async function compare(
  choice: LabChoice,
  files: string[],
  ours: Driver,
  other: OtherDriver,
): Promise<number> {
  await using net1 = await connected(choice.backend, 'net-1')
  await using net2 = await connected(choice.backend, 'net-2')
  const driver = await other.install([net1, net2])
  const known = await replay(choice, files, ours)
  checkInterrupted()
  await other.enter([net1, net2])
  const theirs = await replay(choice, files, driver)
  console.log(`\n${comparison(told())}`)
  return other.mustPass ? Math.max(known, theirs) : known
}

/** Runs vitest in a process group of its own, so that a signal reaches it when this process says so. */
function replay({ environment }: LabChoice, files: string[], driver: Driver): Promise<number> {
  const reporters = ['--reporter=default', `--reporter=${root}scenarios/record/reporter.ts`]
  const args = [
    `${root}node_modules/vitest/vitest.mjs`,
    'run',
    '--project',
    'scenarios',
    ...reporters,
    ...files,
  ]
  return new Promise((resolve, reject) => {
    vitest = spawn(process.execPath, args, {
      cwd: root,
      detached: true,
      stdio: ['ignore', 'inherit', 'inherit'],
      env: { ...process.env, ...environment, ...environmentFor(driver) },
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

function count(value: string | undefined): number {
  if (value === undefined) return 1
  if (/^[1-9]\d{0,3}$/.test(value)) return Number(value)
  throw new LabError(`--repeat ${value}: a whole number from 1 to 9999`)
}

const interrupted = catchSignals(endVitest)
exitWith(main(process.argv.slice(2)), {
  interrupted,
  codeOf: (error) => (error instanceof PageFailure ? 1 : 2),
})
