/**
 * What removed networks leave behind: the VNI that was given last, and the VNIs and pools that rest.
 *
 * A VNI or a pool rests while a host still has its replica of the removed network. Such a host is away or
 * slow: it has kernel entries of that network, and its frames must not reach another network's containers.
 * Kept in memory only. After a restart the newest claim in the store is the last VNI, and nothing rests.
 */
import type { Cidr, Network, NetworkId, Snapshot, Vni } from '../core/records.ts'
import type { Store } from '../store/store.ts'
import { vniAsked } from './network-options.ts'

export interface RemovedNetworks {
  /** The VNI that a network got last without `-o vni=`; undefined before the first. */
  lastVni(): Vni | undefined
  restingVnis(): Set<Vni>
  restingPools(): Cidr[]
}

export function followRemovedNetworks(store: Pick<Store, 'snapshot' | 'onChange'>): RemovedNetworks {
  let known = store.snapshot()
  let last = newestVni(known)
  const removed = new Map<NetworkId, Network>()
  store.onChange((snapshot, changed) => {
    for (const { table, key } of changed) {
      if (table !== 'networks') continue
      const before = known.networks.get(key)?.value
      const now = snapshot.networks.get(key)?.value
      if (now !== undefined && before === undefined && wasGiven(now)) last = now.vni
      if (now === undefined && before !== undefined) removed.set(key, before)
    }
    known = snapshot
    const mayEnd = changed.some(({ table }) => table === 'networks' || table === 'replicas')
    if (removed.size > 0 && mayEnd) forgetWithoutReplica(removed, snapshot)
  })
  const resting = (): Network[] => [...removed.values()]
  return {
    lastVni: () => last,
    restingVnis: () => new Set(resting().map(({ vni }) => vni)),
    restingPools: () =>
      resting().flatMap(({ v4, v6 }) => (v6 === undefined ? [v4.cidr] : [v4.cidr, v6.cidr])),
  }
}

function forgetWithoutReplica(removed: Map<NetworkId, Network>, { replicas }: Snapshot): void {
  const withReplica = new Set([...replicas.values()].map(({ value }) => value))
  for (const id of removed.keys()) if (!withReplica.has(id)) removed.delete(id)
}

function newestVni({ networks, vnis }: Snapshot): Vni | undefined {
  const given = [...vnis].filter(([, { value }]) => {
    const network = networks.get(value)?.value
    return network !== undefined && wasGiven(network)
  })
  const [newest] = given.sort(([, a], [, b]) => b.index - a.index)
  return newest === undefined ? undefined : Number(newest[0])
}

/** The driver chose the VNI. */
function wasGiven({ options }: Network): boolean {
  return vniAsked(options) === undefined
}
