/**
 * A table's records by network or by host, made once per table and carried along when the table changes.
 *
 * With it a question about one network costs that network: a change copies the group it is in, and the list of
 * groups, not the records of all others. The cache hangs on the table itself, so it goes when the table goes.
 */

export type Table<V> = ReadonlyMap<string, V>
export type Groups<V> = ReadonlyMap<string, Table<V>>
/** Must be pure and a constant of its module: the cache is found by it. */
export type GroupOf<V> = (key: string, record: V) => string

const none: ReadonlyMap<string, never> = new Map<string, never>()
const cache = new WeakMap<object, Map<unknown, Groups<unknown>>>()

/** The records of one group, under their whole keys. */
export function group<V>(table: Table<V>, by: GroupOf<V>, name: string): Table<V> {
  return groups(table, by).get(name) ?? none
}

export function groups<V>(table: Table<V>, by: GroupOf<V>): Groups<V> {
  const known = cache.get(table)?.get(by)
  // What was stored under `by` was made by `by` from this very table.
  if (known !== undefined) return known as Groups<V>
  const made = new Map<string, Map<string, V>>()
  for (const [key, record] of table) {
    const name = by(key, record)
    const members = made.get(name) ?? new Map<string, V>()
    made.set(name, members.set(key, record))
  }
  remember(table, by, made)
  return made
}

/** Brings the groups that were made for `before` to `after`, which differs from it in `keys` alone. */
export function carryGroups<V>(before: Table<V>, after: Table<V>, keys: readonly string[]): void {
  for (const [by, made] of cache.get(before) ?? []) {
    remember(after, by, regroup(made as Groups<V>, by as GroupOf<V>, before, after, keys))
  }
}

function regroup<V>(
  made: Groups<V>,
  by: GroupOf<V>,
  before: Table<V>,
  after: Table<V>,
  keys: readonly string[],
): Groups<V> {
  const next = new Map(made)
  const copied = new Map<string, Map<string, V>>()
  const membersOf = (name: string): Map<string, V> => {
    const members = copied.get(name) ?? new Map(made.get(name) ?? [])
    copied.set(name, members)
    next.set(name, members)
    return members
  }
  for (const key of keys) {
    const [old, now] = [before.get(key), after.get(key)]
    if (old !== undefined) membersOf(by(key, old)).delete(key)
    if (now !== undefined) membersOf(by(key, now)).set(key, now)
  }
  for (const [name, members] of copied) if (members.size === 0) next.delete(name)
  return next
}

function remember<V>(table: Table<V>, by: unknown, made: Groups<V>): void {
  const known = cache.get(table) ?? new Map<unknown, Groups<unknown>>()
  cache.set(table, known.set(by, made))
}
