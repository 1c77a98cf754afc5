/**
 * Whether a call comes from the driver's own engine. A second dockerd of the machine, or one in a container
 * with the folder /run/docker/plugins, finds the same socket and calls like the first. Its networks are its
 * own.
 */
import type { Engine } from '../engine/engine.ts'
import type { VerbContext } from '../verbs/context.ts'
import { within } from '../within.ts'

/** The engine waits for the call that is asked about. */
const boundMs = 1000

export function engineHas(engine: Pick<Engine, 'network'>): VerbContext['engineHas'] {
  return async (network) => {
    try {
      return await within(
        engine.network(network).then((found) => found !== undefined),
        boundMs,
      )
    } catch {
      // It is not there, or refuses to answer.
      return undefined
    }
  }
}
