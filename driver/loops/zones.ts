/**
 * The names of each network, computed when somebody asks and kept until the network changes.
 */
import type { NetworkId } from '../core/model.ts'
import { type NameRecord, recordsFor, type Zone, zoneOf } from '../core/names.ts'
import { networkById, networkOfKey } from '../core/snapshot.ts'
import type { ChangedKey, Store } from '../store/store.ts'

export interface Zones {
  records(network: NetworkId): readonly NameRecord[]
  /** Undefined while the network is not there, or has no name yet. */
  zone(network: NetworkId): Zone | undefined
  close(): void
}

interface Known {
  records: readonly NameRecord[]
  zone: Zone | undefined
}

export function openZones(store: Pick<Store, 'snapshot' | 'onChange'>): Zones {
  const known = new Map<NetworkId, Known>()
  const of = (network: NetworkId): Known => {
    const existing = known.get(network)
    if (existing !== undefined) return existing
    const snapshot = store.snapshot()
    const records = recordsFor(snapshot, network)
    const value = networkById(snapshot, network)?.value
    const made = { records, zone: value === undefined ? undefined : zoneOf(value, records) }
    known.set(network, made)
    return made
  }
  const close = store.onChange((_, keys) => {
    for (const network of networksOf(keys)) known.delete(network)
  })
  return { records: (network) => of(network).records, zone: (network) => of(network).zone, close }
}

/** Networks whose names a change can touch. */
export function networksOf(keys: readonly ChangedKey[]): Set<NetworkId> {
  const touched = new Set<NetworkId>()
  for (const { table, key } of keys) {
    if (table === 'networks') touched.add(key)
    if (table === 'endpoints' || table === 'services') touched.add(networkOfKey(key))
  }
  return touched
}
