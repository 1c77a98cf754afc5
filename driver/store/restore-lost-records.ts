/**
 * Puts records back that Consul has lost: its data directory was wiped, or an old backup restored.
 *
 * An empty answer would otherwise mean that no network exists, and every host would take down what its containers
 * use. Every host puts back what it knows; only what is missing is created, so whoever comes first is right. What
 * came back too much (a container that ended meanwhile) is removed by its host, as after any failure.
 */
import { isCode } from '../core/errors.ts'
import type { Change, Snapshot } from '../core/records.ts'
import { tables } from '../core/snapshot.ts'
import type { ChangedKey, ConflictCause } from './store.ts'
import { splitIntoCommits } from './transaction-limits.ts'

/** Creates every record of the snapshot that is not present; says how many. */
export async function restoreLostRecords(
  snapshot: Snapshot,
  present: readonly ChangedKey[],
  create: (changes: readonly Change[]) => Promise<unknown>,
): Promise<number> {
  const there = new Set(present.map(({ table, key }) => `${table}/${key}`))
  const missing = tables.flatMap((table) =>
    [...snapshot[table]]
      .filter(([key]) => !there.has(`${table}/${key}`))
      // The value comes from the table that is named beside it.
      .map(([key, { value }]) => ({ op: 'create', table, key, value }) as Change),
  )
  for (const changes of splitIntoCommits(missing)) await createAll(changes, create)
  return missing.length
}

/** Without those that another host has put back meanwhile. */
async function createAll(
  changes: readonly Change[],
  create: (changes: readonly Change[]) => Promise<unknown>,
): Promise<void> {
  try {
    await create(changes)
  } catch (error) {
    if (!isCode(error, 'conflict')) throw error
    const { table, key } = error.cause as ConflictCause
    const rest = changes.filter((change) => change.table !== table || change.key !== key)
    if (rest.length > 0) await createAll(rest, create)
  }
}
