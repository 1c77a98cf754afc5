/**
 * `npm run scenarios`: the main job. Brings up a lab, replays the scenarios on it, writes the report, takes the lab
 * down.
 *
 * vitest runs as a child process, because vitest runs no teardown when it is interrupted. This process takes the lab
 * down in every case. Exit codes: 0 all scenarios passed; 1 a scenario failed; 2 the lab did not come up or was lost.
 */
import { once } from 'node:events'
import { resolve } from 'node:path'
import { chooseLab, type LabChoice, labOptions, parse } from '../provision/cli/arguments.ts'
import { type Timing, timingTable } from '../provision/cli/progress.ts'
import { hostsOfRole, namesOf } from '../provision/lab/definition.ts'
import { withLab } from '../provision/lab/with-lab.ts'
import { LabError } from '../provision/process/errors.ts'
import { exitWith } from '../provision/process/exit.ts'
import { checkInterrupted } from '../provision/process/interruption.ts'
import { catchSignals } from '../provision/process/signals.ts'
import { connected } from './kit/connected.ts'
import { environmentFor, type Subject } from './kit/subject.ts'
import { recordedEvents } from './record/events.ts'
import { defaultLab, emptyReportFolder, folderOf } from './record/folder.ts'
import { answerPauses, debugVariable } from './record/pause.ts'
import { comparison } from './report/comparison.ts'
import { type RoundFacts, reportedRound } from './report/round.ts'
import { lastRound, roundsSummary } from './report/rounds.ts'
import { checkPage, lastSection, selected } from './selection.ts'
import { type OtherSubject, otherSubject } from './subjects/other.ts'
import { ours } from './subjects/ours.ts'
import { endVitest, listScenarios, runVitest } from './vitest.ts'
import { PageFailure } from './walkthrough/page/replay.ts'

const usage = `usage: npm run scenarios -- [FILTER…] [-t PATTERN] [--all] [--list] [--bail] [--debug] [--keep | --on LAB]
                            [--lab NAME | --backend vagrant | --backend ssh --inventory FILE] [--secure]
                            [--engine 20.10|26|28] [--engine HOST=…] [--datapath bridge|macvlan] [--repeat N]
                            [--driver swarm|PATH[:NAME]] [--update] [--page FILE] [--timings]

  Without a FILTER: replays docs/walkthrough.md.
  FILTER     only scenario files whose path contains FILTER; a file of the walkthrough brings those before it
  -t         only scenarios whose titles match the regular expression PATTERN; without a FILTER, of all files
  --all      the walkthrough and all other scenarios: conformance, overlay, faults
  --list     print the titles of the chosen scenarios; no lab is needed
  --bail     stop after the first failure
  --debug    pause at a failure, before its containers are removed, and print how to log in; Enter goes on
  --on       run on lab LAB, which is up and stays up
  --keep     leave the lab up afterwards
  --lab      name of the lab; two labs with different names can be up at once, each with its report in report/NAME
  --backend  run on machines that Vagrant made or that an inventory names (docs/vms.md, docs/lab.md)
  --secure   Consul with ACLs and TLS (docs/security.md)
  --datapath create all networks with -o datapath=KIND (docs/datapath.md)
  --driver   only the conformance scenarios, on our driver and then on Swarm's overlay or your own plugin
  --repeat   run the whole job N times, each on a new lab, and show how long each wait took; goes on after a round
             that failed, but with --keep stops there
  --update   write the outputs of this run into docs/walkthrough.md
  --page     replay FILE, a copy of docs/walkthrough.md
  --timings  show how long each part of bringing up the lab took`

const options = {
  ...labOptions,
  all: { type: 'boolean' },
  bail: { type: 'boolean' },
  debug: { type: 'boolean' },
  driver: { type: 'string' },
  list: { type: 'boolean' },
  on: { type: 'string' },
  pattern: { type: 'string', short: 't' },
  datapath: { type: 'string' },
  page: { type: 'string' },
  update: { type: 'boolean' },
  keep: { type: 'boolean' },
  repeat: { type: 'string' },
  timings: { type: 'boolean' },
  help: { type: 'boolean' },
} as const

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
  const { keep = false, timings = false, bail = false, debug = false, pattern, on } = values
  if (on !== undefined) refuseWithOn(values)
  const all = values.all ?? (pattern !== undefined && positionals.length === 0)
  const files = selected({ filters: positionals, all, folder: other ? 'conformance/' : undefined })
  if (values.list) return list(files, own, pattern)
  if (keep || on !== undefined) process.env.MULTIHOST_KEEP = '1'
  if (debug) process.env[debugVariable] = '1'
  process.env.MULTIHOST_LAST_SECTION = lastSection(files) ?? ''
  const choose = () => chooseLab({ ...values, lab: on ?? values.lab }, defaultLab)
  const { lab, backend } = await choose()
  checkPage()
  process.env.MULTIHOST_REPORT = folderOf(lab)
  emptyReportFolder()
  return repeated(times, keep, async (round) => {
    const facts = { round, rounds: times, lab, backend: backend.name, filters: positionals }
    const choice = await choose()
    const stop = debug ? answerPauses((reason) => showPause(reason, choice.flags)) : () => undefined
    const job = { choice, facts, files, own, other, pattern, bail, keep, timings, isUp: on !== undefined }
    return runJob(job).finally(stop)
  })
}

