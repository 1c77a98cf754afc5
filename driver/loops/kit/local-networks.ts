/**
 * This host's networks as the engine has them, with their endpoints, in the words of
 * core/endpoints/docker-state.ts.
 */

import { defined } from '../../core/defined.ts'
import type { DockerNetwork } from '../../core/endpoints/docker-state.ts'
import { canonicalCidr, isCidr } from '../../core/ip.ts'
import { type HostName, replicaOption, type Snapshot } from '../../core/records.ts'
import { networkIdOnHost } from '../../core/snapshot.ts'
import type { Engine, EngineNetwork } from '../../engine/engine.ts'

/** Asks the engine once per network; one that goes while we look is left out. */
export async function networksInDocker(
  engine: Pick<Engine, 'networks' | 'network'>,
  snapshot: () => Snapshot,
  host: HostName,
): Promise<DockerNetwork[]> {
  const here = await engine.networks()
  const whole = await Promise.all(here.map(({ id }) => engine.network(id)))
  return whole.filter((it) => it !== undefined).map((it) => dockerNetwork(snapshot(), host, it))
}

/** Undefined when the engine has no network with that id. */
export async function networkInDocker(
  engine: Pick<Engine, 'network'>,
  snapshot: () => Snapshot,
  host: HostName,
  localId: string,
): Promise<DockerNetwork | undefined> {
  const network = await engine.network(localId)
  return network === undefined ? undefined : dockerNetwork(snapshot(), host, network)
}

function dockerNetwork(snapshot: Snapshot, host: HostName, it: EngineNetwork): DockerNetwork {
  const network = networkIdOnHost(snapshot, host, it.id) ?? it.options[replicaOption]
  return defined({
    network,
    localId: it.id,
    name: it.name,
    pools: it.pools.map(({ subnet }) => (isCidr(subnet) ? canonicalCidr(subnet) : subnet)),
    endpoints: it.endpoints.map(({ id, v4, v6, mac, container, name }) =>
      defined({
        ...{ id, v4, v6, mac },
        // libnetwork's name for "in no sandbox"
        container: container === `ep-${id}` ? undefined : { id: container, name },
      }),
    ),
  })
}
