/**
 * The time of day when this process began, and what has passed since then. For what Docker has under way: a step of the
 * system's clock (NTP at boot, a machine that resumes) ends no call.
 */
export function steadyNow(): Date {
  return new Date(performance.timeOrigin + performance.now())
}

/** A set whose members leave it by themselves, some time after they were last added. */
export interface TtlSet<T> {
  add(member: T): void
  remove(member: T): void
  all(): T[]
}

export function createTtlSet<T>(ttlMs: number, now: () => Date): TtlSet<T> {
  const addedAt = new Map<T, number>()
  return {
    add: (member) => void addedAt.set(member, now().getTime()),
    remove: (member) => void addedAt.delete(member),
    all() {
      for (const [member, at] of addedAt) if (now().getTime() - at > ttlMs) addedAt.delete(member)
      return [...addedAt.keys()]
    },
  }
}
