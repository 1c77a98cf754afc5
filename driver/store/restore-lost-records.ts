/**
 * Creates records again that Consul has lost, after its data directory was wiped or an old backup was
 * restored.
 *
 * Without this an empty answer would mean that no network exists, and every host would remove what its
 * containers use. Every host restores what it knows and creates only missing records, so the order of the
 * hosts does not matter. A record that is restored although its container has ended is removed by its host,
 * as after any failure.
 */
import { isCode } from '../core/errors.ts'
import type { Change, Snapshot } from '../core/records.ts'
import { tables } from '../core/snapshot.ts'
import type { ChangedKey, ConflictCause } from './store.ts'
import { splitIntoCommits } from './transaction-limits.ts'

/** Creates every record of the snapshot that is not in `present`. Returns their number. */
export async function restoreLostRecords(
  snapshot: Snapshot,
  present: readonly ChangedKey[],
  create: (changes: readonly Change[]) => Promise<unknown>,
): Promise<number> {
  const names = new Set(present.map(({ table, key }) => `${table}/${key}`))
  const missing = tables.flatMap((table) =>
    [...snapshot[table]]
      .filter(([key]) => !names.has(`${table}/${key}`))
      // The value comes from the table of that name.
      .map(([key, { value }]) => ({ op: 'create', table, key, value }) as Change),
  )
  for (const changes of splitIntoCommits(missing)) await createAll(changes, create)
  return missing.length
}

/** Leaves out the records that another host has restored meanwhile. */
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
