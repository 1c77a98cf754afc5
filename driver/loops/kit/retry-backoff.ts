/**
 * What failed, each with its reason and the time of its next try.
 *
 * A network that cannot be made (the user has a bridge of its name) neither holds up the other networks nor is tried
 * again with every change of the store: the pause before its next try doubles.
 */
export interface RetryBackoff {
  /** True when the key has not failed, or its pause is over. */
  mayTry(key: string): boolean
  failed(key: string, message: string): void
  clear(key: string): void
  /** Forgets the keys that are not among these. */
  keep(keys: ReadonlySet<string>): void
  messages(): string[]
  /** Milliseconds until the first next try: 0 when one is due, undefined when nothing has failed. */
  nextInMs(): number | undefined
}

export interface RetryBackoffOptions {
  /** By a clock that only grows, in milliseconds. */
  now?: () => number
  firstPauseMs?: number
  maxPauseMs?: number
  /** Called when a key fails for a reason that differs from its last one. */
  onNew?(key: string, message: string): void
}

export function createRetryBackoff(options: RetryBackoffOptions = {}): RetryBackoff {
  const { now = () => performance.now(), firstPauseMs = 1000, maxPauseMs = 60_000, onNew } = options
  const failures = new Map<string, { message: string; times: number; notBefore: number }>()
  return {
    mayTry: (key) => (failures.get(key)?.notBefore ?? 0) <= now(),
    failed(key, message) {
      const before = failures.get(key)
      const times = (before?.times ?? 0) + 1
      const pause = Math.min(maxPauseMs, firstPauseMs * 2 ** (times - 1))
      failures.set(key, { message, times, notBefore: now() + pause })
      if (before?.message !== message) onNew?.(key, message)
    },
    clear: (key) => void failures.delete(key),
    keep(keys) {
      for (const key of failures.keys()) if (!keys.has(key)) failures.delete(key)
    },
    nextInMs() {
      if (failures.size === 0) return undefined
      return Math.max(0, Math.min(...[...failures.values()].map(({ notBefore }) => notBefore)) - now())
    },
    messages: () => [...failures.values()].map(({ message }) => message),
  }
}
