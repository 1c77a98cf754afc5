/**
 * What the scenarios tell the report while they run: one JSON line per event in report/events.jsonl.
 *
 * vitest's workers append, the parent reads when they have ended; so what was told before a crash is kept. One
 * line per command, wait, scenario and picture: a few hundred in a run.
 */
import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const file = fileURLToPath(new URL('../../report/events.jsonl', import.meta.url))

/** Times are milliseconds since the epoch (`at`) and durations in milliseconds (`ms`). */
export type Event = CommandEvent | WaitEvent | ScenarioEvent

/** A command that was run on a host. */
export interface CommandEvent {
  kind: 'command'
  scenario: string
  host: string
  command: string
  code: number
  stdout: string
  stderr: string
  at: number
  ms: number
  /** Line of docs/walkthrough.md that types it; none for what a scenario looks up by itself. */
  line?: number
}

/** A wait on a condition that came true, or did not within its deadline. */
export interface WaitEvent {
  kind: 'wait'
  scenario: string
  host: string
  command: string
  at: number
  ms: number
  tries: number
  held: boolean
}

export interface ScenarioEvent {
  kind: 'scenario'
  scenario: string
  /** Path from the project's root. */
  file: string
  state: 'passed' | 'failed' | 'skipped'
  at: number
  ms: number
  /** Message of what failed, or why it was skipped. */
  message?: string
  /** Folder with what every host knew then. */
  evidence?: string
}

export function tell(event: Event): void {
  appendFileSync(file, `${JSON.stringify(event)}\n`)
}

export function told(): Event[] {
  if (!existsSync(file)) return []
  const lines = readFileSync(file, 'utf8').split('\n')
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as Event)
}
