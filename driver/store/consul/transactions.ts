/**
 * A commit as one Consul transaction: the caller's changes, the entry of the change log, and the deletion of
 * old log segments.
 *
 * When other hosts have advanced the log meanwhile, the transaction is repeated: none of the caller's changes
 * was refused. A host that is several segments behind lists the log, and goes on at its end.
 */
import { randomInt } from 'node:crypto'
import { DriverError } from '../../core/errors.ts'
import type { Change, HostName } from '../../core/records.ts'
import { clusterKey } from '../incarnation.ts'
import type { Mirror, Written } from '../mirror.ts'
import { logOperations, maxOperations } from '../transaction-limits.ts'
import type { Changelog, LogCommit } from './change-log.ts'
import type { ConsulClient, TxnConflict, TxnStep } from './client.ts'
import { pathOf } from './keys.ts'
import { listLog } from './log-lists.ts'
import { conflictAt, type Step, stepsOf, txnStep, writtenBy } from './operations.ts'

export interface Transacting {
  client: Pick<ConsulClient, 'transact' | 'list'>
  mirror: Pick<Mirror, 'isUnreadable'>
  changelog: Pick<Changelog, 'entryFor' | 'reopen' | 'folder' | 'folderOf'>
  prefix: string
  /** ModifyIndex of the key `cluster`; undefined until the store has been read in this incarnation. */
  incarnation: () => number | undefined
  /** The log or the incarnation is not what it was: learns what it is. */
  relearn: () => Promise<unknown>
}

/**
 * The records after the commit, and the index that Consul gave them. `asks`: hosts that are to read
 * everything at once. Throws `conflict`, `invalid`, `unavailable`.
 */
export async function transact(
  on: Transacting,
  changes: readonly Change[],
  asks?: readonly HostName[],
): Promise<{ index: number; written: Written[] }> {
  const steps = stepsOf(changes)
  if (steps.length === 0 && asks === undefined) return { index: 0, written: [] }
  const flags = randomInt(2 ** 47)
  const written = writtenBy(steps)
  const operations = steps.map((step) => txnStep(step, on.prefix, flags))
  if (written.length === 0 && asks === undefined)
    return { index: indexIn(await on.client.transact(operations), on, steps), written }
  for (let attempt = 1, closed = 0; attempt <= maxAttempts; attempt++) {
    const guard = on.incarnation()
    if (guard === undefined) {
      await on.relearn()
      continue
    }
    const entry = entryFor(on, written, maxOperations - steps.length - logOperations, asks)
    const check: TxnStep = { Verb: 'check-index', Key: `${on.prefix}/${clusterKey}`, Index: guard }
    const answer = await on.client.transact([...operations, check, ...logging(entry, on.prefix)])
    const failed = 'failedStep' in answer ? answer.failedStep - steps.length : -1
    if (failed < 0) {
      const index = indexIn(answer, on, steps)
      entry.applied()
      return { index, written }
    }
    if (failed > 1) {
      entry.segmentClosed()
      closed += 1
    }
    const isFarBehind = failed === 1 || (failed > 1 && closed % stepsBeforeList === 0)
    if (failed === 0 || (isFarBehind && !(await findEnd(on)))) await on.relearn()
  }
  throw new DriverError(
    'unavailable',
    `other hosts advanced the change log in Consul ${maxAttempts} times during this commit`,
  )
}

/** Each attempt fails only because other hosts have committed. */
const maxAttempts = 20
/** Segments that are found closed one by one before the log is listed. */
const stepsBeforeList = 3

/**
 * The next entry is written at the log's end, before this host has read what is between: Consul checks the
 * keys of the changes, and the incarnation. False: the log lacks what this host knew.
 */
async function findEnd(on: Transacting): Promise<boolean> {
  const reopen = on.changelog.reopen()
  return reopen(await listLog(on))
}

function indexIn(
  answer: { index: number } | TxnConflict,
  { mirror, prefix }: Transacting,
  steps: readonly Step[],
): number {
  if (!('failedStep' in answer)) return answer.index
  const step = steps[answer.failedStep]
  if (step === undefined) throw new DriverError('internal', `Consul refused step ${answer.failedStep}`)
  const hint = `its value cannot be read; correct or delete the key ${prefix}/${pathOf(step)}`
  throw conflictAt(step, mirror.isUnreadable(step) ? hint : undefined)
}

function entryFor(
  { changelog }: Transacting,
  written: readonly Written[],
  room: number,
  asks: readonly HostName[] | undefined,
): LogCommit {
  const logged = written.map(({ value, ...at }) => ({ path: pathOf(at), value }))
  return changelog.entryFor(logged, room, asks)
}

/**
 * The head comes first, so that its absence is known from that of the next one; the new entry last, since the
 * index of the last key is the answer.
 */
function logging({ head, nextHead, closes, path, text, deletes }: LogCommit, prefix: string): TxnStep[] {
  const create = (key: string, value: string): TxnStep => {
    return { Verb: 'cas', Key: `${prefix}/${key}`, Value: Buffer.from(value).toString('base64'), Index: 0 }
  }
  return [
    { Verb: 'get', Key: `${prefix}/${head}` },
    closes ? create(nextHead, '{}') : { Verb: 'check-not-exists', Key: `${prefix}/${nextHead}` },
    ...deletes.map((old): TxnStep => ({ Verb: 'delete-tree', Key: `${prefix}/${old}` })),
    create(path, text),
  ]
}
