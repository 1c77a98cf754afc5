/**
 * Local commands of the backend: their output is kept, a failure is one clear line with the tool's own words.
 *
 * An interruption (Ctrl-C, SIGTERM) ends the commands under way, so that what is half made can be taken down;
 * `uninterrupted` is for that taking down.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { execa } from 'execa'
import { LabError } from '../errors.ts'

const interruption = new AbortController()
const protectedWork = new AsyncLocalStorage<boolean>()

/** Everything under way that is not `uninterrupted` fails from now on. */
export function interrupt(signal: string): void {
  interruption.abort(new LabError(`interrupted by ${signal}`))
}

/** Throws when the runner was interrupted: called before each thing that is made. */
export function checkInterrupted(): void {
  if (!protectedWork.getStore()) interruption.signal.throwIfAborted()
}

export function uninterrupted<T>(work: () => Promise<T>): Promise<T> {
  return protectedWork.run(true, work)
}

export async function run(
  file: string,
  args: readonly string[],
  options: { input?: string } = {},
): Promise<string> {
  checkInterrupted()
  const cancel = protectedWork.getStore() ? {} : { cancelSignal: interruption.signal }
  const result = await execa(file, args, { reject: false, killSignal: 'SIGKILL', ...cancel, ...options })
  checkInterrupted()
  if (!result.failed) return result.stdout
  const words = (result.stderr || result.stdout || result.shortMessage || '').trim().split('\n')
  throw new LabError(`${file} ${args.slice(0, 3).join(' ')}: ${words.slice(-3).join('; ')}`, {
    cause: result,
  })
}
