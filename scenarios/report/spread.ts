/**
 * How long each condition took to come true: one spread per condition, over all hosts, scenarios and rounds.
 */
import type { WaitEvent } from '../record/events.ts'
import { grouped } from './grouped.ts'

export interface Spread {
  /** The command that was tried, without ids. */
  condition: string
  /** Milliseconds, ascending. */
  times: number[]
  /** How many were given up. */
  lost: number
}

/** The longest first. */
export function spreadOf(waits: readonly WaitEvent[]): Spread[] {
  const conditions = grouped(waits, ({ command }) => condition(command))
  return [...conditions]
    .map(([name, group]) => ({
      condition: name,
      times: group.map(({ ms }) => ms).sort((a, b) => a - b),
      lost: group.filter(({ held }) => !held).length,
    }))
    .sort((a, b) => (b.times.at(-1) ?? 0) - (a.times.at(-1) ?? 0))
}

/** The value below which that part of them lies. */
export function quantile(ascending: readonly number[], part: number): number {
  return ascending[Math.min(ascending.length - 1, Math.floor(part * ascending.length))] ?? 0
}

/** What varies from run to run is left out: ids, addresses. */
function condition(command: string): string {
  return command.replaceAll(/\b[0-9a-f]{12,64}\b/g, 'ID').replaceAll(/\b\d{1,3}(\.\d{1,3}){3}\b/g, 'ADDRESS')
}
