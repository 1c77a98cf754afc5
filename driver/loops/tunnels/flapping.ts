/**
 * Which hosts go away again and again. A host that has gone three times within a minute is back when it has
 * been reached for 30 s without a break, so that names change three times a minute at most for one host.
 */
import type { HostName } from '../../core/records.ts'
import { createGracePeriod } from '../kit/grace-period.ts'

export interface Flapping {
  /** Once per look. `back`: hosts that were away and are reached. Returns those that stay away. */
  stillAway(back: readonly HostName[]): HostName[]
  changed(before: ReadonlySet<HostName>, after: ReadonlySet<HostName>): void
  forgetAllBut(hosts: readonly HostName[]): void
}

const times = 3
const withinMs = 60_000
const reachedForMs = 30_000

/** By a clock that only grows, in milliseconds. */
export function createFlapping(now: () => number): Flapping {
  const reached = createGracePeriod(now)
  /** When each host has gone away. */
  const gone = new Map<HostName, number[]>()
  const flapping = new Set<HostName>()
  const recent = (host: HostName): number[] => (gone.get(host) ?? []).filter((at) => now() - at < withinMs)
  return {
    stillAway(back) {
      const steady = reached.since(back, reachedForMs)
      return back.filter((host) => flapping.has(host) && !steady.has(host))
    },
    changed(before, after) {
      for (const host of before) if (!after.has(host)) flapping.delete(host)
      for (const host of after) {
        if (before.has(host)) continue
        gone.set(host, [...recent(host), now()])
        if (recent(host).length >= times) flapping.add(host)
      }
    },
    forgetAllBut(hosts) {
      const known = new Set(hosts)
      for (const host of gone.keys()) if (!known.has(host)) gone.delete(host)
      for (const host of flapping) if (!known.has(host)) flapping.delete(host)
    },
  }
}
