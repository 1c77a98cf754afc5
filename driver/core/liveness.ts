/**
 * Whether a host is alive: its driver renews the session that its record names. Consul ends a session that is
 * not renewed after 15 to 30 s; until then a dead host counts as alive.
 */
import type { HostRecord } from './records.ts'

/** `sessions`: the sessions that Consul knows. */
export function isAlive(host: HostRecord | undefined, sessions: ReadonlySet<string>): boolean {
  return host?.session !== undefined && sessions.has(host.session)
}
