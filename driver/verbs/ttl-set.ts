/**
 * Maps and sets that forget. Time is that of a clock that only grows: a step of the system's clock (NTP at
 * boot, a machine that resumes) ends nothing.
 */

/** A map whose entries leave it by themselves, some time after they were last set. */
export interface TtlMap<K, V> {
  set(key: K, value: V): void
  delete(key: K): void
  get(key: K): V | undefined
  entries(): [K, V][]
}

export function createTtlMap<K, V>(ttlMs: number): TtlMap<K, V> {
  /** In the order in which they were last set. */
  const entries = new Map<K, { value: V; setAt: number }>()
  const current = (): typeof entries => {
    const now = performance.now()
    for (const [key, { setAt }] of entries) {
      if (now - setAt <= ttlMs) break
      entries.delete(key)
    }
    return entries
  }
  return {
    set(key, value) {
      entries.delete(key)
      entries.set(key, { value, setAt: performance.now() })
    },
    delete: (key) => void entries.delete(key),
    get: (key) => current().get(key)?.value,
    entries: () => [...current()].map(([key, { value }]) => [key, value]),
  }
}

/** A set whose members leave it by themselves, some time after they were last added. */
export interface TtlSet<T> {
  add(member: T): void
  remove(member: T): void
  all(): T[]
}

export function createTtlSet<T>(ttlMs: number): TtlSet<T> {
  const members = createTtlMap<T, true>(ttlMs)
  return {
    add: (member) => members.set(member, true),
    remove: members.delete,
    all: () => members.entries().map(([member]) => member),
  }
}
