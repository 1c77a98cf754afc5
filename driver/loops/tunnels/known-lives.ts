/**
 * Whether the other hosts live, as the store said last.
 *
 * A host that was switched off does not answer probes either, and a host that is not probed is known to the
 * store alone. The store is asked every 5 s while such a host may be away, and every 10 s while all live.
 */
import { type Life, type Liveness, lifeOf } from '../../core/liveness.ts'
import type { HostName } from '../../core/records.ts'
import type { Store } from '../../store/store.ts'

export interface KnownLives {
  /** `unknown` until the store has answered once. */
  life(host: HostName): Life
  /** Once a second. */
  refresh(need: Need): void
}

/** `quick`: a host may be away. `slow`: the store alone knows of some hosts, and all of them live. */
export type Need = 'none' | 'slow' | 'quick'

export interface KnownLivesOptions {
  store: Pick<Store, 'snapshot' | 'liveness'>
  /** By a clock that only grows, in milliseconds. */
  now(): number
}

const pauseMs = { slow: 10_000, quick: 5000 }

export function createKnownLives({ store, now }: KnownLivesOptions): KnownLives {
  let known: Liveness | undefined
  let askedAt = Number.NEGATIVE_INFINITY
  const ask = async (): Promise<void> => {
    askedAt = now()
    // The store may be away: then the last answer counts.
    known = await store.liveness().catch(() => known)
  }
  return {
    life: (host) =>
      known === undefined ? 'unknown' : lifeOf(host, store.snapshot().hosts.get(host)?.value, known),
    refresh(need) {
      if (need !== 'none' && now() - askedAt >= pauseMs[need]) void ask()
    },
  }
}
