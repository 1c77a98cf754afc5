/**
 * Drivers side by side: a row per scenario, a column per driver, what came of it and how long it took.
 */
import type { Event } from '../record/events.ts'
import { table } from './table.ts'

/** Markdown; below it, why a scenario is not for a driver. */
export function comparison(events: readonly Event[]): string {
  const ran = events.filter((event) => event.kind === 'scenario')
  const drivers = distinct(ran.map((event) => event.driver ?? ''))
  const rows = distinct(ran.map((event) => event.scenario)).map((scenario) => [
    scenario,
    ...drivers.map((driver) =>
      cell(ran.find((event) => event.scenario === scenario && event.driver === driver)),
    ),
  ])
  const reasons = ran
    .filter((event) => event.state === 'skipped')
    .map((event) => `${event.driver}, ${event.scenario}: ${event.message}`)
  return [table(['scenario', ...drivers], rows), ...distinct(reasons)].join('\n')
}

type Ran = Extract<Event, { kind: 'scenario' }>

function cell(event: Ran | undefined): string {
  if (event === undefined) return 'did not run'
  if (event.state === 'skipped') return 'not for it'
  const seconds = `${(event.ms / 1000).toFixed(1)} s`
  return event.state === 'passed' ? `passed ${seconds}` : `FAILED ${seconds}`
}

const distinct = (words: readonly string[]): string[] => [...new Set(words)]
