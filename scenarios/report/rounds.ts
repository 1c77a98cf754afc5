/**
 * The rounds of `--repeat`: which one the report shows, and what is said of them all in the end.
 */
import type { Event } from '../record/events.ts'
import { duration } from './format.ts'
import { quantile, type Spread, spreadOf } from './spread.ts'
import { table } from './table.ts'

/** The round that the report shows: the last that failed, or, when all held, the last. */
export function tellingRound(events: readonly Event[]): Event[] {
  return roundsOf(events).findLast(failed) ?? lastRound(events)
}

/** The events of the last round, over or not. */
export function lastRound(events: readonly Event[]): Event[] {
  return roundsOf(events).at(-1) ?? []
}

/** Each ends with its run's event, but for one that is not over. */
function roundsOf(events: readonly Event[]): Event[][] {
  const rounds: Event[][] = []
  for (const event of events) {
    const round = rounds.at(-1)
    if (round === undefined || round.at(-1)?.kind === 'run') rounds.push([event])
    else round.push(event)
  }
  return rounds
}

const failed = (events: readonly Event[]) => events.some((event) => event.kind === 'run' && event.code !== 0)

/** How many rounds held, and how long each wait took over all of them. */
export function roundsTold(events: readonly Event[], rounds: number): string {
  const runs = events.filter((event) => event.kind === 'run')
  const not = runs.filter(({ code }) => code !== 0).map(({ round }) => round)
  const held = runs.length - not.length
  const exceptions = not.length === 0 ? '' : `; not ${not.join(', ')}`
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
