/**
 * The rounds of `--repeat`: which round the report shows, and the summary of all rounds.
 */

import { markdownTable } from '../../driver/cli/table.ts'
import type { Event } from '../record/events.ts'
import { duration } from './format.ts'
import { median, percentile } from './statistics.ts'
import { type WaitTimes, waitTimesOf } from './wait-times.ts'

/** The events of the last round that failed; of the last round when none failed. */
export function shownRound(events: readonly Event[]): Event[] {
  return roundsOf(events).findLast(failed) ?? lastRound(events)
}

/** The events of the last round, complete or not. */
export function lastRound(events: readonly Event[]): Event[] {
  return roundsOf(events).at(-1) ?? []
}

/** A round ends with its `run` event; an unfinished round has none. */
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

/** How many rounds held, which failed, and how long each wait took over all rounds. */
export function roundsSummary(events: readonly Event[], rounds: number): string {
  const runs = events.filter((event) => event.kind === 'run')
  const failures = runs.filter(({ code }) => code !== 0).map(({ round }) => round)
  const held = runs.length - failures.length
  const exceptions = failures.length === 0 ? '' : `; failed: ${failures.join(', ')}`
  const ended = runs.length < rounds ? `; stopped after round ${runs.length}` : ''
  const waits = waitsTable(waitTimesOf(events.filter((event) => event.kind === 'wait')))
  return `${held} of ${rounds} rounds held${exceptions}${ended}\n\n${waits}`
}

function waitsTable(all: readonly WaitTimes[]): string {
  const rows = all.map(({ condition, times, timedOut }) => [
    clipped(condition) + (timedOut > 0 ? ` (${timedOut} timed out)` : ''),
    String(times.length),
    ...[times[0] ?? 0, median(times), percentile(times, 90), times.at(-1) ?? 0].map(duration),
  ])
  return markdownTable(['until', 'waits', 'min', 'median', 'p90', 'max'], rows)
}

const longest = 70

function clipped(text: string): string {
  const line = text.replaceAll(/\s+/g, ' ').replaceAll('|', '/') // a bar would end the column
  return line.length <= longest ? line : `${line.slice(0, longest - 1)}…`
}
