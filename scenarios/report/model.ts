/**
 * What was told, as the page shows it: the last round with its scenarios and their steps, and the waits of all rounds.
 * Plain data in, plain data out.
 */
import type { Event, EvidenceEvent, RunEvent, ScenarioEvent, WaitEvent } from '../record/events.ts'
import type { Picture } from '../record/snapshot.ts'
import { counted } from './format.ts'
import { grouped } from './grouped.ts'
import { tellingRound } from './rounds.ts'
import { type Spread, spreadOf } from './spread.ts'
import { containerNames, type Step, stepsOf } from './steps.ts'
import { type Survey, survey } from './survey.ts'

export interface Page {
  state: 'passed' | 'failed' | 'lost'
  headline: string
  /** What it ran on: name → value. */
  facts: [string, string][]
  run: RunEvent | undefined
  groups: Group[]
  spreads: Spread[]
  hosts: string[]
}

/** The scenarios of a file, on one driver. */
export interface Group {
  file: string
  driver: string
  scenarios: Scenario[]
}

export interface Scenario {
  /** Anchor on the page. */
  id: string
  title: string
  file: string
  driver: string
  state: ScenarioEvent['state']
  at: number
  ms: number
  message?: string
  /** Line of the file where it failed. */
  line?: number
  steps: Step[]
  waits: WaitEvent[]
  survey?: Survey
  /** Anchor of an earlier scenario that left the lab as this one did. */
  sameAs?: string
  evidence: Kept[]
}

export interface Kept {
  host: string
  title: string
  command: string
  file: string
  text: string
}

/** `read` gives the text of a file of evidence. */
export function pageOf(events: readonly Event[], read: (file: string) => string): Page {
  const told = tellingRound(events)
  const run = told.find((event) => event.kind === 'run')
  const scenarios = told.filter((event) => event.kind === 'scenario').sort((a, b) => a.at - b.at)
  const shown = scenariosOf(told, scenarios, read)
  const groups = [...grouped(shown, ({ file, driver }) => `${file} ${driver}`).values()].flatMap((all) =>
    all[0] ? [{ file: all[0].file, driver: all[0].driver, scenarios: all }] : [],
  )
  return {
    ...verdict(shown, run),
    facts: factsOf(told, run, shown),
    run,
    groups,
    spreads: spreadOf(events.filter((event) => event.kind === 'wait')),
    hosts: [...new Set(told.flatMap((event) => (event.kind === 'command' ? [event.host] : [])))].sort(),
  }
}

function scenariosOf(
  told: readonly Event[],
  scenarios: readonly (ScenarioEvent & { driver?: string })[],
  read: (file: string) => string,
): Scenario[] {
  const commands = told.filter((event) => event.kind === 'command')
  const waits = told.filter((event) => event.kind === 'wait')
  const names = containerNames(commands)
  const drawn = new Map<string, string>()
  return scenarios.map((event, i): Scenario => {
    const within = ownOf(event)
    const own = { commands: commands.filter(within), waits: waits.filter(within) }
    const picture = told.find((each) => each.kind === 'picture' && within(each))
    const id = `s${i + 1}`
    return {
      id,
      title: event.scenario,
      file: event.file,
      driver: event.driver ?? '',
      state: event.state,
      at: event.at,
      ms: event.ms,
      ...(event.message === undefined ? {} : { message: event.message }),
      ...(event.line === undefined ? {} : { line: event.line }),
      steps: stepsOf(own.commands, own.waits, names),
      waits: own.waits,
      ...(picture?.kind === 'picture' ? pictured(picture.picture, id, drawn) : {}),
      evidence: told
        .filter((each) => each.kind === 'evidence')
        .filter(within)
        .map((each) => kept(each, read)),
    }
  })
}

/** Of that scenario, and while it ran: two files may have scenarios of one name. */
function ownOf({ scenario, at, ms }: ScenarioEvent) {
  return (event: Event): boolean =>
    'scenario' in event && event.scenario === scenario && event.at >= at - 1 && event.at <= at + ms + 1
}

function pictured(
  picture: Picture,
  id: string,
  drawn: Map<string, string>,
): Pick<Scenario, 'survey' | 'sameAs'> {
  const surveyed = survey(picture)
  const key = JSON.stringify(surveyed)
  const before = drawn.get(key)
  if (before !== undefined) return { sameAs: before }
  drawn.set(key, id)
  return { survey: surveyed }
}

function kept({ host, title, command, file }: EvidenceEvent, read: (file: string) => string): Kept {
  return { host, title, command, file, text: read(file) }
}

function verdict(
  scenarios: readonly Scenario[],
  run: RunEvent | undefined,
): Pick<Page, 'state' | 'headline'> {
  const failed = scenarios.filter(({ state }) => state === 'failed').length
  const passed = scenarios.filter(({ state }) => state === 'passed').length
  if (run?.code === 2 && run.replay === undefined)
    return { state: 'lost', headline: 'The lab could not be made' }
  if (run?.code === 2) return { state: 'lost', headline: 'The lab was lost' }
  if (failed > 0)
    return { state: 'failed', headline: `${failed} of ${counted(failed + passed, 'scenario')} failed` }
  if (run?.code === 1 || passed === 0) return { state: 'failed', headline: 'The scenarios did not run' }
  return { state: 'passed', headline: passed === 1 ? 'The scenario holds' : `All ${passed} scenarios hold` }
}

function factsOf(
  told: readonly Event[],
  run: RunEvent | undefined,
  scenarios: readonly Scenario[],
): [string, string][] {
  const stored = told.flatMap((event) => (event.kind === 'picture' ? (event.picture.store?.hosts ?? []) : []))
  const all = (values: (string | undefined)[]) =>
    [...new Set(values.filter((value) => value !== undefined))].join(', ')
  const count = (state: Scenario['state']) => scenarios.filter((each) => each.state === state).length
  const facts: [string, string | undefined][] = [
    ['passed', String(count('passed'))],
    ['failed', count('failed') > 0 ? String(count('failed')) : undefined],
    ['skipped', count('skipped') > 0 ? String(count('skipped')) : undefined],
    ['commands', String(told.filter(({ kind }) => kind === 'command').length)],
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
