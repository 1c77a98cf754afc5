/**
 * Subjects side by side, as tables for the terminal: a row per scenario, a column per subject; and what each
 * fault cost each subject.
 */
import { markdownTable } from '../../driver/cli/table.ts'
import type { Event } from '../record/events.ts'
import { lossText } from './loss.ts'

type Ran = Extract<Event, { kind: 'scenario' }>
type Lost = Extract<Event, { kind: 'loss' }>

/** Markdown. Below the tables stands why a scenario was skipped on a subject. */
export function comparison(events: readonly Event[]): string {
  const scenarios = events.filter((event): event is Ran => event.kind === 'scenario')
  const losses = events.filter((event): event is Lost => event.kind === 'loss')
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
  const tables = [markdownTable(['scenario', ...subjects], rows)]
  if (losses.length > 0) tables.push('', markdownTable(['lost', ...subjects], lossRows(losses, subjects)))
  return [...tables, ...distinct(reasons)].join('\n')
}

/** A row per fault and traffic. */
function lossRows(losses: readonly Lost[], subjects: readonly string[]): string[][] {
  const rowOf = ({ scenario, traffic }: Lost) => `${scenario}, ${traffic}`
  return distinct(losses.map(rowOf)).map((row) => [
    row,
    ...subjects.map((subject) => {
      const loss = losses.find((each) => rowOf(each) === row && each.subject === subject)
      return loss === undefined ? '' : lossText(loss)
    }),
  ])
}

function result(event: Ran | undefined): string {
  if (event === undefined) return 'did not run'
  if (event.state === 'skipped') return 'skipped'
  const seconds = `${(event.ms / 1000).toFixed(1)} s`
  return event.state === 'passed' ? `passed ${seconds}` : `FAILED ${seconds}`
}

const distinct = (words: readonly string[]): string[] => [...new Set(words)]
