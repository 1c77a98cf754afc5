/**
 * Reports the keys that every look of the last while has contained.
 *
 * For states that are normal for a moment: a container that is just starting is not missing yet.
 */
export interface GracePeriod {
  /**
   * Records one look. Returns the keys that every look since at least `forMs` has contained. `askedAt`: when
   * the look began, by the same clock; its answer can be older than its arrival.
   */
  since(keys: Iterable<string>, forMs: number, askedAt?: number): Set<string>
}

/** By a clock that only grows: a step of the system's clock ends no grace period. */
export function createGracePeriod(now: () => number = () => performance.now()): GracePeriod {
  const firstSeenAt = new Map<string, number>()
  return {
    since(keys, forMs, askedAt = now()) {
      const present = new Set(keys)
      for (const key of firstSeenAt.keys()) if (!present.has(key)) firstSeenAt.delete(key)
      for (const key of present) if (!firstSeenAt.has(key)) firstSeenAt.set(key, now())
      return new Set([...present].filter((key) => askedAt - (firstSeenAt.get(key) ?? askedAt) >= forMs))
    },
  }
}
