/**
 * What not every backend can do. A scenario says what it needs of them; where the backend cannot, it is
 * skipped with the reason.
 */
import type { Backend } from './backend.ts'

const capabilities = {
  'out of band': {
    is: 'a way to the hosts that does not cross the lab network',
    has: (backend: Backend) => backend.outOfBand,
  },
  'network faults': {
    is: 'network faults that are made outside the hosts',
    has: (backend: Backend) => backend.faults !== undefined,
  },
  power: {
    is: 'hosts that can be switched off and on again within seconds',
    has: (backend: Backend) => backend.power !== undefined,
  },
  secure: {
    is: 'a lab made with --secure',
    has: (backend: Backend) => backend.secure === true,
  },
} as const
export type Capability = keyof typeof capabilities

/** Why a scenario that needs it cannot run on this backend; undefined where it can. */
export function lackOf(backend: Backend, capability: Capability): string | undefined {
  const { is, has } = capabilities[capability]
  return has(backend) ? undefined : `needs ${is}, which backend ${backend.name} does not have`
}
