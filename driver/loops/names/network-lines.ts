/**
 * The lines of each network in hosts files, computed on demand and cached until the network changes, or the
 * hosts that are away.
 */

import { type NameRecord, recordsFor, type Zone, zoneOf } from '../../core/names.ts'
import type { HostName, NetworkId } from '../../core/records.ts'
import type { Store } from '../../store/store.ts'
import { changedNetworks } from '../kit/changed-networks.ts'

/** A change in them can touch the names of its network. */
export const tablesOfNames = ['networks', 'endpoints', 'services'] as const

export interface NameRecords {
  /** `shortIds`: with the containers' short ids. */
  of(network: NetworkId, shortIds: boolean): readonly NameRecord[]
  /** The same names, for lookups of single ones. */
  zone(network: NetworkId): Zone | undefined
  close(): void
}

/** `away`: hosts that cannot be reached; another set after each change. */
export function keepNameRecords(
  store: Pick<Store, 'snapshot' | 'onChange'>,
  away: () => ReadonlySet<HostName>,
): NameRecords {
  const known = new Map<string, readonly NameRecord[]>()
  let knownAway = away()
  const close = store.onChange((_, keys) => {
    for (const network of changedNetworks(keys, tablesOfNames)) {
      for (const shortIds of [true, false]) known.delete(keyOf(network, shortIds))
    }
  })
  return {
    of(network, shortIds) {
      if (away() !== knownAway) known.clear()
      knownAway = away()
      const key = keyOf(network, shortIds)
      const records = known.get(key) ?? recordsFor(store.snapshot(), network, shortIds, knownAway)
      known.set(key, records)
      return records
    },
    zone: (network) => zoneOf(store.snapshot(), network, away()),
    close,
  }
}

function keyOf(network: NetworkId, shortIds: boolean): string {
  return `${network} ${shortIds}`
}
