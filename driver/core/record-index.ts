/**
 * Indexes of a table's records: by network, by host, by address. An index is built once per table and carried
 * along when the table changes.
 *
 * Tables and indexes are persistent maps (hash tries of the `immutable` library): a change makes a new map
 * that shares everything but the path to the changed record. A look-up costs what it returns, a change costs
 * what changed. The cache is keyed by the table, so that an index is collected with its table.
 */
import { Map as PersistentMap } from 'immutable'

export type Table<V> = PersistentMap<string, V>
/** Index key → the records that have it, under their keys in the table. */
export type RecordIndex<V> = PersistentMap<string, Table<V>>
/** The index keys of a record. Must be pure, and a constant of its module: the function identifies the index. */
export type IndexKeys<V> = (key: string, record: V) => readonly string[]

const cache = new WeakMap<object, Map<unknown, unknown>>()

/** The records with this index key, under their keys in the table. */
export function lookUp<V>(table: Table<V>, by: IndexKeys<V>, indexKey: string): Table<V> {
  return indexOf(table, by).get(indexKey) ?? PersistentMap()
}

/** The whole index; built at the first call for this table. */
function indexOf<V>(table: Table<V>, by: IndexKeys<V>): RecordIndex<V> {
  const known = cache.get(table)?.get(by)
  // The cache holds under `by` only what `by` made from this table.
  if (known !== undefined) return known as RecordIndex<V>
  const made = updated(PersistentMap(), by, PersistentMap(), table, table.keys())
  remember(table, by, made)
  return made
}

/** Updates every index of `before` for `after`; the two tables differ in `keys` only. */
export function carryIndexes<V>(before: Table<V>, after: Table<V>, keys: readonly string[]): void {
  for (const [by, made] of cache.get(before) ?? []) {
    remember(after, by, updated(made as RecordIndex<V>, by as IndexKeys<V>, before, after, keys))
  }
}

function updated<V>(
  index: RecordIndex<V>,
  by: IndexKeys<V>,
  before: Table<V>,
  after: Table<V>,
  keys: Iterable<string>,
): RecordIndex<V> {
  return index.withMutations((next) => {
    const recordsAt = (indexKey: string): Table<V> => next.get(indexKey) ?? PersistentMap()
    for (const key of keys) {
      const old = before.get(key)
      const now = after.get(key)
      for (const indexKey of old === undefined ? [] : by(key, old)) {
        const left = recordsAt(indexKey).delete(key)
        if (left.isEmpty()) next.delete(indexKey)
        else next.set(indexKey, left)
      }
      if (now === undefined) continue
      for (const indexKey of by(key, now)) next.set(indexKey, recordsAt(indexKey).set(key, now))
    }
  })
}

/** Empty tables are not cached: `immutable` has one empty map, which all empty tables share. */
function remember<V>(table: Table<V>, by: unknown, made: unknown): void {
  if (table.isEmpty()) return
  const known = cache.get(table) ?? new Map<unknown, unknown>()
  cache.set(table, known.set(by, made))
}
