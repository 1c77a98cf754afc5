/**
 * Waiting on a condition: look, pause, look again, until it holds or the deadline has passed. Every deadline
 * is multiplied by the timeout scale. A runner that is interrupted stops waiting.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { LabError } from './errors.ts'
import { checkInterrupted } from './interruption.ts'
import { timeoutScale } from './timeout-scale.ts'

export interface Polled<T> {
  /** What the last look returned; `undefined` when the deadline passed first. */
  value: T | undefined
  ms: number
  tries: number
}

/**
 * Looks at least once, and a last time after the deadline. A pause is as long as the look before it, and at
 * least `everyMs`: a wait takes half of a core at most. An error of `look` is passed on.
 */
export async function poll<T>(
  look: () => T | undefined | Promise<T | undefined>,
  withinMs: number,
  everyMs = 50,
): Promise<Polled<T>> {
  const start = performance.now()
  for (let tries = 1; ; tries++) {
    const began = performance.now()
    const late = began - start > withinMs * timeoutScale
    const value = await look()
    const ended = performance.now()
    if (value !== undefined || late) return { value, ms: ended - start, tries }
    await pause(Math.max(everyMs, ended - began))
    checkInterrupted()
  }
}

/** Resolves when `holds` returns true; otherwise throws a LabError with the `problem` and the deadline. */
export async function until(
  holds: () => boolean | Promise<boolean>,
  problem: string | (() => string),
  withinMs = 5000,
  everyMs = 10,
): Promise<void> {
  const { value } = await poll(async () => ((await holds()) ? true : undefined), withinMs, everyMs)
  if (value) return
  const text = typeof problem === 'string' ? problem : problem()
  throw new LabError(`${text} (waited ${(withinMs * timeoutScale) / 1000} s)`)
}
