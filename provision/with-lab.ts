/**
 * A fresh lab for the length of a piece of work: raised before it, taken down after it, whatever becomes of it.
 *
 * `keep` leaves it up, but only when the work came to its end: one that was interrupted or lost is of no use.
 */
import type { LabChoice } from './arguments.ts'
import { checkInterrupted } from './nspawn/run.ts'
import { type Raised, raise } from './raise.ts'

export async function withLab<T>(
  { backend, lab }: LabChoice,
  { keep }: { keep: boolean },
  work: (raised: Raised) => Promise<T>,
): Promise<T> {
  await backend.down() // one kept from before would hide what it was left with
  let kept = false
  try {
    const result = await work(await raise(backend, { stays: false }))
    checkInterrupted()
    kept = keep
    return result
  } finally {
    if (kept) {
      backend.complete(true)
      console.log(
        `the lab stays: npm run lab -- ssh net-1 --lab ${lab}, and npm run lab -- down --lab ${lab}`,
      )
    } else await backend.down()
  }
}
