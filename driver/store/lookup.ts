/**
 * One record of a store, with the difference between gone and not known.
 */
import { absentFromStore, type Known } from '../core/knowledge.ts'
import type { Snapshot, Table, Tables } from '../core/records.ts'
import type { StoreStatus } from './store.ts'

export function lookupIn<T extends Table>(
  snapshot: Snapshot,
  { corrupt, doubt }: Pick<StoreStatus, 'corrupt' | 'doubt'>,
  table: T,
  key: string,
): Known<Tables[T]> {
  // The record comes from the table that is named.
  const record = snapshot[table].get(key) as { value: Tables[T]; index: number } | undefined
  if (record !== undefined) return { is: 'known', ...record }
  if (isUnreadable({ corrupt }, table, key)) return { is: 'unknown', why: 'its value cannot be read' }
  if (doubt !== undefined) return { is: 'unknown', why: doubt.why }
  return { is: 'gone', proof: absentFromStore(table, key) }
}

/** Keys of a table whose values cannot be read. What they claim (an address, a VNI, a pool) is not free. */
export function unreadableKeys({ corrupt }: Pick<StoreStatus, 'corrupt'>, table: Table): Set<string> {
  return new Set(corrupt.flatMap((it) => (it.table === table ? [it.key] : [])))
}

/** The store has the key, and its value cannot be read. */
export function isUnreadable({ corrupt }: Pick<StoreStatus, 'corrupt'>, table: Table, key: string): boolean {
  return corrupt.some((it) => it.table === table && it.key === key)
}
