/**
 * The scenarios of a run as JUnit: a suite per file, a failure with its place and its evidence.
 */
import type { Event, EvidenceEvent, RunEvent, ScenarioEvent } from '../record/events.ts'
import { grouped } from './grouped.ts'
import { type JUnitCase, junitXml } from './junit-xml.ts'
import { shownRound } from './rounds.ts'

/** `folder`: the report's, from the project's root. One round is shown, see rounds.ts. */
export function junit(events: readonly Event[], folder: string): string {
  const round = shownRound(events)
  const scenarios = round.filter((event) => event.kind === 'scenario')
  const evidence = round.filter((event) => event.kind === 'evidence')
  const run = round.find((event) => event.kind === 'run')
  const tests: Test[] = [...scenarios, ...(run?.code === 2 ? [lostLab(run)] : [])]
  const suites = [...grouped(tests, ({ file }) => file)].map(([name, all]) => ({
    name,
    timestamp: new Date(Math.min(...all.map(({ at }) => at))).toISOString(),
    cases: all.map((test) => caseOf(test, evidence, folder)),
  }))
  return junitXml('scenarios', suites)
}

interface Test extends ScenarioEvent {
  /** The lab failed, not a scenario. */
  isError?: true
}

function lostLab({ at, ms, message = 'the lab did not come up or was lost' }: RunEvent): Test {
  const common = { kind: 'scenario', state: 'failed', at, ms, message } as const
  return { ...common, scenario: 'the lab is there', file: 'scenarios/main.ts', isError: true }
}

function caseOf(test: Test, evidence: readonly EvidenceEvent[], folder: string): JUnitCase {
  const { file, line, scenario: name, ms, state, message } = test
  const common = { classname: file, name, file, ms, ...(line !== undefined && { line }) }
  if (state === 'passed') return common
  if (state === 'skipped') return { ...common, outcome: { state, reason: message } }
  const files = evidence.filter(({ scenario }) => scenario === name).map((each) => `${folder}/${each.file}`)
  const attachment = `[[ATTACHMENT|${folder}/index.html]]`
  return {
    ...common,
    outcome: {
      state: test.isError ? 'error' : 'failure',
      text: [message ?? '', ...frame(test)].join('\n'),
      output: [attachment, ...(files.length > 0 ? ['evidence:', ...files] : [])].join('\n'),
    },
  }
}

/** `at scenarios.overlay(traffic.scenario.ts:30)` */
function frame({ file, line }: Test): string[] {
  const parts = file.split('/')
  return line === undefined ? [] : [`at ${parts.slice(0, -1).join('.')}(${parts.at(-1)}:${line})`]
}
