/**
 * The backends by name. A backend's modules are loaded when it is chosen: `lab exec` must start fast.
 */
import type { Backend, BackendName, BackendOptions } from './backend.ts'

const open: Record<BackendName, (options: BackendOptions) => Promise<Backend>> = {
  nspawn: async (options) => (await import('./nspawn/backend.ts')).nspawnBackend(options),
  vagrant: async (options) => (await import('./vagrant/backend.ts')).vagrantBackend(options),
  ssh: async (options) => (await import('./ssh/backend.ts')).sshBackend(options),
}

export function openBackend(name: BackendName, options: BackendOptions): Promise<Backend> {
  return open[name](options)
}
