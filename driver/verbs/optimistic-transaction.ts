/**
 * How every verb changes the store: a pure function proposes changes for a snapshot, they are committed, and
 * the function is called again when another host was faster.
 *
 * The first attempt uses the snapshot at hand, which costs nothing. An error of that attempt may be due to an
 * old snapshot, so the function is called again after a consistent read, and the second result counts. A
 * `conflict` is never shown to people: either a later attempt succeeds, or its error names the obstacle.
 */
import { DriverError, isCode } from '../core/errors.ts'
import type { Change, Snapshot } from '../core/records.ts'
import type { Store } from '../store/store.ts'

export interface Proposal<T> {
  /** Empty when nothing has to change. */
  changes: Change[]
  answer: T
}

export interface TransactionOptions {
  signal?: AbortSignal
  /** The caller has recorded the conflict: the next attempt needs no consistent read. */
  retryWithoutRead?(conflict: DriverError, attempt: number): boolean
}

const maxAttempts = 30

export async function optimisticTransaction<T>(
  store: Pick<Store, 'snapshot' | 'read' | 'commit'>,
  propose: (snapshot: Snapshot) => Proposal<T>,
  { signal, retryWithoutRead = () => false }: TransactionOptions = {},
): Promise<T> {
  let snapshot = store.snapshot()
  let consistent = false
  for (let attempt = 1; ; attempt++) {
    signal?.throwIfAborted()
    try {
      const { changes, answer } = propose(snapshot)
      if (changes.length > 0) await store.commit(changes)
      // The caller has timed out during the commit: throw, so that the verb undoes it.
      signal?.throwIfAborted()
      return answer
    } catch (error) {
      if (attempt >= maxAttempts) throw giveUp(error, attempt)
      const conflict = isCode(error, 'conflict')
      // A conflict with a hint cannot be solved by another attempt: the value of the key cannot be read.
      if (conflict && error.hint !== undefined) throw error
      if (!conflict && (consistent || !isCode(error, 'not-found', 'taken', 'exhausted', 'in-use')))
        throw error
      consistent = !(conflict && retryWithoutRead(error, attempt))
      snapshot = consistent ? await store.read() : store.snapshot()
    }
  }
}

function giveUp(error: unknown, attempts: number): unknown {
  if (!isCode(error, 'conflict')) return error
  return new DriverError(
    'unavailable',
    `the store was not changed, after ${attempts} attempts: ${error.message}`,
    {
      hint: 'other hosts are changing the same records; try again',
      cause: error,
    },
  )
}
