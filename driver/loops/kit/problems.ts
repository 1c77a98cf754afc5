/** What is wrong now, by key, each with its reason. */
export interface Problems {
  /** Replaces the reason that the key had. */
  add(key: string, message: string): void
  clear(key: string): void
  /** Forgets the keys that are not among these. */
  keep(keys: ReadonlySet<string>): void
  messages(): string[]
}

export interface ProblemsOptions {
  /** Called when a key has a reason that differs from its last one. */
  onNew?: ((key: string, message: string) => void) | undefined
}

export function createProblems({ onNew }: ProblemsOptions): Problems {
  const reasons = new Map<string, string>()
  return {
    add(key, message) {
      const isNew = reasons.get(key) !== message
      reasons.set(key, message)
      if (isNew) onNew?.(key, message)
    },
    clear: (key) => void reasons.delete(key),
    keep(keys) {
      for (const key of reasons.keys()) if (!keys.has(key)) reasons.delete(key)
    },
    messages: () => [...reasons.values()],
  }
}
