/**
 * Records one round of the job and writes the report when the round has ended. A run of many rounds that is
 * killed leaves the report of its complete rounds.
 */
import { cpus, release, totalmem } from 'node:os'
import { relative } from 'node:path'
import type { Timing } from '../../provision/cli/progress.ts'
import { explain } from '../../provision/process/errors.ts'
import { type RunEvent, recordEvent, recordedEvents } from '../record/events.ts'
import { reportFolder } from '../record/folder.ts'
import { lastRound } from './rounds.ts'
import { totalOf } from './time.ts'
import { writeReport } from './write.ts'

export type RoundFacts = Pick<RunEvent, 'round' | 'rounds' | 'lab' | 'backend' | 'filters'>

export interface Round {
  /** A lab is up and its scenarios begin; a run can have several. `timings`: the parts of bringing it up. */
  labIsUp(timings: Timing[]): void
  /** The scenarios have ended and the teardown begins. */
  scenariosEnded(): void
}

/** Runs the round and writes the report, also when it throws. Resolves with the exit code, 0 or 1. */
export async function reportedRound(
  facts: RoundFacts,
  body: (round: Round) => Promise<number>,
): Promise<number> {
  const at = Date.now()
  const run: Omit<RunEvent, 'ms' | 'code'> = { kind: 'run', at, ...facts, timings: [], machine: machine() }
  let firstBegan: number | undefined
  const round: Round = {
    labIsUp(timings) {
      const now = Date.now()
      const began = now - totalOf(timings)
      firstBegan ??= began
      run.timings = [...run.timings, ...later(timings, began - firstBegan)]
      run.replay ??= { at: now, ms: 0 }
    },
    scenariosEnded() {
      if (run.replay) run.replay.ms = Date.now() - run.replay.at
    },
  }
  const end = (code: number, message?: string) => {
    recordEvent({ ...run, ms: Date.now() - at, code, ...(message !== undefined && { message }) })
    writeReport()
    console.log(
      `${code === 0 ? 'report' : 'report and evidence'}: ${relative('', reportFolder())}/index.html`,
    )
  }
  try {
    const code = await body(round)
    end(code, code === 0 ? undefined : unexplained())
    return code
  } catch (error) {
    end(2, explain(error))
    throw error
  }
}

/** Of a further lab, by the first one's clock and without its total. */
function later(timings: readonly Timing[], ms: number): readonly Timing[] {
  if (ms === 0) return timings
  return timings
    .filter(({ title }) => title !== 'total')
    .map((timing) => ({ ...timing, atMs: timing.atMs + ms }))
}

/** vitest can fail without a failed scenario; the report must not look like a pass then. */
function unexplained(): string | undefined {
  const isExplained = lastRound(recordedEvents()).some(
    (event) => event.kind === 'scenario' && event.state === 'failed',
  )
  return isExplained ? undefined : 'vitest failed, but no scenario did: see its output on the terminal'
}

function machine(): RunEvent['machine'] {
  return { cores: cpus().length, memoryBytes: totalmem(), kernel: release(), node: process.versions.node }
}
