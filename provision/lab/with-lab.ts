/**
 * A lab for the length of a piece of work: raised before it, taken down after it, whatever becomes of it. Machines
 * that somebody else made are provisioned, and stay.
 *
 * `keep` leaves it up, but only when the work came to its end: one that was interrupted or lost is of no use.
 */

import type { Backend } from '../backends/backend.ts'
import type { LabChoice } from '../cli/arguments.ts'
import { checkInterrupted } from '../process/interruption.ts'
import { type Raised, raise } from './bring-up.ts'
import { hosts } from './hosts.ts'

export async function withLab<T>(
  { backend, flags }: LabChoice,
  { keep }: { keep: boolean },
  work: (raised: Raised) => Promise<T>,
): Promise<T> {
  if (backend.fresh) await backend.down() // one kept from before would hide what it was left with
  let kept = false
  try {
    const raised = await raise(backend, { stays: false })
    if (!backend.fresh) await forgetEarlierRuns(backend)
    const result = await work(raised)
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

/**
 * Networks that come by themselves with the first container, and are in the way of who looks at hosts that have had
 * none. One that has a container stays, since Docker refuses to remove it.
 */
async function forgetEarlierRuns(backend: Backend): Promise<void> {
  for (const host of hosts.filter((each) => each.role === 'docker')) {
    await using connection = await backend.connect(host)
    await connection.exec('docker network rm multihost docker_gwbridge')
  }
}
