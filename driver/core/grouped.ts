/**
 * A table's records by network, by host, by whatever a question is about: made once per table and carried along when
 * the table changes.
 *
 * Table and groups are persistent maps (immutable's, a hash trie): a change makes a new one that shares all but the
 * path to what changed. So a question about one network costs that network, and a change what has changed. The cache
 * hangs on the table itself, so it goes when the table goes.
 */
import { Map as PersistentMap } from 'immutable'

export type Table<V> = PersistentMap<string, V>
export type Groups<V> = PersistentMap<string, Table<V>>
/** The groups that a record is in. Must be pure and a constant of its module: the cache is found by it. */
export type GroupOf<V> = (key: string, record: V) => readonly string[]

const cache = new WeakMap<object, Map<unknown, unknown>>()

/** The records of one group, under their whole keys. */
export function group<V>(table: Table<V>, by: GroupOf<V>, name: string): Table<V> {
  return groups(table, by).get(name) ?? PersistentMap()
}

export function groups<V>(table: Table<V>, by: GroupOf<V>): Groups<V> {
  const known = cache.get(table)?.get(by)
  // What was stored under `by` was made by `by` from this very table.
  if (known !== undefined) return known as Groups<V>
  const made = regrouped(PersistentMap(), by, PersistentMap(), table, table.keys())
  remember(table, by, made)
  return made
}

/** Brings the groups that were made for `before` to `after`, which differs from it in `keys` alone. */
export function carryGroups<V>(before: Table<V>, after: Table<V>, keys: readonly string[]): void {
  for (const [by, made] of cache.get(before) ?? []) {
    remember(after, by, regrouped(made as Groups<V>, by as GroupOf<V>, before, after, keys))
  }
}

function regrouped<V>(
  made: Groups<V>,
  by: GroupOf<V>,
  before: Table<V>,
  after: Table<V>,
  keys: Iterable<string>,
): Groups<V> {
  return made.withMutations((next) => {
    const membersOf = (name: string): Table<V> => next.get(name) ?? PersistentMap()
    for (const key of keys) {
      const [old, now] = [before.get(key), after.get(key)]
      for (const name of old === undefined ? [] : by(key, old)) {
        const left = membersOf(name).delete(key)
        if (left.isEmpty()) next.delete(name)
        else next.set(name, left)
      }
      if (now === undefined) continue
      for (const name of by(key, now)) next.set(name, membersOf(name).set(key, now))
    }
  })
}

/** There is one empty map for all: what was remembered of an empty table would be another table's. */
function remember<V>(table: Table<V>, by: unknown, made: unknown): void {
  if (table.isEmpty()) return
  const known = cache.get(table) ?? new Map<unknown, unknown>()
  cache.set(table, known.set(by, made))
}
