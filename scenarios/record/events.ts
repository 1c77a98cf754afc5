/**
 * The events of a run, from which the report is written: one JSON line per event in report/events.jsonl.
 *
 * vitest's workers append to the file, and the parent process reads it when they have ended. What was
 * recorded before a crash is therefore kept. One line per command, wait, scenario and snapshot: a few hundred
 * in a run.
 */
import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Timing } from '../../provision/cli/progress.ts'
import { reportFolder } from './folder.ts'
import type { Snapshot } from './snapshot.ts'

/** Times are milliseconds since the epoch (`at`) and durations in milliseconds (`ms`). */
export type Event = (
  | CommandEvent
  | WaitEvent
  | ScenarioEvent
  | SnapshotEvent
  | EvidenceEvent
  | LossEvent
  | RunEvent
) & {
  /** Name of the subject under test; `recordEvent` adds it. */
  subject?: string
}

/** A command that a host has run. */
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
  /** Line of docs/walkthrough.md that shows the command; absent for a scenario's own look-ups. */
  line?: number
}

/** A wait for a condition. */
export interface WaitEvent {
  kind: 'wait'
  scenario: string
  host: string
  command: string
  at: number
  ms: number
  tries: number
  /** The condition came true within the deadline. */
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
  /** The failure's message, or the reason for skipping. */
  message?: string
  /** Line of the file where the scenario failed. */
  line?: number
}

/** The lab before the scenario's first teardown. */
export interface SnapshotEvent {
  kind: 'snapshot'
  scenario: string
  at: number
  ms: number
  snapshot: Snapshot
}

/** A host's answer to one question, asked after a scenario failed. */
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

/** What a fault cost the traffic between two containers. */
export interface LossEvent extends Loss {
  kind: 'loss'
  scenario: string
  /** Between which containers: `between hosts`. */
  traffic: string
  at: number
}

export interface Loss {
  /** Packets, sent every 20 ms. */
  sent: number
  /** Those without a reply. */
  lost: number
  /** A reply came after the fault. */
  isBack: boolean
}

/** One round of the job: bring a lab up, replay scenarios on it, take the lab down. */
export interface RunEvent {
  kind: 'run'
  at: number
  ms: number
  round: number
  rounds: number
  lab: string
  backend: string
  filters: string[]
  /** The parts of bringing the lab up, and those of further labs, by the clock of the first. */
  timings: Timing[]
  /** The time in which the scenarios ran; absent when the lab did not come up. */
  replay?: { at: number; ms: number }
  /** Exit code: 0 every scenario holds, 1 a scenario failed, 2 the lab did not come up or was lost. */
  code: number
  /** Reason for code 2. */
  message?: string
  machine: { cores: number; memoryBytes: number; kernel: string; node: string }
}

/** Environment variable with the name of the subject; kit/subject.ts sets it for vitest. */
export const subjectNameVariable = 'MULTIHOST_SUBJECT_NAME'
/** Name of our own driver, the subject when none is chosen. */
export const ownDriver = 'vxlan'

const file = (): string => join(reportFolder(), 'events.jsonl')

export function recordEvent(event: Event): void {
  const subject = process.env[subjectNameVariable] ?? ownDriver
  appendFileSync(file(), `${JSON.stringify({ subject, ...event })}\n`)
}

/** In the order in which they were recorded; empty when there is no file. */
export function recordedEvents(): Event[] {
  if (!existsSync(file())) return []
  const lines = readFileSync(file(), 'utf8').split('\n')
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as Event)
}
