/**
 * A value that is computed from tables of the store, and again only when one of them has changed.
 *
 * A table of the snapshot is the same object until then, so that a look costs a few comparisons.
 */
import type { Snapshot } from '../../core/records.ts'
import type { Store } from '../../store/store.ts'

/** Returns a function that returns the value: the same object while the tables are the same. */
export function computedFrom<Value>(
  store: Pick<Store, 'snapshot'>,
  tables: readonly (keyof Snapshot)[],
  compute: (snapshot: Snapshot) => Value,
): () => Value {
  let last: { madeFrom: unknown[]; value: Value } | undefined
  return () => {
    const snapshot = store.snapshot()
    const isSame = last !== undefined && tables.every((table, i) => last?.madeFrom[i] === snapshot[table])
    if (last === undefined || !isSame)
      last = { madeFrom: tables.map((table) => snapshot[table]), value: compute(snapshot) }
    return last.value
  }
}
