/**
 * The engine's events, turned into pokes of the loops, for as long as the driver runs.
 *
 * A full look follows every connection. It finds the changes whose events the driver missed.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { Engine, EngineEvent } from '../../engine/engine.ts'
import type { Log } from '../../log.ts'

export interface EventsOptions {
  engine: Pick<Engine, 'events'>
  /** After the stream is open, or after it was lost: look at everything. */
  onGap(): void
  onEvent(event: EngineEvent): void
  log: Log
  pauseMs?: number
}

export interface EventsLoop {
  close(): Promise<void>
}

export function followEvents({ engine, onGap, onEvent, log, pauseMs = 500 }: EventsOptions): EventsLoop {
  const stop = new AbortController()
  let complained = false

  const once = async (): Promise<void> => {
    const stream = engine.events(stop.signal)[Symbol.asyncIterator]()
    // The request is on its way before the look that this causes.
    const first = stream.next()
    onGap()
    for (let next = await first; next.done !== true; next = await stream.next()) {
      complained = false
      onEvent(next.value)
    }
  }
  const forever = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      await once().catch((err: unknown) => {
        if (stop.signal.aborted) return
        log[complained ? 'debug' : 'warn']({ err }, 'the engine’s events are lost, listening again')
        complained = true
      })
      // Aborted while it sleeps: the loop ends.
      await delay(pauseMs, undefined, { signal: stop.signal }).catch(() => undefined)
    }
  }
  const running = forever()
  return {
    async close() {
      stop.abort()
      await running
    },
  }
}
