/**
 * The backends by name. A backend's modules are loaded when it is chosen: `lab exec` must start fast.
 */
import type { Backend, BackendName, BackendOptions } from './backend.ts'

const open: Record<BackendName, (options: BackendOptions) => Promise<Backend>> = {
  nspawn: async (options) => (await import('./nspawn/backend.ts')).nspawnBackend(options),
  vagrant: async ({ lab }) => (await import('./vagrant/backend.ts')).vagrantBackend(lab),
  ssh: async ({ lab, inventory }) => (await import('./ssh/backend.ts')).sshBackend(lab, inventory),
}

export function openBackend(name: BackendName, options: BackendOptions): Promise<Backend> {
  return open[name](options)
}
