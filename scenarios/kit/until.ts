/**
 * Waiting: looking again and again until it is seen, or the deadline has passed.
 *
 * The one place where scenarios pause; the linter keeps it so.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { patience } from '../../provision/process/timeout-scale.ts'

const betweenLooksMs = 50

export interface Seen<T> {
  /** What was seen; `undefined` when the deadline passed first. */
  value: T | undefined
  ms: number
  tries: number
}

/** Looks at least once, and a last time after the deadline, which the patience multiplies. */
export async function until<T>(look: () => Promise<T | undefined>, deadlineMs: number): Promise<Seen<T>> {
  const start = performance.now()
  for (let tries = 1; ; tries++) {
    const late = performance.now() - start > deadlineMs * patience
    const value = await look()
    if (value !== undefined || late) return { value, ms: performance.now() - start, tries }
    await pause(betweenLooksMs)
  }
}
