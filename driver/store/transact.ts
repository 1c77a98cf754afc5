/**
 * A commit as one transaction of Consul's: the caller's steps, the change log's entry, and the log's old entries out.
 */
import { randomInt } from 'node:crypto'
import { DriverError } from '../core/errors.ts'
import type { Change } from '../core/model.ts'
import type { Changelog } from './changelog.ts'
import type { ConsulClient, TxnStep } from './client.ts'
import { pathOf } from './keys.ts'
import type { Replica, Written } from './replica.ts'
import { conflictAt, stepsOf, txnStep, writtenBy } from './steps.ts'

export interface Transacting {
  client: Pick<ConsulClient, 'transact'>
  replica: Pick<Replica, 'corrupt'>
  changelog: Pick<Changelog, 'entryFor'>
  prefix: string
}

/** Consul's own limit on the operations of a transaction. */
const maxOperations = 64

/** What was written, and the index that Consul gave it. Throws `conflict`, `invalid`, `unavailable`. */
export async function transact(
  on: Transacting,
  changes: readonly Change[],
): Promise<{ index: number; written: Written[] }> {
  const steps = stepsOf(changes)
  if (steps.length === 0) return { index: 0, written: [] }
  const flags = randomInt(2 ** 47)
  const written = writtenBy(steps)
  const operations = steps.map((step) => txnStep(step, on.prefix, flags))
  if (written.length > 0) operations.push(...logging(on, written, maxOperations - steps.length - 1))
  const answer = await on.client.transact(operations)
  if (!('failedStep' in answer)) return { index: answer.index, written }
  const step = steps[answer.failedStep]
  if (step === undefined) throw new DriverError('internal', 'Consul refused the entry in the change log')
  const unreadable = on.replica.corrupt().includes(`${step.table}/${step.key}`)
  const hint = `its value cannot be read; mend or delete ${on.prefix}/${pathOf(step)}`
  throw conflictAt(step, unreadable ? hint : undefined)
}

/** The new entry comes last, because the index of the last key is the answer. */
function logging({ changelog, prefix }: Transacting, written: readonly Written[], room: number): TxnStep[] {
  const logged = written.map(({ value, ...at }) => ({ path: pathOf(at), value }))
  const { path, text, deletes } = changelog.entryFor(logged, room)
  const Value = Buffer.from(text).toString('base64')
  return [
    ...deletes.map((old): TxnStep => ({ Verb: 'delete', Key: `${prefix}/${old}` })),
    { Verb: 'cas', Key: `${prefix}/${path}`, Value, Index: 0 },
  ]
}
