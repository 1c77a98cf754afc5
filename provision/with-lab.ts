/**
 * A lab for the length of a piece of work: raised before it, taken down after it, whatever becomes of it. Machines
 * that somebody else made are provisioned, and stay.
 *
 * `keep` leaves it up, but only when the work came to its end: one that was interrupted or lost is of no use.
 */
import type { LabChoice } from './arguments.ts'
import { checkInterrupted } from './nspawn/run.ts'
import { type Raised, raise } from './raise.ts'

export async function withLab<T>(
  { backend, flags }: LabChoice,
  { keep }: { keep: boolean },
  work: (raised: Raised) => Promise<T>,
): Promise<T> {
  if (backend.fresh) await backend.down() // one kept from before would hide what it was left with
  let kept = false
  try {
    const result = await work(await raise(backend, { stays: false }))
    checkInterrupted()
    kept = keep
    return result
  } finally {
    if (kept) {
      backend.complete(true)
      console.log(`the lab stays: npm run lab -- ssh net-1${flags}, and npm run lab -- down${flags}`)
    } else await backend.abandon()
  }
}
