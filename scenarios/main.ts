/**
 * `npm run scenarios`: the main job. Brings up a lab, replays the scenarios on it, writes the report, takes
 * the lab down.
 *
 * vitest runs as a child process, because vitest runs no teardown when it is interrupted. This process takes
 * the lab down in every case. Exit codes: 0 all scenarios passed; 1 a scenario failed; 2 the lab did not come
 * up or was lost.
 */
import { resolve } from 'node:path'
import { chooseLab, type LabChoice, labOptions, parse } from '../provision/cli/arguments.ts'
import { type Timing, timingTable } from '../provision/cli/progress.ts'
import { hostsOfRole, type Lab, namesOf } from '../provision/lab/definition.ts'
import { withLab } from '../provision/lab/with-lab.ts'
import { LabError } from '../provision/process/errors.ts'
import { exitWith } from '../provision/process/exit.ts'
import { checkInterrupted, uninterrupted } from '../provision/process/interruption.ts'
import { labCommand, programCommand } from '../provision/process/lab-command.ts'
import { catchSignals } from '../provision/process/signals.ts'
import { environmentFor, type Subject } from './kit/subject.ts'
import { undoAfter } from './kit/suppressed.ts'
import { inTurn } from './kit/together.ts'
import { type OwnFolder, ownFolder, subjectIn } from './own-folder.ts'
import { recordedEvents } from './record/events.ts'
import { defaultLab, emptyReportFolder, folderOf, folderVariable } from './record/folder.ts'
import { answerPauses, debugVariable, enterPressed } from './record/pause.ts'
import { comparison } from './report/comparison.ts'
import { type Round, type RoundFacts, reportedRound } from './report/round.ts'
import { lastRound, roundsSummary } from './report/rounds.ts'
import { checkPage, hostsNeededBy, lastSection, selected, wideName } from './selection.ts'
import { otherSubject } from './subjects/other.ts'
import { ours } from './subjects/ours.ts'
import { onMachines, runSteps } from './subjects/prepare.ts'
import { endVitest, listScenarios, runVitest } from './vitest.ts'
import { PageFailure } from './walkthrough/page/replay.ts'

