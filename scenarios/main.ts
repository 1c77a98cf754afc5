/**
 * `npm run scenarios`: the main job. Brings up a lab, replays the scenarios on it, writes the report, takes the lab
 * down.
 *
 * vitest runs as a child process, because vitest runs no teardown when it is interrupted. This process takes the lab
 * down in every case. Exit codes: 0 all scenarios hold; 1 a scenario failed; 2 the lab did not come up or was lost.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { resolve } from 'node:path'
import { chooseLab, type LabChoice, labOptions, parse } from '../provision/cli/arguments.ts'
import { timingTable } from '../provision/cli/progress.ts'
import { hostsOfRole, namesOf } from '../provision/lab/definition.ts'
import { withLab } from '../provision/lab/with-lab.ts'
import { LabError } from '../provision/process/errors.ts'
import { exitWith } from '../provision/process/exit.ts'
import { checkInterrupted } from '../provision/process/interruption.ts'
import { catchSignals } from '../provision/process/signals.ts'
import { connected } from './kit/connected.ts'
import { environmentFor, type Subject } from './kit/subject.ts'
import { recordedEvents } from './record/events.ts'
import { defaultLab, emptyReportFolder, folderOf, root } from './record/folder.ts'
import { comparison } from './report/comparison.ts'
import { type RoundFacts, reportedRound } from './report/round.ts'
import { roundsSummary } from './report/rounds.ts'
import { checkPage, lastSection, selected } from './selection.ts'
import { type OtherSubject, otherSubject } from './subjects/other.ts'
import { ours } from './subjects/ours.ts'
import { PageFailure } from './walkthrough/page/replay.ts'

const usage = `usage: npm run scenarios -- [FILTER…] [--all] [--keep] [--engine 20.10|26|28] [--engine HOST=…] [--repeat N]
                            [--lab NAME | --backend vagrant | --backend ssh --inventory FILE] [--secure]
                            [--driver swarm|PATH[:NAME]] [--datapath bridge|macvlan] [--update] [--page FILE] [--timings]

  Without a FILTER: replays docs/walkthrough.md.
  FILTER     only scenario files whose path contains FILTER; a file of the walkthrough brings those before it
  --all      the walkthrough and all other scenarios: conformance, overlay, faults
  --update   write the outputs of this run into docs/walkthrough.md
  --page     replay FILE, a copy of docs/walkthrough.md
  --keep     leave the lab up afterwards
  --timings  show how long each part of bringing up the lab took
  --repeat   run the whole job N times, each on a new lab, and show how long each wait took; goes on after a round
             that failed, but with --keep stops there
  --driver   only the conformance scenarios, on our driver and then on Swarm's overlay or your own plugin
  --datapath create all networks with -o datapath=KIND (docs/datapath.md)
  --backend  run on machines that Vagrant made or that an inventory names (docs/vms.md, docs/lab.md)
  --secure   Consul with ACLs and TLS (docs/security.md)
  --lab      name of the lab; two labs with different names can be up at once, each with its report in report/NAME`

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
  const other = values.driver === undefined ? undefined : otherSubject(values.driver)
  const own = ours(values.datapath)
  if (values.page !== undefined) process.env.MULTIHOST_PAGE = resolve(values.page)
  if (values.update) process.env.MULTIHOST_UPDATE = '1'
  const folder = other ? 'conformance/' : undefined
  const files = selected({ filters: positionals, all: values.all ?? false, folder })
  const { keep = false, timings = false } = values
  if (keep) process.env.MULTIHOST_KEEP = '1'
  process.env.MULTIHOST_LAST_SECTION = lastSection(files) ?? ''
  const choose = () => chooseLab(values, defaultLab)
  const { lab, backend } = await choose()
  checkPage()
  process.env.MULTIHOST_REPORT = folderOf(lab)
  emptyReportFolder()
  return repeated(times, keep, async (round) => {
    const facts = { round, rounds: times, lab, backend: backend.name, filters: positionals }
    return once({ choice: await choose(), facts, files, own, other, keep, timings })
  })
}

/** Goes on after a round that failed, to count the failures. With `keep` it stops there, and the lab stays. */
async function repeated(times: number, keep: boolean, job: (round: number) => Promise<number>) {
  if (times === 1) return job(1)
  let worst = 0
  try {
    for (let round = 1; round <= times && !(keep && worst > 0); round++) {
      console.log(`\nround ${round} of ${times}`)
      worst = Math.max(worst, await job(round))
    }
  } finally {
    console.log(`\n${roundsSummary(recordedEvents(), times)}`)
  }
  return worst
}

interface Job {
  choice: LabChoice
  facts: RoundFacts
  files: string[]
  own: Subject
  other: OtherSubject | undefined
  keep: boolean
  timings: boolean
}

function once(job: Job): Promise<number> {
  const { choice, files, own, other, keep } = job
  return reportedRound(job.facts, (round) =>
    withLab(choice, { keep }, async ({ timings }) => {
      if (job.timings) console.log(timingTable(timings))
      round.labIsUp(timings)
      const run = other ? compare(choice, files, own, other) : replay(choice, files, own)
      const code = await run.finally(round.scenariosEnded)
      checkInterrupted()
      const states = await choice.backend.states()
      const lost = namesOf(choice.backend.lab).filter((name) => states.get(name) !== 'running')
      if (lost.length > 0) throw new LabError(`the lab was lost while the scenarios ran: ${lost.join(', ')}`)
      return code === 0 ? 0 : 1
    }),
  )
}

/** Tests our own driver too: a check that fails on both is not the other subject's fault. */
async function compare(
  { backend, ...choice }: LabChoice,
  files: string[],
  own: Subject,
  other: OtherSubject,
): Promise<number> {
  const names = hostsOfRole(backend.lab, 'docker').map(({ name }) => name)
  const machines = await Promise.all(names.map((name) => connected(backend, name)))
  try {
    const [first, ...rest] = machines
    if (first === undefined) throw new LabError('the lab has no host with the role docker')
    const subject = await other.install([first, ...rest])
    const ownCode = await replay({ backend, ...choice }, files, own)
    checkInterrupted()
    await other.enter([first, ...rest])
    const otherCode = await replay({ backend, ...choice }, files, subject)
    console.log(`\n${comparison(recordedEvents())}`)
    return other.mustPass ? Math.max(ownCode, otherCode) : ownCode
  } finally {
    for (const machine of machines) await machine[Symbol.asyncDispose]()
  }
}

/** Runs vitest in a process group of its own: a signal reaches vitest only through `endVitest`. */
function replay({ environment }: LabChoice, files: string[], subject: Subject): Promise<number> {
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
      env: { ...process.env, ...environment, ...environmentFor(subject) },
    })
    vitest.once('error', reject)
    vitest.once('exit', (code) => resolve(code ?? 1))
  })
}

function endVitest(): void {
  if (vitest?.pid === undefined || vitest.exitCode !== null) return
  try {
    process.kill(-vitest.pid, 'SIGKILL') // no need to wait for vitest: this process takes the lab down
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
