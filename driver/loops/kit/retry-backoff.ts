/**
 * Things that cannot be done for now, each with its reason and the time of its next try.
 *
 * One network that cannot be made (its name is a bridge of the user's) must not hold up the others, nor be tried with
 * every change of the store.
 */
export interface Troubles {
  /** True when it has not failed, or its pause is over. */
  mayTry(key: string): boolean
  failed(key: string, message: string): void
  clear(key: string): void
  /** Forgets what is not among the keys any more. */
  keep(keys: ReadonlySet<string>): void
  messages(): string[]
}

export interface TroublesOptions {
  now?: () => number
  firstPauseMs?: number
  maxPauseMs?: number
  /** Called when a reason is new. */
  onNew?(key: string, message: string): void
}

export function troubles(options: TroublesOptions = {}): Troubles {
  const { now = Date.now, firstPauseMs = 1000, maxPauseMs = 60_000, onNew } = options
  const known = new Map<string, { message: string; times: number; notBefore: number }>()
  return {
    mayTry: (key) => (known.get(key)?.notBefore ?? 0) <= now(),
    failed(key, message) {
      const before = known.get(key)
      const times = (before?.times ?? 0) + 1
      const pause = Math.min(maxPauseMs, firstPauseMs * 2 ** (times - 1))
      known.set(key, { message, times, notBefore: now() + pause })
      if (before?.message !== message) onNew?.(key, message)
    },
    clear: (key) => void known.delete(key),
    keep(keys) {
      for (const key of known.keys()) if (!keys.has(key)) known.delete(key)
    },
    messages: () => [...known.values()].map(({ message }) => message),
  }
}