const usage = `usage: ${programCommand('scenarios')} [DIR] [FILTER…] [-t PATTERN] [--all] [--list] [--bail] [--debug] [--keep | --on LAB]
                            [--lab NAME | --backend vagrant | --backend ssh --inventory FILE] [--secure]
                            [--hosts N] [--consul 1|3|5] [--lab-file FILE] [--engine-from DIR] [--consul-from FILE]
                            [--engine 20.10|26|28|29] [--engine HOST=…] [--datapath bridge|macvlan] [--repeat N]
                            [--driver swarm|PATH[:NAME]] [--update] [--page FILE] [--timings]

  Without a FILTER: replays docs/walkthrough.md.
  DIR        the scenarios of another folder, with its lab.json and its subject.ts (docs/scenarios.md)
  FILTER     only scenario files whose path contains FILTER; a file of the walkthrough brings those before it
  -t         only scenarios whose titles match the regular expression PATTERN; without a FILTER, in all files
  --all      the walkthrough and all other scenarios: conformance, faults, overlay; programs only with the FILTER programs
  --list     print the titles of the chosen scenarios; no lab is needed
  --bail     stop after the first failure
  --debug    pause at a failure, before its containers are removed, and print how to log in; Enter goes on
  --on       run on lab LAB, which is up and stays up
  --keep     leave the lab up afterwards
  --lab      name of the lab; two labs with different names can be up at once, each with its report in report/NAME
  --backend  run on machines that Vagrant made or that an inventory names (docs/vms.md, docs/lab.md)
  --hosts, --consul      number of Docker hosts, number of Consul servers
  --lab-file             hosts of the lab as JSON (docs/lab.md)
  --engine               Docker Engine 20.10, 26 or 28; on virtual machines and over ssh also 29
  --engine-from, --consul-from  programs of another Docker Engine, of another Consul (docs/lab.md)
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
  const folder = ownFolder(positionals)
  if (folder !== undefined) {
    process.env[folderVariable] = folder.path
    refuseWithFolder(values, folder)
  }
  const subjects = await subjectsFor(folder, values)
  if (values.page !== undefined) process.env.MULTIHOST_PAGE = resolve(values.page)
  if (values.update) process.env.MULTIHOST_UPDATE = '1'
  const { keep = false, timings = false, bail = false, debug = false, pattern, on } = values
  if (on !== undefined) refuseWithOn(values)
  if (pattern !== undefined) checkPattern(pattern)
  const all = values.all ?? (pattern !== undefined && positionals.length === 0)
  const within = values.driver === undefined ? undefined : 'conformance/'
  const files = folder?.files ?? selected({ filters: positionals, all, folder: within })
  if (values.list) return list(files, subjects[0], pattern)
  if (keep || on !== undefined) process.env.MULTIHOST_KEEP = '1'
  if (debug) process.env[debugVariable] = '1'
  process.env.MULTIHOST_LAST_SECTION = lastSection(files) ?? ''
  const isListed = (values.hosts ?? values.consul ?? on) !== undefined
  const listed = isListed ? {} : { 'lab-file': folder?.labFile }
  const chosen = { ...listed, ...values, lab: on ?? values.lab }
  const { lab, asked, backend } = await chooseLab(chosen, defaultLab)
  refuseTooFew(on === undefined && backend.fresh ? asked : backend.lab, subjects)
  const wider = backend.fresh && !isListed && values['lab-file'] === undefined && folder === undefined
  const isNew = on === undefined && (pattern !== undefined || folder !== undefined)
  // Before a lab comes up: what cannot be loaded, and a pattern that no title matches.
  const titles = isNew ? await titlesIn(files, subjects[0], pattern) : undefined
  const labs = wider ? byHosts(files, asked, titles) : [{ files }]
  if (folder === undefined) checkPage()
  process.env.MULTIHOST_REPORT = folderOf(lab)
  const job = async (round: number) => {
    const facts = { round, rounds: times, lab, backend: backend.name, filters: positionals }
    const common = { subjects, pattern, bail, keep, debug, timings, isUp: on !== undefined }
    const parts: Part[] = []
    for (const { files, hosts } of labs) {
      const more = hosts === undefined ? {} : { ...hosts, lab: labs.length > 1 ? wideName(lab) : lab }
      parts.push({ ...common, files, choice: await chooseLab({ ...chosen, ...more }, defaultLab) })
    }
    return runParts(parts, facts, pattern)
  }
  if (backend.refuseOthers) await refuseOthers(chosen, lab)
  const release = on === undefined ? undefined : backend.own?.()
  using _lab = { [Symbol.dispose]: () => release?.() }
  emptyReportFolder()
  return await repeated(times, keep, job)
}

/** Every scenario has hostA and hostB. */
function refuseTooFew(lab: Lab, subjects: readonly Subject[]): void {
  for (const { name, role } of subjects) {
    const { length } = hostsOfRole(lab, role)
    if (length >= 2) continue
    throw new LabError(`scenarios on ${name} need two hosts of role ${role}, and ${lab.source} has ${length}`)
  }
}

/** Before the report is emptied. It has the scenarios of both labs of a run, which are up one after the other. */
async function refuseOthers(chosen: Parameters<typeof chooseLab>[0], lab: string): Promise<void> {
  for (const each of [lab, wideName(lab)]) {
    const { backend } = await chooseLab({ ...chosen, lab: each }, defaultLab)
    backend.refuseOthers?.()
  }
}

/** The files of one lab; with `hosts`, of a lab with so many. */
interface LabFiles {
  files: string[]
  hosts?: { hosts: string; consul: string }
}

/** The files of each lab of the run: some scenarios need more hosts than the others. */
function byHosts(files: string[], lab: Lab, titles: ReadonlyMap<string, string[]> | undefined): LabFiles[] {
  const has = { docker: hostsOfRole(lab, 'docker').length, consul: hostsOfRole(lab, 'consul').length }
  const needed = (file: string, role: 'docker' | 'consul') => hostsNeededBy(file)[role] ?? has[role]
  const most = (role: 'docker' | 'consul') => Math.max(...files.map((file) => needed(file, role)))
  const isWide = (file: string) => needed(file, 'docker') > has.docker || needed(file, 'consul') > has.consul
  // A lab whose scenarios are all left out does not come up.
  const asked = files.some(isWide) ? files.filter((file) => titles?.get(file)?.length !== 0) : files
  const labs: LabFiles[] = [
    { files: asked.filter((file) => !isWide(file)) },
    { files: asked.filter(isWide), hosts: { hosts: `${most('docker')}`, consul: `${most('consul')}` } },
  ]
  return labs.filter((each) => each.files.length > 0)
}

/** Titles by file. Throws when no title matches, and for a file without a scenario. */
async function titlesIn(
  files: string[],
  subject: Subject,
  pattern: string | undefined,
): Promise<Map<string, string[]>> {
  const titles = await listScenarios({ files, environment: environmentFor(subject), pattern, bail: false })
  const without = files.filter((file) => titles.get(file)?.length === 0)
  if (pattern === undefined && without.length > 0)
    throw new LabError(`${without.join(', ')}: no scenario in this file`)
  if (without.length === files.length) throw noScenario(pattern)
  return titles
}

/** What is tested, in this order. */
async function subjectsFor(
  folder: OwnFolder | undefined,
  { driver, datapath }: { driver?: string; datapath?: string },
): Promise<[Subject, ...Subject[]]> {
  const own = folder && (await subjectIn(folder))
  if (own !== undefined && datapath !== undefined)
    throw new LabError(`--datapath is for our driver, and ${folder?.path} has a subject.ts of its own`)
  const first = own ?? ours(datapath)
  return driver === undefined ? [first] : [first, otherSubject(driver)]
}

/** An option that is ignored would be a mistake: of a folder all scenarios run, and none is the walkthrough's. */
function refuseWithFolder(values: Readonly<Record<string, unknown>>, { path }: OwnFolder): void {
  const surplus = ['all', 'page', 'update'].find((option) => values[option] !== undefined)
  if (surplus !== undefined)
    throw new LabError(`--${surplus} is for the scenarios of this project, not for those of ${path}`)
}

/** Options that make a new lab say nothing about one that is up. */
const ofNewLabs = [
  'lab',
  'engine',
  'secure',
  'hosts',
  'consul',
  'lab-file',
  'engine-from',
  'consul-from',
  'repeat',
]

function refuseWithOn(values: Readonly<Record<string, unknown>>): void {
  if (values.backend !== undefined && values.backend !== 'nspawn')
    throw new LabError(
      `--on names a lab of nspawn hosts; machines of --backend ${values.backend} are used as they are`,
    )
  for (const option of ofNewLabs) {
    if (values[option] !== undefined)
      throw new LabError(`--on runs on a lab that is up; --${option} is for a new lab`)
  }
}

/** vitest refuses a wrong pattern only after the lab has come up, and with its own stack. */
function checkPattern(pattern: string): void {
  try {
    new RegExp(pattern)
  } catch (cause) {
    throw new LabError(`-t ${pattern}: ${(cause as Error).message}`, { cause })
  }
}

function noScenario(pattern: string | undefined): LabError {
  if (pattern !== undefined) return new LabError(`-t ${pattern}: no scenario's title matches`)
  return new LabError("no scenario has run: vitest's words are above")
}

