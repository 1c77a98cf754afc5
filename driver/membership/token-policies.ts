/**
 * The ACL policies of drivers' tokens: their names and rules, for `multihost init` and for the lab.
 *
 * Consul's names of policies have no dot, and names of hosts no underscore. docs/examples/consul-policy.hcl
 * explains the rules to a person with another Consul.
 */
import type { HostName } from '../core/records.ts'
import { aliveKey } from '../store/consul/alive.ts'

/** The policy of a token for every host. */
export const policy = 'multihost-driver'

export function policyOf(host: HostName): string {
  return `${policy}-${host.replaceAll('.', '_')}`
}

/** The host that a policy is for. Undefined for the policy of every host, and for other policies. */
export function hostOfPolicy(name: string): HostName | undefined {
  return name.startsWith(`${policy}-`) ? name.slice(policy.length + 1).replaceAll('_', '.') : undefined
}

/**
 * The token may claim any host's name, or that of `host` alone. Other hosts write the other records of a host
 * too, so no rule is about them: docs/security.md. A session belongs to the server that made it, so the token
 * may make sessions on all `servers`.
 */
export function rulesFor(servers: readonly string[], host?: HostName): string {
  const rules = [`key_prefix "multihost/" { policy = "write" }`]
  if (host !== undefined) {
    rules.push(`key_prefix "multihost/alive/" { policy = "list" }`)
    rules.push(`key "${aliveKey('multihost', host)}" { policy = "write" }`)
  }
  rules.push(...servers.map((server) => `session "${server}" { policy = "write" }`))
  return `${rules.join('\n')}\n`
}
