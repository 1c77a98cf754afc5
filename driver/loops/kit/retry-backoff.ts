/**
 * What failed, each with its reason and the time of its next try.
 *
 * A network that cannot be made (the user has a bridge of its name) neither holds up the other networks nor
 * is tried again with every change of the store: the pause before its next try doubles.
 */
import { createProblems, type Problems, type ProblemsOptions } from './problems.ts'

export interface RetryBackoff extends Omit<Problems, 'add'> {
  /** True when the key has not failed, or its pause is over. */
  mayTry(key: string): boolean
  failed(key: string, message: string): void
  /** Milliseconds until the first next try: 0 when one is due, undefined when nothing has failed. */
  nextInMs(): number | undefined
}

export interface RetryBackoffOptions extends ProblemsOptions {
  /** By a clock that only grows, in milliseconds. */
  now?: () => number
  firstPauseMs?: number
  maxPauseMs?: number
}

export function createRetryBackoff(options: RetryBackoffOptions = {}): RetryBackoff {
  const { now = () => performance.now(), firstPauseMs = 1000, maxPauseMs = 60_000, onNew } = options
  const problems = createProblems({ onNew })
  const tries = new Map<string, { times: number; notBefore: number }>()
  return {
    mayTry: (key) => (tries.get(key)?.notBefore ?? 0) <= now(),
    failed(key, message) {
      const times = (tries.get(key)?.times ?? 0) + 1
      const pause = Math.min(maxPauseMs, firstPauseMs * 2 ** (times - 1))
      tries.set(key, { times, notBefore: now() + pause })
      problems.add(key, message)
    },
    clear(key) {
      tries.delete(key)
      problems.clear(key)
    },
    keep(keys) {
      for (const key of tries.keys()) if (!keys.has(key)) tries.delete(key)
      problems.keep(keys)
    },
    nextInMs() {
      if (tries.size === 0) return undefined
      return Math.max(0, Math.min(...[...tries.values()].map(({ notBefore }) => notBefore)) - now())
    },
    messages: problems.messages,
  }
}
