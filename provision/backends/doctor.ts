/**
 * The checks of a backend. Each backend's are loaded when they are wanted.
 */
import type { Backend, BackendName } from './backend.ts'
import { type Check, examine } from './checks.ts'

const checksOf: Record<BackendName, (backend: Backend) => Promise<readonly Check[]>> = {
  nspawn: async () => (await import('./nspawn/doctor.ts')).nspawnChecks,
  vagrant: async () => (await import('./vagrant/doctor.ts')).vagrantChecks(),
  ssh: async (backend) => (await import('./ssh/doctor.ts')).inventoryChecks(backend),
}

/** Prints a line per check; resolves with whether the lab can be made. */
export async function doctor(backend: Backend, say: (line: string) => void): Promise<boolean> {
  return examine(await checksOf[backend.name](backend), say)
}
