/**
 * Work as a tree of titled parts, shown while it is done: listr2's living tree on a terminal, a line per event
 * elsewhere; and how long each part took.
 *
 * Parts that run together are all awaited before an error is passed on, so that nothing is still being made
 * when somebody begins to clean up.
 */
import { Listr, type ListrTask, PRESET_TIMER } from 'listr2'
import { checkInterrupted } from '../process/interruption.ts'

export type Work = { title: string } & (
  | { run: (say: (line: string) => void) => Promise<void> }
  | { parts: Work[]; together?: boolean }
)

export interface Timing {
  /** Path of titles: `net-1 / boot`. */
  title: string
  /** When it began, counted from the beginning of the whole. */
  atMs: number
  ms: number
}

export async function perform(works: Work[], options: { quiet?: boolean } = {}): Promise<Timing[]> {
  const timings: Timing[] = []
  const errors: unknown[] = []
  const start = performance.now()
  const tasks = works.map((work) => task(work, [], { start, timings }, errors))
  const quiet = options.quiet ? { renderer: 'silent' as const, fallbackRenderer: 'silent' as const } : loud
  const list = new Listr(guarded(tasks, errors), { ...shared, ...quiet, exitOnError: true })
  await list.run().catch((error) => {
    if (errors.length === 0) errors.push(error)
  })
  timings.push({ title: 'total', atMs: 0, ms: performance.now() - start })
  if (errors.length === 1) throw errors[0]
  if (errors.length > 1) throw new AggregateError(errors)
  return timings
}

const shared = { registerSignalListeners: false, forceTTY: false }
const loud = {
  renderer: 'default' as const,
  fallbackRenderer: 'simple' as const,
  rendererOptions: { timer: PRESET_TIMER, collapseSubtasks: false, showErrorMessage: false },
  fallbackRendererOptions: { timer: PRESET_TIMER },
}

interface Clock {
  start: number
  timings: Timing[]
}

function task(work: Work, path: string[], clock: Clock, errors: unknown[]): ListrTask {
  const here = [...path, work.title]
  // A line per event says the whole path, since the lines of different hosts are mixed.
  const title = process.stdout.isTTY ? work.title : here.join(': ')
  if ('parts' in work) {
    const parts = work.parts.map((part) => task(part, here, clock, errors))
    const options = { concurrent: work.together ?? false, exitOnError: !(work.together ?? false) }
    return { title, task: (_, self) => self.newListr(parts, options) }
  }
  return {
    title,
    task: async (_, self) => {
      const start = performance.now()
      const say = (line: string) => {
        self.output = line
      }
      try {
        checkInterrupted()
        await work.run(say).finally(checkInterrupted) // why it failed, when it was cut off
      } catch (error) {
        errors.push(error)
        throw error
      } finally {
        const [atMs, ms] = [start - clock.start, performance.now() - start]
        clock.timings.push({ title: here.join(' / '), atMs, ms })
      }
    },
  }
}

/** A part begins only while no earlier one has failed; listr2 goes on after a failed group that ran together. */
function guarded(tasks: ListrTask[], errors: unknown[]): ListrTask[] {
  return tasks.map((each) => ({ ...each, enabled: () => true, skip: () => errors.length > 0 }))
}

/** A table of times, the longest paths aligned: `net-1 / boot    812 ms`. */
export function timingTable(timings: readonly Timing[]): string {
  const width = Math.max(...timings.map(({ title }) => title.length))
  return timings.map(({ title, ms }) => `${title.padEnd(width)}  ${ms.toFixed(0).padStart(6)} ms`).join('\n')
}
