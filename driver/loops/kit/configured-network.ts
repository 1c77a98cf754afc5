/** Finds the network of the cluster that a container is configured for. */
import { type HostName, type NetworkId, replicaOption, type Snapshot } from '../../core/records.ts'
import { isReplicaOn, networkIdOnHost, replicasOn } from '../../core/snapshot.ts'
import { isIdOf } from '../../engine/docker-ids.ts'
import type { ConfiguredContainer, Engine } from '../../engine/engine.ts'
import type { ChangedKey } from '../../store/store.ts'

/**
 * By Docker's id. A container that never ran has no id of its network, and a container that is older than
 * this host's copy has the id of an earlier copy: those are known by the network's name. `others`: Docker's
 * ids of networks that the engine has and that are not the cluster's.
 */
export function networkOf(
  snapshot: Snapshot,
  host: HostName,
  { id, name }: Pick<ConfiguredContainer['networks'][number], 'id' | 'name'>,
  others: ReadonlySet<string>,
): NetworkId | undefined {
  const mapped = id === '' ? undefined : networkIdOnHost(snapshot, host, id)
  if (mapped !== undefined || others.has(id)) return mapped
  return networkNamed(snapshot, host, name)
}

/**
 * True while a record cannot be read by which a container's network is found: whether a network has
 * containers here is then not known.
 */
export function mayHideNetworks(corrupt: readonly ChangedKey[], host: HostName): boolean {
  return corrupt.some((at) => at.table === 'network-names' || isReplicaOn(at, host))
}

/** By what a person wrote after `--network`: its name, Docker's id, or the start of the id that Docker prints. */
export function networkNamed(snapshot: Snapshot, host: HostName, name: string): NetworkId | undefined {
  const claimed = snapshot['network-names'].get(name)?.value
  if (claimed !== undefined && snapshot.networks.has(claimed)) return claimed
  const ofId = networkIdOnHost(snapshot, host, name)
  if (ofId !== undefined || !/^[0-9a-f]{12,63}$/.test(name)) return ofId
  return [...replicasOn(snapshot, host)].find(([id]) => isIdOf(id, name))?.[1]
}

/**
 * Docker's ids of networks that the containers are on, and that are not the cluster's though the cluster has
 * the name.
 */
export async function otherNetworks(
  snapshot: Snapshot,
  host: HostName,
  containers: readonly ConfiguredContainer[],
  engine: Pick<Engine, 'network'>,
): Promise<Set<string>> {
  const doubtful = containers
    .flatMap(({ networks }) => networks)
    .filter(({ id }) => id !== '' && !snapshot.replicas.has(`${host}/${id}`) && !snapshot.networks.has(id))
    .filter((at) => networkOf(snapshot, host, at, new Set()) !== undefined)
  const others = new Set<string>()
  for (const id of new Set(doubtful.map(({ id }) => id))) {
    const found = await engine.network(id)
    // A copy that lost its replica's record says whose it is.
    if (found !== undefined && found.options[replicaOption] === undefined) others.add(id)
  }
  return others
}
