/**
 * How long each condition took to come true, over all hosts, scenarios and rounds.
 */
import type { WaitEvent } from '../record/events.ts'
import { grouped } from './grouped.ts'

export interface WaitTimes {
  /** The command that was repeated, without ids and addresses. */
  condition: string
  /** Milliseconds, ascending. */
  times: number[]
  /** Number of waits that ended at their deadline. */
  timedOut: number
}

/** Sorted by the longest wait, descending. */
export function waitTimesOf(waits: readonly WaitEvent[]): WaitTimes[] {
  const conditions = grouped(waits, ({ command }) => condition(command))
  return [...conditions]
    .map(([name, group]) => ({
      condition: name,
      times: group.map(({ ms }) => ms).sort((a, b) => a - b),
      timedOut: group.filter(({ held }) => !held).length,
    }))
    .sort((a, b) => (b.times.at(-1) ?? 0) - (a.times.at(-1) ?? 0))
}

/** Replaces ids and addresses, which vary between runs. */
function condition(command: string): string {
  return command.replaceAll(/\b[0-9a-f]{12,64}\b/g, 'ID').replaceAll(/\b\d{1,3}(\.\d{1,3}){3}\b/g, 'ADDRESS')
}
