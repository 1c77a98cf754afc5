/**
 * Addresses that Docker holds: from the answer to RequestAddress to ReleaseAddress. Kept in memory only.
 *
 * Docker does not release an address that it was never told of, so that an address which no endpoint has
 * counts as free after a while.
 */
import { unboundSince } from '../core/leases.ts'
import type { Lease } from '../core/records.ts'

export interface HeldAddresses {
  /** `key`: of the lease, NETWORK/IP. `asked`: Docker named the address (`--ip`). */
  hold(key: string, asked?: boolean): void
  release(key: string): void
  isAsked(key: string): boolean
  /** Keys of the addresses that Docker was given within that time and has not released. */
  givenWithin(ms: number): string[]
  /** All addresses that this host's containers name (`--ip`), running or not: no other request gets them. */
  name(keys: ReadonlySet<string>): void
  isNamed(key: string): boolean
  /** True while Docker holds the address, or while it is on its way back to the pool. */
  isHeld(key: string, lease: Lease, forgetAfterMs?: number): boolean
  /** The address goes back to the pool. No request gets it until the store's answer is known. */
  retire(keys: readonly string[]): void
  /** The store has answered: it has the leases, or not. */
  retired(keys: readonly string[]): void
  /** The address is on its way back to the pool. */
  isReturning(key: string): boolean
  /** Resolves when the address is no longer on its way back to the pool. */
  outcome(key: string): Promise<void>
}

/**
 * Longer than Docker takes from RequestAddress to CreateEndpoint; a lease with an endpoint is held until the
 * release.
 */
const forgottenAfterMs = 2 * 60_000
/** An address that Docker was given and that no endpoint has: after so long it can be requested by `--ip` again. */
export const askedAgainAfterMs = 30_000

interface Hold {
  /** By `now`; the times of a lease are by the system's clock. */
  since: number
  /** Since when no endpoint has the lease, by a system's clock that is ahead of `now`. */
  unbound?: number
  asked: boolean
}

export function createHeldAddresses(now: () => Date): HeldAddresses {
  const held = new Map<string, Hold>()
  /** What waits for the outcome, by the key. */
  const retiring = new Map<string, (() => void)[]>()
  let named: ReadonlySet<string> = new Set()
  return {
    hold: (key, asked = false) => void held.set(key, { since: now().getTime(), asked }),
    release: (key) => void held.delete(key),
    isAsked: (key) => held.get(key)?.asked ?? false,
    givenWithin: (ms) =>
      [...held].flatMap(([key, { since }]) => (now().getTime() - since <= ms ? [key] : [])),
    name(keys) {
      named = keys
    },
    isNamed: (key) => named.has(key),
    isHeld(key, lease, forgetAfterMs = forgottenAfterMs) {
      if (retiring.has(key)) return true
      const hold = held.get(key)
      if (hold === undefined) return false
      if (lease.endpoint !== undefined) return true
      const [unbound, at] = [Date.parse(unboundSince(lease)), now().getTime()]
      // The system's clock was set forward, or the machine has slept: what counts is when this was seen first.
      const isLater = unbound > at
      if (isLater && unbound !== hold.unbound) Object.assign(hold, { unbound, since: at })
      const since = isLater ? hold.since : Math.max(hold.since, unbound)
      return at - since <= forgetAfterMs
    },
    retire(keys) {
      for (const key of keys) if (!retiring.has(key)) retiring.set(key, [])
    },
    retired(keys) {
      for (const key of keys) {
        const waiting = retiring.get(key) ?? []
        retiring.delete(key)
        for (const resolve of waiting) resolve()
      }
    },
    isReturning: (key) => retiring.has(key),
    outcome: (key) =>
      new Promise((resolve) => {
        const waiting = retiring.get(key)
        if (waiting === undefined) resolve()
        else waiting.push(resolve)
      }),
  }
}
