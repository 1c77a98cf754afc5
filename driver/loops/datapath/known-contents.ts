/**
 * The contents of one namespace as the driver knows them: what a look at the kernel found, and what was
 * applied since.
 */
import { advance, type Contents, contentsOf } from '../../core/datapath/contents.ts'
import type { Observed, ProvenOp } from '../../core/datapath/datapath.ts'
import { showOp } from '../../core/datapath/show.ts'
import type { Kernel, Refusal } from '../../kernel/kernel.ts'

export interface KnownContents {
  /** `undefined`: there is no such namespace, or nothing is known about it. */
  contents(): Contents | undefined
  /** Since the last look, no `apply` has failed and `doubt` was not called. */
  isSure(): boolean
  doubt(): void
  /** `corrected` adds what a look cannot see. */
  look(namespace: string, corrected: (seen: Observed) => Observed): Promise<void>
  /** Returns the entries that were refused. Rejects with another refusal; after that only another look is sure. */
  apply(ops: readonly ProvenOp[]): Promise<Refusal[]>
  forget(): void
}

export function createKnownContents(kernel: Pick<Kernel, 'observe' | 'apply'>): KnownContents {
  let contents: Contents | undefined
  let sure = false
  return {
    contents: () => contents,
    isSure: () => sure,
    doubt: () => {
      sure = false
    },
    async look(namespace, corrected) {
      const seen = await kernel.observe(namespace)
      contents = seen && contentsOf(corrected(seen))
      sure = true
    },
    async apply(ops) {
      sure = false
      const refusals = await kernel.apply(ops)
      const refused = new Set(refusals.map(({ op }) => showOp(op)))
      contents = advance(
        contents,
        ops.filter((op) => !refused.has(showOp(op))),
      )
      sure = true
      return refusals
    },
    forget() {
      contents = undefined
      sure = false
    },
  }
}
