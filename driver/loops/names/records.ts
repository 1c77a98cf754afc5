/**
 * The lines of each network in hosts files, computed on demand and cached until the network changes.
 */

import { type NameRecord, recordsFor } from '../../core/names.ts'
import type { NetworkId } from '../../core/records.ts'
import { networkOfKey } from '../../core/snapshot.ts'
import type { ChangedKey, Store } from '../../store/store.ts'

export interface NameRecords {
  /** `shortIds`: with the containers' short ids. */
  of(network: NetworkId, shortIds: boolean): readonly NameRecord[]
  close(): void
}

export function keepNameRecords(store: Pick<Store, 'snapshot' | 'onChange'>): NameRecords {
  const known = new Map<string, readonly NameRecord[]>()
  const close = store.onChange((_, keys) => {
    for (const network of networksOf(keys)) {
      for (const shortIds of [true, false]) known.delete(keyOf(network, shortIds))
    }
  })
  return {
    of(network, shortIds) {
      const key = keyOf(network, shortIds)
      const records = known.get(key) ?? recordsFor(store.snapshot(), network, shortIds)
      known.set(key, records)
      return records
    },
    close,
  }
}

function keyOf(network: NetworkId, shortIds: boolean): string {
  return `${network} ${shortIds}`
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
