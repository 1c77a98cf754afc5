/**
 * What the scenarios tell the report while they run: one JSON line per event in report/events.jsonl.
 *
 * vitest's workers append, the parent reads when they have ended; so what was told before a crash is kept. One
 * line per command, wait, scenario and picture: a few hundred in a run.
 */
import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Timing } from '../../provision/cli/progress.ts'
import { driver } from '../subjects/driver.ts'
import { reportFolder } from './folder.ts'
import type { Picture } from './snapshot.ts'

/** Times are milliseconds since the epoch (`at`) and durations in milliseconds (`ms`). */
export type Event = (CommandEvent | WaitEvent | ScenarioEvent | PictureEvent | EvidenceEvent | RunEvent) & {
  /** Name of the network driver that it ran on; `tell` adds it. */
  driver?: string
}

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
  /** Line of the file where it failed. */
  line?: number
}

/** The lab at one moment of a scenario: before the first of its containers went, or at its end. */
export interface PictureEvent {
  kind: 'picture'
  scenario: string
  at: number
  ms: number
  picture: Picture
}

/** What a host answered when a scenario had failed. */
export interface EvidenceEvent {
  kind: 'evidence'
  scenario: string
  host: string
  title: string
  command: string
  /** Path from the report's folder. */
  file: string
  at: number
}

/** One round of the job: a lab made, scenarios replayed on it, the lab taken down. */
export interface RunEvent {
  kind: 'run'
  at: number
  ms: number
  round: number
  rounds: number
  lab: string
  backend: string
  filters: string[]
  /** What the lab was made of. */
  timings: Timing[]
  /** Absent when the lab could not be made. */
  replay?: { at: number; ms: number }
  /** The exit code: 0 all hold, 1 an assertion failed, 2 the lab could not be made or was lost. */
  code: number
  /** Why it is 2. */
  message?: string
  machine: { cores: number; memoryBytes: number; kernel: string; node: string }
}

const file = (): string => join(reportFolder(), 'events.jsonl')

export function tell(event: Event): void {
  appendFileSync(file(), `${JSON.stringify({ driver: driver.name, ...event })}\n`)
}

export function told(): Event[] {
  if (!existsSync(file())) return []
  const lines = readFileSync(file(), 'utf8').split('\n')
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as Event)
}
