/**
 * Containers that Docker gave up because another one did not run, which it gave up because of this driver.
 * They share its network, IPC or PID namespace (`--network container:X`, `network_mode: service:x`), or have
 * a link to it. Docker tries them once at boot, too, and in no order (moby/moby#50326).
 *
 * Only containers that follow one which this loop has seen given up are followers: a container that a person
 * stopped, and its followers, are left alone.
 */

import { isIdOf } from '../../engine/docker-ids.ts'
import type { StoppedContainer } from '../../engine/engine.ts'
import { awaitedIn } from './docker-errors.ts'

export interface Followers {
  /** Docker has given these containers up because of this driver. */
  leads(containers: readonly StoppedContainer[]): void
  /** Whether a container was given up, and runs again since a moment ago or not yet. */
  mayBeAny(): boolean
  /** Of all containers that do not run, those whose leader runs again. */
  among(stopped: readonly StoppedContainer[]): StoppedContainer[]
}

/** Docker may still be about to try a container when its leader runs. */
const followsForMs = 2 * 60_000

interface Leader {
  name: string
  runsSince?: number
}

export function createFollowers(): Followers {
  const now = (): number => performance.now()
  const leaders = new Map<string, Leader>()
  const forgetOld = (): void => {
    for (const [id, { runsSince = now() }] of leaders)
      if (now() - runsSince > followsForMs) leaders.delete(id)
  }
  return {
    leads(containers) {
      for (const { id, name } of containers) leaders.set(id, { name })
    },
    mayBeAny() {
      forgetOld()
      return leaders.size > 0
    },
    among(stopped) {
      const running = [...leaders].filter(([leader]) => !stopped.some(({ id }) => id === leader))
      for (const [, it] of running) it.runsSince ??= now()
      return stopped.filter(({ error, hasPolicy, hasRun }) => {
        const awaited = awaitedIn(error)
        const isAwaited = ([id, { name }]: [string, Leader]) =>
          name === awaited || (awaited !== undefined && isIdOf(id, awaited))
        return hasPolicy && hasRun && running.some(isAwaited)
      })
    },
  }
}
