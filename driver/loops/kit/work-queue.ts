/**
 * One thing that is brought to its desired state again and again, never twice at once.
 *
 * A poke asks for a run, which begins in a later turn of the event loop: a poke may come from a listener of the store,
 * and so from inside a verb's commit. The verb goes on first, and the order of listeners does not matter. Pokes that come
 * before the run begins share it; pokes that come during a run make one more run, so a burst costs two. A run that fails is
 * repeated with growing pauses until it succeeds. Whoever must wait for a state says so with `settled`, and gets the
 * outcome of a run that began after the call.
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
  /** Calls `ready` when all that others wait for is done, and may go on with what nobody waits for. */
  work(ready: () => void): Promise<void>
  /** How many lanes may run at once. */
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

export function createWorkQueue(options: WorkQueueOptions): WorkQueue {
  const { name, work, limit, minPauseMs = 100, maxPauseMs = 5000, onFailure } = options
  let asked = 0
  let begun = 0
  let failures = 0
  let lastError: unknown
  let pause: NodeJS.Timeout | undefined
  let running: Promise<void> | undefined
  let closed = false
  let waiters: Waiter[] = []

  const succeed = (run: number): void => {
    failures = 0
    lastError = undefined
    const done = waiters.filter((it) => it.run <= run)
    waiters = waiters.filter((it) => it.run > run)
    for (const waiter of done) waiter.resolve()
  }
  const fail = (error: unknown): void => {
    failures += 1
    lastError = error
    onFailure?.(error, failures)
    if (!closed) pause = setTimeout(poke, Math.min(maxPauseMs, minPauseMs * 2 ** (failures - 1)))
  }
  const once = async (): Promise<void> => {
    if (closed) return
    clearTimeout(pause)
    begun = asked
    const run = begun
    try {
      await work(() => succeed(run))
      succeed(run)
    } catch (error) {
      fail(error)
    }
  }
  const start = (): void => {
    if (closed || running !== undefined) return
    running = nextTurn()
      .then(() => limit(once))
      .finally(() => {
        running = undefined
        if (asked > begun) start()
      })
  }
  function poke(): void {
    asked += 1
    clearTimeout(pause)
    start()
  }

  return {
    poke,
    settled(boundMs) {
      return new Promise((resolve, reject) => {
        const timer = setTimeout(() => {
          waiters = waiters.filter((it) => it !== waiter)
          reject(lastError ?? new DriverError('unavailable', `${name} has not settled within ${boundMs} ms`))
        }, boundMs)
        const done = (): void => {
          clearTimeout(timer)
          resolve()
        }
        const waiter: Waiter = { run: asked + 1, resolve: done }
        waiters.push(waiter)
        poke()
      })
    },
    status: () => ({
      state: failures > 0 ? 'failing' : running === undefined ? 'idle' : 'running',
      lastError: lastError instanceof Error ? lastError.message : undefined,
    }),
    async close() {
      closed = true
      clearTimeout(pause)
      await running
    },
  }
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