async function list(files: string[], subject: Subject, pattern: string | undefined): Promise<number> {
  for (const [file, titles] of await titlesIn(files, subject, pattern)) {
    if (titles.length > 0) console.log([file, ...titles.map((title) => `  ${title}`)].join('\n'))
  }
  return 0
}

/** Resolves when Enter is pressed, or at the end of the input. */
async function showPause(reason: string, flags: string): Promise<void> {
  console.log(`\nFAILED  ${reason}\n\nThe lab stays as it is. To log in: ${labCommand} ssh HOST${flags}`)
  console.log('Enter goes on.')
  await enterPressed(process.stdin)
}

/** Goes on after a round that failed, to count the failures. With `keep` it stops there, and the lab stays. */
async function repeated(times: number, keep: boolean, job: (round: number) => Promise<number>) {
  if (times === 1) return job(1)
  using _summary = { [Symbol.dispose]: () => console.log(`\n${roundsSummary(recordedEvents(), times)}`) }
  let worst = 0
  for (let round = 1; round <= times && !(keep && worst > 0); round++) {
    console.log(`\nround ${round} of ${times}`)
    worst = Math.max(worst, await job(round))
  }
  return worst
}

/** The scenarios of one lab. */
interface Part {
  choice: LabChoice
  files: string[]
  subjects: [Subject, ...Subject[]]
  pattern: string | undefined
  bail: boolean
  keep: boolean
  debug: boolean
  timings: boolean
  /** The lab is up, and stays. */
  isUp: boolean
}

