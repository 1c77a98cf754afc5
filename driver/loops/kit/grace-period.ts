/**
 * Reports the keys that every look of the last while has contained.
 *
 * For states that are normal for a moment: a container that is just starting is not missing yet.
 */
export interface GracePeriod {
  /** Records one look. Returns the keys that every look since at least `forMs` has contained. */
  since(keys: Iterable<string>, forMs: number): Set<string>
}

export function createGracePeriod(now: () => number = Date.now): GracePeriod {
  const firstSeenAt = new Map<string, number>()
  return {
    since(keys, forMs) {
      const present = new Set(keys)
      for (const key of firstSeenAt.keys()) if (!present.has(key)) firstSeenAt.delete(key)
      for (const key of present) if (!firstSeenAt.has(key)) firstSeenAt.set(key, now())
      return new Set([...present].filter((key) => now() - (firstSeenAt.get(key) ?? now()) >= forMs))
    },
  }
}
