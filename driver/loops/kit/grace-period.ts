/**
 * What has been so for a while, as the looks at it tell: for what may be only in the making, or half told.
 */
export interface Lasting {
  /** The keys of this look that were in every look since at least `forMs`. */
  since(keys: Iterable<string>, forMs: number): Set<string>
}

export function lasting(now: () => number = Date.now): Lasting {
  const firstSeen = new Map<string, number>()
  return {
    since(keys, forMs) {
      const present = new Set(keys)
      for (const key of firstSeen.keys()) if (!present.has(key)) firstSeen.delete(key)
      for (const key of present) if (!firstSeen.has(key)) firstSeen.set(key, now())
      return new Set([...present].filter((key) => now() - (firstSeen.get(key) ?? now()) >= forMs))
    },
  }
}
