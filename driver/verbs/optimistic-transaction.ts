/**
 * How every verb changes the store: a pure decision on a snapshot, a commit, and the same decision again when
 * somebody was faster.
 *
 * The first attempt uses the snapshot at hand, which costs nothing. What it refuses may be refused on old grounds,
 * so it is asked again on a consistent read; that answer counts. A `conflict` is never shown to people: either the
 * next attempt succeeds, or it says in words what stands in the way.
 */
import { DriverError, isCode } from '../core/errors.ts'
import type { Change, Snapshot } from '../core/records.ts'
import type { Store } from '../store/store.ts'

export interface Proposal<T> {
  /** None: there is nothing to be done. */
  changes: Change[]
  answer: T
}

export interface TransactionOptions {
  signal?: AbortSignal
  /** The decision has noted the conflict and can go on without a read. */
  noted?(conflict: DriverError, attempt: number): boolean
}

const maxAttempts = 30

export async function optimisticTransaction<T>(
  store: Pick<Store, 'snapshot' | 'read' | 'commit'>,
  decision: (snapshot: Snapshot) => Proposal<T>,
  { signal, noted = () => false }: TransactionOptions = {},
): Promise<T> {
  let snapshot = store.snapshot()
  let consistent = false
  for (let attempt = 1; ; attempt++) {
    signal?.throwIfAborted()
    try {
      const { changes, answer } = decision(snapshot)
      if (changes.length > 0) await store.commit(changes)
      return answer
    } catch (error) {
      if (attempt >= maxAttempts) throw giveUp(error, attempt)
      const conflict = isCode(error, 'conflict')
      // A hint says that trying again cannot help: the value of the key cannot be read.
      if (conflict && error.hint !== undefined) throw error
      if (!conflict && (consistent || !isCode(error, 'not-found', 'taken', 'exhausted', 'in-use')))
        throw error
      consistent = !(conflict && noted(error, attempt))
      snapshot = consistent ? await store.read() : store.snapshot()
    }
  }
}

function giveUp(error: unknown, attempts: number): unknown {
  if (!isCode(error, 'conflict')) return error
  return new DriverError('unavailable', `gave up after ${attempts} attempts: ${error.message}`, {
    hint: 'other hosts change the same thing at this moment; try again',
    cause: error,
  })
}
