/**
 * Undoes at the end of a scope what a scenario has changed, whether the scenario holds or fails.
 *
 * When the undoing fails too, both errors are told, the scenario's first (suppressed.ts). A `finally` that
 * throws drops the error of its `try`, so the check refuses `finally` in scenarios
 * (test/checks/no-finally.ts).
 *
 * @example
 *     await hostB.succeed`systemctl stop multihost`
 *     {
 *       await using _started = atEnd(() => hostB.succeed`systemctl start multihost`)
 *       await hostA.waitUntilSucceeds`multihost host ls | grep 'driver down'`
 *     }
 *     await hostA.waitUntilSucceeds`multihost host ls | grep alive`
 */
import { undoing } from './before-teardown.ts'

/** Runs `undo` when the scope of its `await using` ends. What was declared later in the scope ends before it. */
export function atEnd(undo: () => PromiseLike<unknown>): AsyncDisposable {
  return { [Symbol.asyncDispose]: () => undoing(undo) }
}
