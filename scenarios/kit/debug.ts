/**
 * `--debug`: pauses a scenario that has failed before its containers and networks are removed.
 *
 * A failed command pauses where it fails. A failed `expect` throws at once; it is remembered, and the
 * scenario pauses at its first teardown when no command and no `expect` has succeeded since.
 */
import { chai } from 'vitest'
import { debugVariable, pause } from '../record/pause.ts'

export const isDebug = process.env[debugVariable] !== undefined
let failedExpect: Error | undefined

/** Called when a command has run: a failed `expect` before it was caught, as in `vi.waitFor`. */
export function goesOn(): void {
  failedExpect = undefined
}

export async function pauseAt(error: Error): Promise<void> {
  failedExpect = undefined
  if (isDebug) await pause(error.message)
}

/** Called before a teardown. */
export async function pauseAfterFailedExpect(): Promise<void> {
  if (failedExpect !== undefined) await pauseAt(failedExpect)
}

if (isDebug) {
  const { assert } = chai.Assertion.prototype
  chai.Assertion.prototype.assert = function (...args: Parameters<typeof assert>) {
    try {
      assert.apply(this, args)
      failedExpect = undefined
    } catch (error) {
      failedExpect = error as Error
      throw error
    }
  }
}
