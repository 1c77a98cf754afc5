/**
 * One round of the job as the report sees it: told when it is over, and the report written anew, so that a run of
 * many rounds that is killed leaves the report of those that were.
 */
import { cpus, release, totalmem } from 'node:os'
import { relative } from 'node:path'
import type { Timing } from '../../provision/cli/progress.ts'
import { explain } from '../../provision/process/errors.ts'
import { type RunEvent, tell, told } from '../record/events.ts'
import { reportFolder, root } from '../record/folder.ts'
import { lastRound } from './rounds.ts'
import { writeReport } from './write.ts'

export type RoundFacts = Pick<RunEvent, 'round' | 'rounds' | 'lab' | 'backend' | 'filters'>

export interface Round {
  /** What the lab was made of; from here on scenarios are replayed. */
  raised(timings: Timing[]): void
  /** The scenarios have ended; from here on the lab is taken down. */
  replayed(): void
}

/** Runs it and reports it, however it ends; resolves with its exit code, 0 or 1. */
export async function reportedRound(
  facts: RoundFacts,
  body: (round: Round) => Promise<number>,
): Promise<number> {
  const at = Date.now()
  const run: Omit<RunEvent, 'ms' | 'code'> = { kind: 'run', at, ...facts, timings: [], machine: machine() }
  const round: Round = {
    raised(timings) {
      run.timings = timings
      run.replay = { at: Date.now(), ms: 0 }
    },
    replayed() {
      if (run.replay) run.replay.ms = Date.now() - run.replay.at
    },
  }
  const end = (code: number, message?: string) => {
    tell({ ...run, ms: Date.now() - at, code, ...(message === undefined ? {} : { message }) })
    writeReport()
    console.log(
      `${code === 0 ? 'report' : 'report and evidence'}: ${relative(root, reportFolder())}/index.html`,
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

/** A runner that failed without a scenario that did must not look like a pass. */
function unexplained(): string | undefined {
  const failed = lastRound(told()).some((event) => event.kind === 'scenario' && event.state === 'failed')
  return failed ? undefined : 'vitest failed, though no scenario did: the terminal says why'
}

function machine(): RunEvent['machine'] {
  return { cores: cpus().length, memoryBytes: totalmem(), kernel: release(), node: process.versions.node }
}
