/**
 * The report as data, made from the recorded events: one round with its scenarios and their steps, and the
 * waits of all rounds.
 */
import type { Event, EvidenceEvent, LossEvent, RunEvent, ScenarioEvent, WaitEvent } from '../record/events.ts'
import type { Snapshot } from '../record/snapshot.ts'
import { counted } from './format.ts'
import { grouped } from './grouped.ts'
import { type LabView, labViewOf } from './lab-view.ts'
import { shownRound } from './rounds.ts'
import { containerNames, type Step, stepsOf } from './steps.ts'
import { type WaitTimes, waitTimesOf } from './wait-times.ts'

export interface Report {
  state: 'passed' | 'failed' | 'lost'
  headline: string
  /** Counts, versions and the machine: name → value. */
  facts: [string, string][]
  run: RunEvent | undefined
  groups: Group[]
  waitTimes: WaitTimes[]
  hosts: string[]
}

/** The scenarios of a file, on one subject. */
export interface Group {
  file: string
  subject: string
  scenarios: Scenario[]
}

export interface Scenario {
  /** Anchor on the page. */
  id: string
  title: string
  file: string
  subject: string
  state: ScenarioEvent['state']
  at: number
  ms: number
  message?: string
  /** Line of the file where the scenario failed. */
  line?: number
  steps: Step[]
  waits: WaitEvent[]
  losses: LossEvent[]
  lab?: LabView
  /** Anchor of an earlier scenario with an equal lab view. */
  sameAs?: string
  evidence: EvidenceFile[]
}

export interface EvidenceFile {
  host: string
  title: string
  command: string
  file: string
  text: string
}

/** `read` returns the text of an evidence file. */
export function reportOf(events: readonly Event[], read: (file: string) => string): Report {
  const round = shownRound(events)
  const run = round.find((event) => event.kind === 'run')
  const scenarios = round.filter((event) => event.kind === 'scenario').sort((a, b) => a.at - b.at)
  const shown = scenariosOf(round, scenarios, read)
  const groups = [...grouped(shown, ({ file, subject }) => `${file} ${subject}`).values()].flatMap((all) =>
    all[0] ? [{ file: all[0].file, subject: all[0].subject, scenarios: all }] : [],
  )
  return {
    ...verdict(shown, run),
    facts: factsOf(round, run, shown),
    run,
    groups,
    waitTimes: waitTimesOf(events.filter((event) => event.kind === 'wait')),
    hosts: [...new Set(round.flatMap((event) => (event.kind === 'command' ? [event.host] : [])))].sort(),
  }
}

function scenariosOf(
  round: readonly Event[],
  scenarios: readonly (ScenarioEvent & { subject?: string })[],
  read: (file: string) => string,
): Scenario[] {
  const commands = round.filter((event) => event.kind === 'command')
  const waits = round.filter((event) => event.kind === 'wait')
  const names = containerNames(commands)
  const drawn = new Map<string, string>()
  return scenarios.map((event, i): Scenario => {
    const within = ownOf(event)
    const own = { commands: commands.filter(within), waits: waits.filter(within) }
    const snapshot = round.findLast((each) => each.kind === 'snapshot' && within(each))
    const id = `s${i + 1}`
    return {
      id,
      title: event.scenario,
      file: event.file,
      subject: event.subject ?? '',
      state: event.state,
      at: event.at,
      ms: event.ms,
      ...(event.message !== undefined && { message: event.message }),
      ...(event.line !== undefined && { line: event.line }),
      steps: stepsOf(own.commands, own.waits, names),
      waits: own.waits,
      losses: round.filter((each) => each.kind === 'loss').filter(within),
      ...(snapshot?.kind === 'snapshot' && labOf(snapshot.snapshot, id, drawn)),
      evidence: round
        .filter((each) => each.kind === 'evidence')
        .filter(within)
        .map((each) => evidenceFile(each, read)),
    }
  })
}

/** Events of that scenario in its time: two files may have scenarios of the same name. */
function ownOf({ scenario, at, ms }: ScenarioEvent) {
  return (event: Event): boolean =>
    'scenario' in event && event.scenario === scenario && event.at >= at - 1 && event.at <= at + ms + 1
}

/** A lab view that equals an earlier one is replaced by the anchor of its scenario. */
function labOf(snapshot: Snapshot, id: string, drawn: Map<string, string>): Pick<Scenario, 'lab' | 'sameAs'> {
  const lab = labViewOf(snapshot)
  const key = JSON.stringify(lab)
  const before = drawn.get(key)
  if (before !== undefined) return { sameAs: before }
  drawn.set(key, id)
  return { lab }
}

function evidenceFile(
  { host, title, command, file }: EvidenceEvent,
  read: (file: string) => string,
): EvidenceFile {
  return { host, title, command, file, text: read(file) }
}

function verdict(
  scenarios: readonly Scenario[],
  run: RunEvent | undefined,
): Pick<Report, 'state' | 'headline'> {
  const failed = scenarios.filter(({ state }) => state === 'failed').length
  const passed = scenarios.filter(({ state }) => state === 'passed').length
  if (run?.code === 2 && run.replay === undefined)
    return { state: 'lost', headline: 'The lab did not come up' }
  if (run?.code === 2) return { state: 'lost', headline: 'The lab was lost' }
  if (failed > 0)
    return { state: 'failed', headline: `${failed} of ${counted(failed + passed, 'scenario')} failed` }
  if (run?.code === 1 || passed === 0) return { state: 'failed', headline: 'The scenarios did not run' }
  return {
    state: 'passed',
    headline: passed === 1 ? 'The scenario passed' : `All ${passed} scenarios passed`,
  }
}

function factsOf(
  round: readonly Event[],
  run: RunEvent | undefined,
  scenarios: readonly Scenario[],
): [string, string][] {
  const stored = round.flatMap((event) =>
    event.kind === 'snapshot' ? (event.snapshot.store?.hosts ?? []) : [],
  )
  const all = (values: (string | undefined)[]) =>
    [...new Set(values.filter((value) => value !== undefined))].join(', ')
  const count = (state: Scenario['state']) => scenarios.filter((each) => each.state === state).length
  const facts: [string, string | undefined][] = [
    ['passed', String(count('passed'))],
    ['failed', count('failed') > 0 ? String(count('failed')) : undefined],
    ['skipped', count('skipped') > 0 ? String(count('skipped')) : undefined],
    ['commands', String(round.filter(({ kind }) => kind === 'command').length)],
    ['Docker Engine', all(stored.map(({ engine }) => engine))],
    ['multihost', all(stored.map(({ driver }) => driver))],
    ['lab', run && `${run.lab}, ${run.backend}`],
    ['round', run && run.rounds > 1 ? `${run.round} of ${run.rounds}` : undefined],
    ['chosen', run?.filters.join(' ')],
    [
      'machine',
      run &&
        `${counted(run.machine.cores, 'core')}, ${Math.round(run.machine.memoryBytes / 2 ** 30)} GiB, Linux ${run.machine.kernel}`,
    ],
  ]
  return facts.filter((fact): fact is [string, string] => fact[1] !== undefined && fact[1] !== '')
}
