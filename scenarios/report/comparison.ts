/**
 * Subjects side by side, as a table for the terminal: a row per scenario, a column per subject.
 */
import { markdownTable } from '../../driver/cli/table.ts'
import type { Event } from '../record/events.ts'

/** Markdown. Below the table stands why a scenario was skipped on a subject. */
export function comparison(events: readonly Event[]): string {
  const scenarios = events.filter((event) => event.kind === 'scenario')
  const subjects = distinct(scenarios.map((event) => event.subject ?? ''))
  const rows = distinct(scenarios.map((event) => event.scenario)).map((scenario) => [
    scenario,
    ...subjects.map((subject) =>
      result(scenarios.find((event) => event.scenario === scenario && event.subject === subject)),
    ),
  ])
  const reasons = scenarios
    .filter((event) => event.state === 'skipped')
    .map((event) => `${event.subject}, ${event.scenario}: ${event.message}`)
  return [markdownTable(['scenario', ...subjects], rows), ...distinct(reasons)].join('\n')
}

type Ran = Extract<Event, { kind: 'scenario' }>

function result(event: Ran | undefined): string {
  if (event === undefined) return 'did not run'
  if (event.state === 'skipped') return 'skipped'
  const seconds = `${(event.ms / 1000).toFixed(1)} s`
  return event.state === 'passed' ? `passed ${seconds}` : `FAILED ${seconds}`
}

const distinct = (words: readonly string[]): string[] => [...new Set(words)]
