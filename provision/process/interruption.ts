/**
 * Interruption of the runner (Ctrl-C, SIGTERM): the work under way fails, so that what is half made can be
 * taken down; `uninterrupted` protects that taking down.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { LabError } from './errors.ts'

const interruption = new AbortController()
const protectedWork = new AsyncLocalStorage<boolean>()

/** From now on, all work that is not `uninterrupted` fails. */
export function interrupt(signal: string): void {
  interruption.abort(new LabError(`interrupted by ${signal}`))
}

/** Throws when the runner was interrupted; called before each thing that is made. */
export function checkInterrupted(): void {
  if (!protectedWork.getStore()) interruption.signal.throwIfAborted()
}

/** Calls `then` when the runner is interrupted, until the returned function is called. */
export function onInterruption(then: () => void): () => void {
  interruption.signal.addEventListener('abort', then, { once: true })
  return () => interruption.signal.removeEventListener('abort', then)
}

/** The signal that ends a command of this work; `undefined` in uninterrupted work. */
export function interruptionSignal(): AbortSignal | undefined {
  return protectedWork.getStore() ? undefined : interruption.signal
}

export function uninterrupted<T>(work: () => Promise<T>): Promise<T> {
  return protectedWork.run(true, work)
}
