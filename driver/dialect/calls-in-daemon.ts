/** The driver's calls as functions on its own store. */
import { defined } from '../core/defined.ts'
import { choosePool } from '../core/pools.ts'
import type { Cidr, HostName, NetworkId, Snapshot } from '../core/records.ts'
import { enginePoolsIn, routedInCluster } from '../core/routes.ts'
import { endpointsOf, hostsUsing, localIdOf, servicesOf, usesOfNetwork } from '../core/snapshot.ts'
import type { Engine } from '../engine/engine.ts'
import type { VerbContext } from '../verbs/context.ts'
import { claimedPools } from '../verbs/pool.ts'
import { serviceVerbs } from '../verbs/service.ts'
import { createTtlSet } from '../verbs/ttl-set.ts'
import type { Verbs } from '../verbs/verbs.ts'
import { type DriverCalls, type NetworkView, waitForNetworkMs } from './driver-calls.ts'
import { waitForNetwork } from './ready-network.ts'

export interface CallsInDaemonOptions {
  context: VerbContext
  verbs: Verbs
  engine: Pick<Engine, 'networks'>
  /** Name of the network of containers that name none. */
  defaultNetwork: string
}

/** A pool that was answered is not answered again for so long: the engine makes a network of it meanwhile. */
const chosenForMs = 5000

export function callsInDaemon({ context, verbs, engine, defaultNetwork }: CallsInDaemonOptions): DriverCalls {
  const { store, host, now } = context
  const chosen = createTtlSet<Cidr>(chosenForMs)
  return {
    async clusterNetworks() {
      const snapshot = store.snapshot()
      return {
        defaultNetwork,
        networks: viewNetworks(snapshot, host),
        claimed: [...snapshot.pools.keys()],
      }
    },
    waitForNetwork: (name, waitMs = waitForNetworkMs) =>
      waitForNetwork({ store, engine, host }, name, waitMs),
    async choosePool(refused) {
      const routed = routedInCluster(store.snapshot(), await context.routes())
      const pool = choosePool({
        sources: context.pools,
        claimed: claimedPools(store.snapshot(), store.status()),
        routed,
        ofEngines: enginePoolsIn(store.snapshot()),
        refused: [...refused, ...chosen.all()],
      })
      chosen.add(pool)
      return pool
    },
    services: serviceVerbs({ store, host, now, defaultNetwork }, verbs),
  }
}

function viewNetworks(snapshot: Snapshot, host: HostName): NetworkView[] {
  const all = [...snapshot.networks.values()].filter(({ value }) => !value.removing)
  return all.map(({ value: { id, name } }) =>
    defined({
      id,
      name,
      localId: localIdOf(snapshot, host, id),
      users: endpointsOf(snapshot, id).map(({ value: { host, container } }) => defined({ host, container })),
      stopped: stoppedElsewhere(snapshot, host, id),
      services: servicesOf(snapshot, id).map(({ value }) => value.name),
    }),
  )
}

function stoppedElsewhere(snapshot: Snapshot, host: HostName, id: NetworkId): NetworkView['stopped'] {
  const running = new Set(hostsUsing(snapshot, id))
  return [...usesOfNetwork(snapshot, id)]
    .filter(([other]) => other !== host && !running.has(other))
    .map(([other, { value }]) => ({ host: other, names: value.names }))
}
