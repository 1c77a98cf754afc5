/**
 * Things that happened a moment ago, forgotten by themselves.
 */
export interface Recent<T> {
  add(thing: T): void
  remove(thing: T): void
  all(): T[]
}

export function recently<T>(forMs: number, now: () => Date): Recent<T> {
  const times = new Map<T, number>()
  return {
    add: (thing) => void times.set(thing, now().getTime()),
    remove: (thing) => void times.delete(thing),
    all() {
      for (const [thing, at] of times) if (now().getTime() - at > forMs) times.delete(thing)
      return [...times.keys()]
    },
  }
}