function runParts(parts: readonly Part[], facts: RoundFacts, pattern: string | undefined): Promise<number> {
  return reportedRound(facts, async (round) => {
    let worst = 0
    for (const part of parts) {
      worst = Math.max(worst, await runPart(part, round))
      if (worst > 0 && part.bail) break
    }
    if (!ran()) throw noScenario(pattern)
    return worst === 0 ? 0 : 1
  })
}

async function runPart(part: Part, round: Round): Promise<number> {
  const { flags } = part.choice
  const stop = part.debug ? answerPauses((reason) => showPause(reason, flags)) : () => undefined
  using _pauses = { [Symbol.dispose]: stop }
  return await onLab(part, async (timings) => {
    if (part.timings) console.log(timingTable(timings))
    round.labIsUp(timings)
    const code = await replayAll(part).finally(round.scenariosEnded)
    checkInterrupted()
    const lost = await notRunning(part.choice)
    if (lost.length > 0) throw new LabError(`the lab was lost while the scenarios ran: ${lost.join(', ')}`)
    return code
  })
}

async function onLab<T>({ choice, keep, isUp }: Part, work: (timings: Timing[]) => Promise<T>): Promise<T> {
  if (!isUp) return withLab(choice, { keep }, ({ timings }) => work(timings))
  const missing = await notRunning(choice)
  if (missing.length === 0) return work([])
  throw new LabError(`lab ${choice.lab} is not up: ${missing.join(', ')}`, {
    hint: `${labCommand} up${choice.flags}`,
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

/** A lab that stays gets back what the subjects have changed on its hosts. */
async function replayAll(part: Part): Promise<number> {
  const { backend } = part.choice
  const leaveAll = async (): Promise<void> => {
    if (!part.isUp && !part.keep && backend.fresh) return
    await inTurn(part.subjects, async (subject) => {
      if (subject.leave) await onMachines(subject, backend, subject.leave)
    })
  }
  const code = await replayEach(part).catch((error) => undoAfter(error, () => uninterrupted(leaveAll)))
  await uninterrupted(leaveAll)
  return code
}

/** Our own driver comes first with `--driver`: a check that fails on both is not the other subject's fault. */
async function replayEach(part: Part): Promise<number> {
  const { backend } = part.choice
  // A subject that does not start is an error before any scenario runs.
  for (const subject of part.subjects) {
    if (subject.steps.length > 0)
      await onMachines(subject, backend, (machines) => runSteps(subject, backend, machines))
  }
  let worst = 0
  for (const subject of part.subjects) {
    const code = await replay(part, subject)
    checkInterrupted()
    if (subject.mustPass) worst = Math.max(worst, code)
  }
  if (part.subjects.length > 1) console.log(`\n${comparison(recordedEvents())}`)
  return worst
}

async function replay({ choice, files, pattern, bail }: Part, subject: Subject): Promise<number> {
  const { steps, enter, leave, ...facts } = subject
  const learned = enter && (await onMachines(subject, choice.backend, enter))
  const environment = { ...choice.environment, ...environmentFor({ ...facts, ...learned }) }
  checkInterrupted()
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
