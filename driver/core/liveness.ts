/**
 * Whether a host lives: its driver renews the session that its record names. Consul lets one that is not renewed end
 * after 15 to 30 s, so for that long a dead host counts as alive.
 */
import type { HostRecord } from './records.ts'

/** `sessions`: those that Consul knows. */
export function isAlive(host: HostRecord | undefined, sessions: ReadonlySet<string>): boolean {
  return host?.session !== undefined && sessions.has(host.session)
}
