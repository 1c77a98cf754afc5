/** Finds the network of the cluster that a container is configured for. Pure. */
import type { HostName, NetworkId, Snapshot } from '../../core/records.ts'
import { networkIdOnHost } from '../../core/snapshot.ts'
import type { ConfiguredContainer } from '../../engine/engine.ts'

/**
 * By Docker's id. A container that never ran has no id of its network, and a container that is older than this host's
 * copy has the id of an earlier copy: those are known by the network's name. `others`: Docker's ids of networks that the
 * engine has and that are not the cluster's.
 */
export function networkOf(
  snapshot: Snapshot,
  host: HostName,
  { id, name }: Pick<ConfiguredContainer['networks'][number], 'id' | 'name'>,
  others: ReadonlySet<string>,
): NetworkId | undefined {
  const mapped = id === '' ? undefined : networkIdOnHost(snapshot, host, id)
  if (mapped !== undefined || others.has(id)) return mapped
  const claimed = snapshot['network-names'].get(name)?.value
  if (claimed !== undefined && snapshot.networks.has(claimed)) return claimed
  // `docker create --network ID`
  return networkIdOnHost(snapshot, host, name)
}
