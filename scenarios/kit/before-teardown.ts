/**
 * A hook before a scenario's first teardown. Containers and networks go with their scopes, so the end of the
 * test is too late to take a snapshot of them.
 */
import { pauseAfterFailedExpect } from './debug.ts'

let hook: (() => Promise<void>) | undefined

/** Sets the hook; it runs once. */
export function beforeTeardown(once: () => Promise<void>): void {
  hook = once
}

/** Runs the hook, if it has not run. Every teardown calls this first. */
export async function teardownBegins(): Promise<void> {
  await pauseAfterFailedExpect()
  const first = hook
  hook = undefined
  await first?.()
}
