/**
 * A lab for one piece of work: brought up before it, taken down after it, also when the work fails. Machines
 * that exist already are provisioned, and stay.
 *
 * `keep` leaves the lab up, but only when the work was completed: a lab that was interrupted or lost is of no
 * use.
 */
import type { Backend } from '../backends/backend.ts'
import type { LabChoice } from '../cli/arguments.ts'
import { checkInterrupted } from '../process/interruption.ts'
import { labCommand } from '../process/lab-command.ts'
import { undoAfter } from '../process/undo-after.ts'
import { type BroughtUp, bringUp } from './bring-up.ts'
import { hostsOfRole } from './definition.ts'

export async function withLab<T>(
  { backend, flags, lab }: LabChoice,
  { keep }: { keep: boolean },
  work: (broughtUp: BroughtUp) => Promise<T>,
): Promise<T> {
  // A lab that was kept would hide failures of bringing one up.
  if (backend.fresh && (await backend.down()))
    console.log(`lab ${lab} was there, and was taken down for a new one`)
  const abandon = () => backend.abandon()
  const result = await worked(backend, work).catch((error: unknown) => undoAfter(error, abandon))
  if (keep) {
    backend.complete(true)
    const host = hostsOfRole(backend.lab, 'docker')[0]?.name ?? 'HOST'
    console.log(`the lab stays: ${labCommand} ssh ${host}${flags}, and ${labCommand} down${flags}`)
  } else await abandon()
  return result
}

async function worked<T>(backend: Backend, work: (broughtUp: BroughtUp) => Promise<T>): Promise<T> {
  const broughtUp = await bringUp(backend, { stays: false })
  if (!backend.fresh) await removeDefaultNetwork(backend)
  const result = await work(broughtUp)
  checkInterrupted()
  return result
}

/**
 * The network that an earlier run's first container made: scenarios expect hosts without it. Docker refuses
 * to remove a network that has a container, so such a network stays.
 */
async function removeDefaultNetwork(backend: Backend): Promise<void> {
  for (const host of hostsOfRole(backend.lab, 'docker')) {
    await using connection = await backend.connect(host)
    await connection.exec('docker network rm multihost')
  }
}
