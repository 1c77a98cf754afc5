/**
 * Work as a tree of titled parts, with its progress: listr2's tree on a terminal, a line per event elsewhere;
 * and how long each part took.
 *
 * Parts that run together are all awaited before an error is passed on: cleaning up begins when nothing is
 * made any more.
 */
import { Listr, type ListrTask, PRESET_TIMER } from 'listr2'
import { checkInterrupted } from '../process/interruption.ts'

export type Work = { title: string } & (
  | { run: (say: (line: string) => void) => Promise<void> }
  /** A function is called when the part begins. */
  | { parts: Work[] | (() => Work[]); together?: boolean }
)

export interface Timing {
  /** Path of titles: `net-1 / boot`. */
  title: string
  /** When it began, since the start of `perform`. */
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
  // Without a terminal the lines of different hosts are mixed, so each has its whole path.
  const title = process.stdout.isTTY ? work.title : here.join(': ')
  if ('parts' in work) {
    const { parts, together = false } = work
    const options = { concurrent: together, exitOnError: !together }
    const list = () => (typeof parts === 'function' ? parts() : parts)
    return {
      title,
      task: (_, self) =>
        self.newListr(
          list().map((part) => task(part, here, clock, errors)),
          options,
        ),
    }
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
        await work.run(say).finally(checkInterrupted) // an interruption is the cause of other failures
      } catch (error) {
        errors.push(error)
        throw error
      } finally {
        const title = here.join(' / ')
        clock.timings.push({ title, atMs: start - clock.start, ms: performance.now() - start })
      }
    },
  }
}

/** Skips the parts after a failed one; listr2 itself goes on after a failed group that ran together. */
function guarded(tasks: ListrTask[], errors: unknown[]): ListrTask[] {
  return tasks.map((each) => ({ ...each, enabled: () => true, skip: () => errors.length > 0 }))
}

/** A table of times, the longest paths aligned: `net-1 / boot    812 ms`. */
export function timingTable(timings: readonly Timing[]): string {
  const width = Math.max(...timings.map(({ title }) => title.length))
  return timings.map(({ title, ms }) => `${title.padEnd(width)}  ${ms.toFixed(0).padStart(6)} ms`).join('\n')
}