/** Options that make a new lab say nothing about one that is up. */
function refuseWithOn(values: { lab?: string; engine?: string[]; secure?: boolean; repeat?: string }): void {
  for (const option of ['lab', 'engine', 'secure', 'repeat'] as const) {
    if (values[option] !== undefined)
      throw new LabError(`--on runs on a lab that is up; --${option} is for a new lab`)
  }
}

async function list(files: string[], own: Subject, pattern: string | undefined): Promise<number> {
  const titles = await listScenarios({ files, environment: environmentFor(own), pattern, bail: false })
  for (const [file, each] of titles) {
    if (each.length > 0) console.log([file, ...each.map((title) => `  ${title}`)].join('\n'))
  }
  return 0
}

/** Resolves when Enter is pressed, or at the end of the input. */
async function showPause(reason: string, flags: string): Promise<void> {
  console.log(`\nFAILED  ${reason}\n\nThe lab stays as it is. To log in: npm run lab -- ssh HOST${flags}`)
  console.log('Enter goes on.')
  await Promise.race([once(process.stdin, 'data'), once(process.stdin, 'end')])
  process.stdin.pause()
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
  pattern: string | undefined
  bail: boolean
  keep: boolean
  timings: boolean
  /** The lab is up, and stays. */
  isUp: boolean
}

function runJob(job: Job): Promise<number> {
  const { choice, own, other } = job
  return reportedRound(job.facts, (round) =>
    onLab(job, async (timings) => {
      if (job.timings) console.log(timingTable(timings))
      round.labIsUp(timings)
      const run = other ? compare(job, own, other) : replay(job, own)
      const code = await run.finally(round.scenariosEnded)
      checkInterrupted()
      const lost = await notRunning(choice)
      if (lost.length > 0) throw new LabError(`the lab was lost while the scenarios ran: ${lost.join(', ')}`)
      if (!ran()) throw new LabError(`-t ${job.pattern}: no scenario has such a title`)
      return code === 0 ? 0 : 1
    }),
  )
}

async function onLab<T>({ choice, keep, isUp }: Job, work: (timings: Timing[]) => Promise<T>): Promise<T> {
  if (!isUp) return withLab(choice, { keep }, ({ timings }) => work(timings))
  const missing = await notRunning(choice)
  if (missing.length === 0) return work([])
  throw new LabError(`lab ${choice.lab} is not up: ${missing.join(', ')}`, {
    hint: `npm run lab -- up${choice.flags}`,
  })
}

async function notRunning({ backend }: LabChoice): Promise<string[]> {
  const states = await backend.states()
  return namesOf(backend.lab).filter((name) => states.get(name) !== 'running')
}

/** Whether a scenario of the last round has run; a pattern may match none. */
function ran(): boolean {
  return lastRound(recordedEvents()).some((event) => event.kind === 'scenario')
}

/** Tests our own driver too: a check that fails on both is not the other subject's fault. */
async function compare(job: Job, own: Subject, other: OtherSubject): Promise<number> {
  const names = hostsOfRole(job.choice.backend.lab, 'docker').map(({ name }) => name)
  const machines = await Promise.all(names.map((name) => connected(job.choice.backend, name)))
  try {
    const [first, ...rest] = machines
    if (first === undefined) throw new LabError('the lab has no host with the role docker')
    const subject = await other.install([first, ...rest])
    const ownCode = await replay(job, own)
    checkInterrupted()
    await other.enter([first, ...rest])
    const otherCode = await replay(job, subject)
    console.log(`\n${comparison(recordedEvents())}`)
    return other.mustPass ? Math.max(ownCode, otherCode) : ownCode
  } finally {
    for (const machine of machines) await machine[Symbol.asyncDispose]()
  }
}

function replay({ choice, files, pattern, bail }: Job, subject: Subject): Promise<number> {
  const environment = { ...choice.environment, ...environmentFor(subject) }
  return runVitest({ files, environment, pattern, bail })
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
