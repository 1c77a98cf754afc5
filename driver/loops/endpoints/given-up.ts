/**
 * Starts the containers that Docker gave up because this driver refused or did not answer.
 *
 * At boot Docker starts a container with a restart policy once. When that fails, the container stays down. Such a
 * container has a restart policy, has run before, and has an error of a plugin call as its last error; a container that
 * a person stopped has none. Each one is tried again with pauses that double.
 */
import { asDriverError } from '../../core/errors.ts'
import type { Engine, StoppedContainer } from '../../engine/engine.ts'
import type { Log } from '../../log.ts'
import { type Loop, startLoop } from '../kit/loop.ts'
import { createRetryBackoff } from '../kit/retry-backoff.ts'
import { createRunAgain } from '../kit/run-again.ts'

export interface GivenUpOptions {
  engine: Pick<Engine, 'stoppedContainers' | 'startContainer'>
  log: Log
  /** How often the engine is asked by itself. */
  everyMs?: number
}

const startedAtOnce = 4

export interface GivenUpLoop extends Loop {
  problems(): string[]
}

/** A loop of its own: a start takes seconds, and nothing else waits for it. */
export function startGivenUp({ engine, log, everyMs = 30_000 }: GivenUpOptions): GivenUpLoop {
  const failures = createRetryBackoff({ onNew: (container, message) => log.warn({ container }, message) })
  const again = createRunAgain(() => loop.poke())
  const startOne = async ({ id, name }: StoppedContainer): Promise<void> => {
    try {
      await engine.startContainer(id)
      log.info({ container: name }, 'started: Docker had given it up because of this driver')
    } catch (error) {
      const hint = `tried again by itself; docker start ${name}`
      failures.failed(id, `container ${name} does not start: ${asDriverError(error).message}; ${hint}`)
    }
  }
  const work = async (): Promise<void> => {
    const waiting = givenUp(await engine.stoppedContainers())
    failures.keep(new Set(waiting.map(({ id }) => id)))
    const due = waiting.filter(({ id }) => failures.mayTry(id))
    const lane = async (): Promise<void> => {
      for (let next = due.shift(); next !== undefined; next = due.shift()) await startOne(next)
    }
    await Promise.all(Array.from({ length: startedAtOnce }, lane))
    const nextInMs = failures.nextInMs()
    if (nextInMs !== undefined) again.after(nextInMs)
  }
  const loop: Loop = startLoop({ name: 'restarts', everyMs, log, work })
  return {
    ...loop,
    problems: failures.messages,
    async close() {
      again.cancel()
      await loop.close()
      again.cancel()
    },
  }
}

/** The containers of the list that Docker gave up because of this driver. */
export function givenUp(containers: readonly StoppedContainer[]): StoppedContainer[] {
  return containers.filter(
    ({ error, hasPolicy, hasRun }) => hasPolicy && hasRun && /\b(Ipam|Network)Driver\.\w+/.test(error),
  )
}
