/**
 * A commit's changes, checked, in two forms: the operations for Consul, and the records after the commit.
 */
import { DriverError, messageOf } from '../../core/errors.ts'
import type { Change } from '../../core/records.ts'
import { checkRecord } from '../schemas.ts'
import type { ChangedKey, ConflictCause } from '../store.ts'
import { maxChanges } from '../transaction-limits.ts'
import type { TxnStep } from './client.ts'
import { pathOf } from './keys.ts'

export interface Step extends ChangedKey {
  change: Change
  /** The new value as JSON; undefined for changes that write no value. */
  text: string | undefined
}

/**
 * Throws `invalid` for too many changes or a repeated key, `internal` for a value that could not be read
 * back.
 */
export function stepsOf(changes: readonly Change[]): Step[] {
  if (changes.length > maxChanges) {
    throw new DriverError('invalid', `a commit takes at most ${maxChanges} changes, not ${changes.length}`)
  }
  const steps = changes.map((change) => ({
    table: change.table,
    key: change.key,
    change,
    text: textOf(change),
  }))
  const names = new Set<string>()
  for (const { table, key } of steps) {
    const name = `${table}/${key}`
    if (names.has(name)) throw new DriverError('invalid', `${name} occurs twice in one commit`)
    names.add(name)
  }
  // Consul takes a compare-and-set with index 0 for "create".
  const unread = changes.find((change) => 'index' in change && !(change.index > 0))
  if (unread !== undefined) throw new DriverError('invalid', `${unread.op} of ${unread.key} needs an index`)
  return steps
}

/** The records after the commit, without changes that write nothing. */
export function writtenBy(steps: readonly Step[]): (ChangedKey & { value: unknown })[] {
  return steps
    .filter(({ change }) => change.op !== 'expect' && change.op !== 'absent')
    .map(({ table, key, text }) => ({ table, key, value: text === undefined ? undefined : JSON.parse(text) }))
}

/**
 * `flags` must differ in every commit: Consul keeps the index of a key when nothing of the key changes, and
 * then the log entry would have another index than the key.
 */
export function txnStep({ change, text = '', ...at }: Step, prefix: string, flags: number): TxnStep {
  const Key = `${prefix}/${pathOf(at)}`
  const Value = Buffer.from(text).toString('base64')
  switch (change.op) {
    case 'create':
      return { Verb: 'cas', Key, Value, Index: 0, Flags: flags }
    case 'update':
      return { Verb: 'cas', Key, Value, Index: change.index, Flags: flags }
    case 'remove':
      return { Verb: 'delete-cas', Key, Index: change.index }
    case 'expect':
      return { Verb: 'check-index', Key, Index: change.index }
    case 'absent':
      return { Verb: 'check-not-exists', Key }
    case 'drop':
      return { Verb: 'delete', Key }
  }
}

export function conflictAt({ table, key, change }: Step, hint?: string): DriverError {
  const cause: ConflictCause = { table, key }
  const what =
    change.op === 'create' || change.op === 'absent' ? 'already exists' : 'was changed in the meantime'
  return new DriverError('conflict', `${table}/${key} ${what}`, {
    cause,
    hint,
  })
}

function textOf(change: Change): string | undefined {
  if (change.op !== 'create' && change.op !== 'update') return undefined
  try {
    return JSON.stringify(checkRecord(change.table, change.key, JSON.parse(JSON.stringify(change.value))))
  } catch (error) {
    throw new DriverError('internal', `not written: ${messageOf(error)}`, { cause: error })
  }
}
