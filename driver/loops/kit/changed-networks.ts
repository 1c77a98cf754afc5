import type { NetworkId } from '../../core/records.ts'
import { networkOfKey } from '../../core/snapshot.ts'
import type { ChangedKey } from '../../store/store.ts'

/** Tables whose keys are a network's id, or begin with it. */
type NetworkTable = 'networks' | 'endpoints' | 'services'

/** Networks with a changed record in one of these tables. */
export function changedNetworks(
  keys: readonly ChangedKey[],
  tables: readonly NetworkTable[],
): Set<NetworkId> {
  const ofTables = keys.filter(({ table }) => tables.some((it) => it === table))
  return new Set(ofTables.map(({ table, key }) => (table === 'networks' ? key : networkOfKey(key))))
}
