/**
 * Which networks this host's containers are configured for, stopped containers too: the table `uses`. Pure.
 *
 * A stopped container has no endpoint, so without these records a `docker network prune` on another host
 * would remove its network from the cluster.
 */
import type { Known } from '../../core/knowledge.ts'
import { isOneWord } from '../../core/names.ts'
import type { Change, HostName, Network, NetworkId, Snapshot, Use } from '../../core/records.ts'
import { keyIn, usesOn } from '../../core/snapshot.ts'
import type { ConfiguredContainer } from '../../engine/engine.ts'
import type { ChangedKey } from '../../store/store.ts'
import { mayHideNetworks, networkOf } from '../kit/configured-network.ts'

export interface UsesView {
  snapshot: Snapshot
  host: HostName
  containers: readonly ConfiguredContainer[]
  /** Docker's ids of networks that the engine has and that are not the cluster's. */
  others: ReadonlySet<string>
  lookup(network: NetworkId): Known<Network>
  /** Records whose values cannot be read (`StoreStatus.corrupt`). */
  corrupt: readonly ChangedKey[]
}

/** Names of containers in a record: enough for a message, few enough for a store. A long name is left out. */
const maxNames = 5

export function planUses(view: UsesView): Change[] {
  const { snapshot, host, lookup } = view
  const wanted = usesOf(view)
  const present = usesOn(snapshot, host)
  const changes = [...wanted].flatMap(([network, value]): Change[] => {
    const key = keyIn(host, network)
    const record = present.get(network)
    if (record === undefined) return [{ op: 'create', table: 'uses', key, value }]
    if (isSame(record.value, value)) return []
    return [{ op: 'update', table: 'uses', key, value: { ...record.value, ...value }, index: record.index }]
  })
  if (mayHideNetworks(view.corrupt, host)) return changes
  const removals = [...present].flatMap(([network, { index }]): Change[] => {
    if (wanted.has(network) || lookup(network).is === 'unknown') return []
    return [{ op: 'remove', table: 'uses', key: keyIn(host, network), index }]
  })
  return [...changes, ...removals]
}

function usesOf({ snapshot, host, containers, others }: UsesView): Map<NetworkId, Use> {
  const names = new Map<NetworkId, string[]>()
  for (const container of containers) {
    for (const at of container.networks) {
      const network = networkOf(snapshot, host, at, others)
      if (network !== undefined) names.set(network, [...(names.get(network) ?? []), container.name])
    }
  }
  const use = (all: string[]): Use => ({
    containers: all.length,
    names: all.filter(isOneWord).sort().slice(0, maxNames),
  })
  return new Map([...names].map(([network, all]) => [network, use(all)]))
}

function isSame(a: Use, b: Use): boolean {
  return a.containers === b.containers && a.names.join('\n') === b.names.join('\n')
}
