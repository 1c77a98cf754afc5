/**
 * A hook before a scenario's first teardown. Containers and networks go with their scopes, so the end of the
 * test is too late to take a snapshot of them.
 *
 * An undo (at-end.ts) may stand in the middle of a scenario. The hook runs before it, and once more when the
 * scenario has gone on after it. So the last snapshot is the one from right after a failure.
 */
import { pauseAfterFailedExpect } from './debug.ts'
import { undoAfter } from './suppressed.ts'

let hook: (() => Promise<void>) | undefined
/** Whether the hook has run before an undo, and the scenario has not gone on since. */
let hasRun = false
let undosUnderWay = 0

/** Sets the hook, until the first teardown. */
export function beforeTeardown(each: () => Promise<void>): void {
  hook = each
  hasRun = false
}

/** Runs the hook, if it has not run. Every teardown calls this first. */
export async function teardownBegins(): Promise<void> {
  await pauseAfterFailedExpect()
  const last = hook
  hook = undefined
  if (!hasRun) await last?.()
}

/** Runs the hook, if it has not run, and then the undo, also after a hook that fails. */
export async function undoing(undo: () => PromiseLike<unknown>): Promise<void> {
  undosUnderWay += 1
  try {
    await undoBegins().catch((error: unknown) => undoAfter(error, undo))
    await undo()
  } finally {
    undosUnderWay -= 1
  }
}

async function undoBegins(): Promise<void> {
  await pauseAfterFailedExpect()
  if (hasRun) return
  hasRun = true
  await hook?.()
}

/** Called when a command has run: outside of an undo, the scenario goes on. */
export function goesOnAfterUndo(): void {
  if (undosUnderWay === 0) hasRun = false
}
