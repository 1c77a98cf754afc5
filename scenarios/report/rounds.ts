/**
 * What `--repeat` says in the end: how many rounds held, and how long each wait took over all of them.
 */
import type { Event } from './events.ts'
import { duration } from './format.ts'
import { quantile, type Spread, spreadOf } from './spread.ts'
import { table } from './table.ts'

export function roundsTold(events: readonly Event[], rounds: number): string {
  const runs = events.filter((event) => event.kind === 'run')
  const failed = runs.filter(({ code }) => code !== 0).map(({ round }) => round)
  const held = runs.length - failed.length
  const exceptions = failed.length === 0 ? '' : `; not ${failed.join(', ')}`
  const ended = runs.length < rounds ? `; it ended with round ${runs.length}` : ''
  const waits = spreadTable(spreadOf(events.filter((event) => event.kind === 'wait')))
  return `${held} of ${rounds} rounds held${exceptions}${ended}\n\n${waits}`
}

/** A row per condition, the longest first. */
function spreadTable(spreads: readonly Spread[]): string {
  const rows = spreads.map(({ condition, times, lost }) => [
    clipped(condition) + (lost > 0 ? ` (${lost} given up)` : ''),
    String(times.length),
    ...[0, 0.5, 0.9, 1].map((part) => duration(quantile(times, part))),
  ])
  return table(['until', 'waits', 'min', 'median', 'p90', 'max'], rows)
}

const longest = 70

function clipped(text: string): string {
  const line = text.replaceAll(/\s+/g, ' ').replaceAll('|', '/') // a bar would end the column
  return line.length <= longest ? line : `${line.slice(0, longest - 1)}…`
}
