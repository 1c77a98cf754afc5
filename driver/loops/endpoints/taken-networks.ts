/**
 * Networks that the engine has taken from a container that does not run. Pure but for what it remembers.
 *
 * Engines from 29.0 on delete the container's entry for a network when its Join fails (moby's
 * connectToNetwork, daemon/container_operations.go). Without the entry the next start succeeds, and the
 * container runs without the network. What people chose for the connection goes with the entry: it is known
 * of containers that were seen before that start.
 */
import { isCalled } from '../../engine/docker-ids.ts'
import type { EngineNetwork, StoppedContainer } from '../../engine/engine.ts'
import { isOfJoin } from './docker-errors.ts'
import type { Reconnect } from './reconnects.ts'

export interface TakenNetworks {
  /** `found`: the containers that do not run. `starting`: ids of those that the engine may not describe now. */
  look(found: readonly StoppedContainer[], starting: ReadonlySet<string>): void
  /** The driver starts the container. */
  begins(container: StoppedContainer): void
  /** `here`: this driver's networks. Of a container that was not seen before, the network of its creation alone. */
  from(container: StoppedContainer, here: readonly EngineNetwork[]): Reconnect[]
}

type Configured = StoppedContainer['networks']

export function createTakenNetworks(): TakenNetworks {
  const seen = new Map<string, Configured>()
  return {
    look(found, starting) {
      const ids = new Set(found.map(({ id }) => id))
      for (const id of seen.keys()) if (!ids.has(id) && !starting.has(id)) seen.delete(id)
      for (const { id, error, networks } of found) {
        const before = seen.get(id)
        if (!isOfJoin(error)) seen.set(id, networks)
        // What the container has after the Join, a person may take away.
        else if (before !== undefined) seen.set(id, lackedBy(networks, before))
      }
    },
    begins: ({ id, networks }) => void seen.set(id, networks),
    from(container, here) {
      if (!isOfJoin(container.error)) return []
      const before = seen.get(container.id)
      const configured = before ?? ofMode(container, here)
      return lackedBy(container.networks, configured)
        .filter(({ name }) => here.some((it) => it.name === name))
        .map(({ name, connection }) => ({
          ...{ container, network: name, connection },
          isProven: before !== undefined,
        }))
    },
  }
}

function lackedBy(networks: Configured, before: Configured): Configured {
  return before.filter(({ name }) => !networks.some((it) => it.name === name))
}

function ofMode({ mode }: StoppedContainer, here: readonly EngineNetwork[]): Configured {
  const connection = { aliases: [], links: [], options: {}, linkLocal: [] }
  return here.filter((it) => isCalled(it, mode)).map(({ id, name }) => ({ name, id, connection }))
}
