/**
 * A loop: one work queue, poked by events and by a slow tick, so that a lost event costs seconds at most.
 */

import type { Log } from '../../log.ts'
import { createRunAgain } from './run-again.ts'
import { createWorkQueue, limitOf, type WorkQueueStatus } from './work-queue.ts'

export interface Loop {
  poke(): void
  /** Pokes in `ms` milliseconds. Of several times asked for, the earliest counts. */
  pokeAfter(ms: number): void
  status(): WorkQueueStatus
  /** No further run and no timer; resolves when the present run is over. */
  close(): Promise<void>
}

export interface LoopRun {
  loop: string
  ok: boolean
  durationMs: number
  /** Since it was asked for. */
  lagMs: number
}

export interface LoopOptions {
  name: string
  everyMs: number
  log: Log
  /** `loop`: this one, to ask for another run. */
  work(loop: Loop): Promise<void>
  /** Called before the pokes that are the loop's own: every `everyMs`, and by `pokeAfter`. */
  onTick?(): void
  onRun?: ((run: LoopRun) => void) | undefined
}

export function startLoop({ name, everyMs, log, work, onTick, onRun }: LoopOptions): Loop {
  let askedAt: number | undefined
  const run = async (): Promise<void> => {
    const start = performance.now()
    const asked = askedAt ?? start
    askedAt = undefined
    const report = (ok: boolean): void => {
      const end = performance.now()
      onRun?.({ loop: name, ok, durationMs: end - start, lagMs: end - asked })
    }
    try {
      await work(loop)
      report(true)
    } catch (error) {
      report(false)
      throw error
    }
  }
  const own = createWorkQueue({
    name: `the loop ${name}`,
    work: run,
    limit: limitOf(1),
    onFailure: (err, attempt) =>
      log[attempt === 1 ? 'warn' : 'debug']({ loop: name, attempt, err }, 'loop failed, again soon'),
  })
  const poke = (): void => {
    askedAt ??= performance.now()
    own.poke()
  }
  const tick = (): void => {
    onTick?.()
    poke()
  }
  const again = createRunAgain(tick)
  const timer = setInterval(tick, everyMs)
  const loop: Loop = {
    poke,
    pokeAfter: again.after,
    status: own.status,
    async close() {
      clearInterval(timer)
      await own.close()
      again.cancel()
    },
  }
  poke()
  return loop
}
