/**
 * Keeps the set of hosts that are away, of those that this host shares a network with.
 *
 * It changes once a second at most, and three times a minute for one host (flapping.ts). A driver that starts
 * again loses its session for a moment: a host that only the store knows is away when the store has said so
 * for 10 s.
 */
import type { Life } from '../../core/liveness.ts'
import type { HostName } from '../../core/records.ts'
import { hostsUsing, networksUsedBy } from '../../core/snapshot.ts'
import { awayAfter, type Reach, reachOf } from '../../core/tunnels/away.ts'
import type { TunnelState } from '../../core/tunnels/peers.ts'
import type { Store } from '../../store/store.ts'
import { computedFrom } from '../kit/computed-from.ts'
import { createGracePeriod } from '../kit/grace-period.ts'
import { createFlapping } from './flapping.ts'
import type { Need } from './known-lives.ts'

export interface AwayHostsOptions {
  store: Pick<Store, 'snapshot'>
  host: HostName
  /** By a clock that only grows, in milliseconds. */
  now(): number
  /** Undefined for a host that is not probed. */
  probed(host: HostName): TunnelState | undefined
  life(host: HostName): Life
  onAway(): void
}

export interface AwayHosts {
  /** Another set after each change. */
  set(): ReadonlySet<HostName>
  /** Of hosts that are not probed: the store alone knows of them. */
  needsStore(): Need
  /** Once a second. */
  look(): void
}

const unprobedForMs = 10_000

export function createAwayHosts(options: AwayHostsOptions): AwayHosts {
  const { store, host, now, probed, life, onAway } = options
  const gracePeriod = createGracePeriod(now)
  const flapping = createFlapping(now)
  const others = computedFrom(store, ['endpoints', 'networks'], (snapshot) => {
    const names = new Set(networksUsedBy(snapshot, host).flatMap((id) => hostsUsing(snapshot, id)))
    names.delete(host)
    return [...names]
  })
  let away: ReadonlySet<HostName> = new Set()
  return {
    set: () => away,
    needsStore() {
      const unprobed = others().filter((it) => probed(it) === undefined)
      if (unprobed.length === 0) return 'none'
      return unprobed.every((it) => life(it) === 'alive') ? 'slow' : 'quick'
    },
    look() {
      flapping.forgetAllBut(others())
      const reaches = new Map(others().map((it) => [it, reachOf(probed(it), life(it))]))
      const ended = [...reaches].filter(([it, reach]) => reach === 'away' && probed(it) === undefined)
      const lasting = gracePeriod.since(
        ended.map(([it]) => it),
        unprobedForMs,
      )
      for (const [it] of ended) if (!lasting.has(it)) reaches.set(it, 'unknown' satisfies Reach)
      const before = away
      const back = [...before].filter((it) => reaches.get(it) === 'reached')
      for (const it of flapping.stillAway(back)) reaches.set(it, 'unknown')
      away = awayAfter(before, reaches)
      if (away === before) return
      flapping.changed(before, away)
      onAway()
    },
  }
}
