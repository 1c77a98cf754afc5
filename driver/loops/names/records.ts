/**
 * The lines of each network in hosts files, computed on demand and cached until the network changes.
 */

import { type NameRecord, recordsFor } from '../../core/names.ts'
import type { NetworkId } from '../../core/records.ts'
import { networkOfKey } from '../../core/snapshot.ts'
import type { ChangedKey, Store } from '../../store/store.ts'

export interface NameRecords {
  of(network: NetworkId): readonly NameRecord[]
  close(): void
}

export function keepNameRecords(store: Pick<Store, 'snapshot' | 'onChange'>): NameRecords {
  const known = new Map<NetworkId, readonly NameRecord[]>()
  const close = store.onChange((_, keys) => {
    for (const network of networksOf(keys)) known.delete(network)
  })
  return {
    of(network) {
      const records = known.get(network) ?? recordsFor(store.snapshot(), network)
      known.set(network, records)
      return records
    },
    close,
  }
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
