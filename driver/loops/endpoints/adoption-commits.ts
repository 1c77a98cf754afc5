/**
 * Adoptions, packed into few commits. Pure.
 *
 * A host whose records were deleted has many endpoints to adopt. One commit for each would take as long as
 * the store takes for that many transactions.
 */
import type { Change } from '../../core/records.ts'
import { recordName } from '../../core/snapshot.ts'
import { bytesOf, perCommit } from '../../store/transaction-limits.ts'

export interface Batch<A> {
  adoptions: A[]
  /** Each key occurs once: endpoints of one network expect the same record. */
  changes: Change[]
}

export function batched<A extends { changes: readonly Change[] }>(adoptions: readonly A[]): Batch<A>[] {
  const batches: (Batch<A> & { names: Set<string>; bytes: number })[] = []
  for (const adoption of adoptions) {
    const last = batches.at(-1)
    const fresh = adoption.changes.filter((change) => !last?.names.has(recordName(change)))
    const isRepeated = adoption.changes.some(
      (it) => it.op !== 'expect' && it.op !== 'absent' && last?.names.has(recordName(it)),
    )
    const bytes = adoption.changes.reduce((sum, change) => sum + bytesOf(change), 0)
    const fits =
      last !== undefined &&
      !isRepeated &&
      last.changes.length + fresh.length <= perCommit.changes &&
      last.bytes + bytes <= perCommit.bytes
    const batch = fits ? last : { adoptions: [], changes: [], names: new Set<string>(), bytes: 0 }
    if (!fits) batches.push(batch)
    batch.adoptions.push(adoption)
    batch.bytes += bytes
    for (const change of fits ? fresh : adoption.changes) {
      batch.changes.push(change)
      batch.names.add(recordName(change))
    }
  }
  return batches
}
