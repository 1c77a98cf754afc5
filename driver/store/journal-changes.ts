/**
 * What the journal's entries change in the store: one after the other, each on top of those before. Pure.
 *
 * The same changes make the commit and this host's own view of the records (journal.ts).
 */
import { createEndpoint } from '../core/endpoints/creation.ts'
import { asDriverError, DriverError } from '../core/errors.ts'
import { removeEndpoint } from '../core/record-changes.ts'
import type { Change, Endpoint, HostName, Ip, Snapshot } from '../core/records.ts'
import { type AnyDelta, applyDeltas, recordName } from '../core/snapshot.ts'
import { bytesOf } from './transaction-limits.ts'

/** An endpoint of this host as Docker wants it. */
export interface JournalEntry {
  /** NETWORK/ENDPOINT */
  key: string
  /** Undefined: Docker has deleted the endpoint. */
  value: Endpoint | undefined
  /** ISO 8601: when it was written. */
  at: string
  /** Addresses that a person requested (`--ip`). */
  asked: readonly Ip[]
}

export interface Folded {
  /** In one commit. Each key occurs once. */
  changes: Change[]
  /** The records with the changes. A record that is not in the store has index 0. */
  snapshot: Snapshot
  /** Entries that cannot be in the store: the address is another's, or the network is gone. */
  refused: { entry: JournalEntry; error: DriverError }[]
  /** How many of the entries are in `changes` or refused; the others do not fit. */
  count: number
}

/** Folds entries until their changes exceed `limit`; at least one entry. Without a limit all. */
export function fold(
  snapshot: Snapshot,
  host: HostName,
  entries: readonly JournalEntry[],
  limit?: { changes: number; bytes: number },
): Folded {
  const merged = new Map<string, Change>()
  const refused: Folded['refused'] = []
  let now = snapshot
  let count = 0
  let bytes = 0
  for (const entry of entries) {
    const changes = changesOrRefusal(now, host, entry)
    if (changes instanceof DriverError) {
      refused.push({ entry, error: changes })
    } else {
      if (limit !== undefined) {
        const fresh = changes.filter((change) => !merged.has(recordName(change)))
        bytes += changes.reduce((sum, change) => sum + bytesOf(change), 0)
        if (count > 0 && (merged.size + fresh.length > limit.changes || bytes > limit.bytes)) break
      }
      for (const change of changes) mergeInto(merged, change)
      now = applyDeltas(now, changes.flatMap(deltaOf))
    }
    count += 1
  }
  return { changes: [...merged.values()], snapshot: now, refused, count }
}

function changesOrRefusal(snapshot: Snapshot, host: HostName, entry: JournalEntry): Change[] | DriverError {
  try {
    return changesOf(snapshot, host, entry)
  } catch (error) {
    return asDriverError(error)
  }
}

/** Throws `taken` or `not-found` when the endpoint cannot be in the store. */
function changesOf(snapshot: Snapshot, host: HostName, { key, value, at, asked }: JournalEntry): Change[] {
  const record = snapshot.endpoints.get(key)
  if (record !== undefined && record.value.host !== host) return []
  if (value === undefined) return record === undefined ? [] : removeEndpoint(snapshot, record, at)
  if (record !== undefined) {
    if (isSame(record.value, value)) return []
    return [{ op: 'update', table: 'endpoints', key, value, index: record.index }]
  }
  return createEndpoint(snapshot, value, { asked, leaseAgainAt: at })
}

/** The first change of a key says which version it requires; the last one, what the record becomes. */
function mergeInto(merged: Map<string, Change>, change: Change): void {
  const name = recordName(change)
  const before = merged.get(name)
  if (before === undefined || before.op === 'expect') merged.set(name, change)
  else if (change.op === 'update' && (before.op === 'create' || before.op === 'update')) {
    merged.set(name, { ...before, value: change.value } as Change)
  } else if (change.op === 'remove' && before.op === 'create') merged.delete(name)
  else if (change.op === 'remove') merged.set(name, change)
  else if (change.op === 'create' && before.op === 'remove') {
    merged.set(name, { ...change, op: 'update', index: before.index } as Change)
  } else if (change.op === 'create') merged.set(name, change)
}

function deltaOf(change: Change): AnyDelta[] {
  const { op, table, key } = change
  if (op === 'expect' || op === 'absent') return []
  if (op === 'remove' || op === 'drop') return [{ table, key, record: undefined } as AnyDelta]
  const index = op === 'update' ? change.index : 0
  return [{ table, key, record: { value: change.value, index } } as AnyDelta]
}

function isSame(a: Endpoint, b: Endpoint): boolean {
  const text = (it: Endpoint): string =>
    JSON.stringify(Object.entries(it).sort(([x], [y]) => (x < y ? -1 : 1)))
  return text(a) === text(b)
}
