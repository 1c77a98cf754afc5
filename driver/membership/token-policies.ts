/**
 * Names of the policies of drivers' tokens. Consul's names of policies have no dot, and names of hosts no
 * underscore.
 */
import type { HostName } from '../core/records.ts'

/** Of a token for every host. */
export const policy = 'multihost-driver'

export function policyOf(host: HostName): string {
  return `${policy}-${host.replaceAll('.', '_')}`
}

/** Undefined for a policy that is of no host. */
export function hostOfPolicy(name: string): HostName | undefined {
  return name.startsWith(`${policy}-`) ? name.slice(policy.length + 1).replaceAll('_', '.') : undefined
}
