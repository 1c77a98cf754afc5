/**
 * One thing that is brought to its desired state again and again, never twice at once.
 *
 * A poke asks for a run, which begins in a later turn of the event loop: a poke may come from a listener of
 * the store, and so from inside a verb's commit. The verb goes on first, and the order of listeners does not
 * matter. Pokes that come before the run begins share it; pokes that come during a run make one more run, so
 * a burst costs two. A run that fails is repeated with growing pauses until it succeeds. `settled` waits for
 * a run that began after the call.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { DriverError } from '../../core/errors.ts'

export interface WorkQueue {
  poke(): void
  /** Rejects with the last error when no run that began after the call has succeeded within the bound. */
  settled(boundMs: number): Promise<void>
  status(): WorkQueueStatus
  /** No further run; resolves when the present one is over. */
  close(): Promise<void>
}

export interface WorkQueueStatus {
  state: 'idle' | 'running' | 'failing'
  lastError: string | undefined
}

export interface WorkQueueOptions {
  /** For messages: `network 4f2a…`. */
  name: string
  /** Calls `ready` when `settled` may resolve, and may go on with work that no caller waits for. */
  work(ready: () => void): Promise<void>
  /** Shared by the queues that may run at once. */
  limit: Limit
  /** First pause after a failure; doubles up to `maxPauseMs`. */
  minPauseMs?: number
  maxPauseMs?: number
  onFailure?(error: unknown, attempt: number): void
}

interface Waiter {
  run: number
  resolve(): void
}

interface State {
  readonly options: Required<Omit<WorkQueueOptions, 'onFailure'>> & Pick<WorkQueueOptions, 'onFailure'>
  /** Runs that were asked for; a run is named by its number. */
  asked: number
  /** The last run that has begun. */
  begun: number
  /** In a row. */
  failures: number
  lastError: unknown
  /** Until the next try after a failure. */
  pause: NodeJS.Timeout | undefined
  running: Promise<void> | undefined
  closed: boolean
  waiters: Waiter[]
}

export function createWorkQueue(options: WorkQueueOptions): WorkQueue {
  const state: State = {
    options: { minPauseMs: 100, maxPauseMs: 2000, ...options },
    asked: 0,
    begun: 0,
    failures: 0,
    lastError: undefined,
    pause: undefined,
    running: undefined,
    closed: false,
    waiters: [],
  }
  return {
    poke: () => poke(state),
    settled: (boundMs) => settled(state, boundMs),
    status: () => ({
      state: state.failures > 0 ? 'failing' : state.running === undefined ? 'idle' : 'running',
      lastError: state.lastError instanceof Error ? state.lastError.message : undefined,
    }),
    async close() {
      state.closed = true
      clearTimeout(state.pause)
      await state.running
    },
  }
}

function poke(state: State): void {
  state.asked += 1
  clearTimeout(state.pause)
  start(state)
}

function start(state: State): void {
  if (state.closed || state.running !== undefined) return
  state.running = nextTurn()
    .then(() => state.options.limit(() => runOnce(state)))
    .finally(() => {
      state.running = undefined
      if (state.asked > state.begun) start(state)
    })
}

async function runOnce(state: State): Promise<void> {
  if (state.closed) return
  clearTimeout(state.pause)
  state.begun = state.asked
  const run = state.begun
  try {
    await state.options.work(() => succeed(state, run))
    succeed(state, run)
  } catch (error) {
    fail(state, error)
  }
}

function succeed(state: State, run: number): void {
  state.failures = 0
  state.lastError = undefined
  const done = state.waiters.filter((it) => it.run <= run)
  state.waiters = state.waiters.filter((it) => it.run > run)
  for (const waiter of done) waiter.resolve()
}

function fail(state: State, error: unknown): void {
  const { minPauseMs, maxPauseMs, onFailure } = state.options
  state.failures += 1
  state.lastError = error
  if (state.closed) return
  onFailure?.(error, state.failures)
  const pauseMs = Math.min(maxPauseMs, minPauseMs * 2 ** (state.failures - 1))
  state.pause = setTimeout(() => poke(state), pauseMs)
}

function settled(state: State, boundMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      state.waiters = state.waiters.filter((it) => it !== waiter)
      const late = new DriverError(
        'unavailable',
        `${state.options.name} has not settled within ${boundMs} ms`,
      )
      reject(state.lastError ?? late)
    }, boundMs)
    const waiter: Waiter = {
      run: state.asked + 1,
      resolve() {
        clearTimeout(timer)
        resolve()
      },
    }
    state.waiters.push(waiter)
    poke(state)
  })
}

/** Runs at most so many at once, the others in the order they came. */
export type Limit = <T>(run: () => Promise<T>) => Promise<T>

export function limitOf(most: number): Limit {
  let free = most
  const queue: (() => void)[] = []
  return async (run) => {
    if (free > 0) free -= 1
    else await new Promise<void>((resolve) => queue.push(resolve))
    try {
      return await run()
    } finally {
      const next = queue.shift()
      if (next === undefined) free += 1
      else next()
    }
  }
}
