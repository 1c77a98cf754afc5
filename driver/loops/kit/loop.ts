/**
 * A loop of the driver: one lane, poked by events and by a slow tick, so that a lost event costs seconds at most.
 */

import type { Log } from '../../log.ts'
import { createWorkQueue, limitOf, type WorkQueueStatus } from './work-queue.ts'

export interface Loop {
  poke(): void
  status(): WorkQueueStatus
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
  work(): Promise<void>
  onRun?: ((run: LoopRun) => void) | undefined
}

export function startLoop({ name, everyMs, log, work, onRun }: LoopOptions): Loop {
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
      await work()
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
  const timer = setInterval(poke, everyMs)
  poke()
  return {
    poke,
    status: own.status,
    async close() {
      clearInterval(timer)
      await own.close()
    },
  }
}
