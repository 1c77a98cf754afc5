/**
 * Local commands of the backend: their output is kept, a failure is one clear line with the tool's own words.
 *
 * An interruption (Ctrl-C, SIGTERM) ends the commands under way, so that what is half made can be taken down;
 * `uninterrupted` is for that taking down.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { LabError } from './errors.ts'

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

/** Calls `then` when the runner is interrupted, until the returned function is called. */
export function onInterruption(then: () => void): () => void {
  interruption.signal.addEventListener('abort', then, { once: true })
  return () => interruption.signal.removeEventListener('abort', then)
}

/**
 * Arguments of setpriv(1), before a command: it gets mount and process namespaces of its own, and ends, with all that
 * it has started, when this process does.
 */
export const ownNamespaces: readonly string[] = [
  ...['--pdeathsig', 'KILL', 'unshare', '--mount', '--propagation', 'private'],
  ...['--pid', '--fork', '--kill-child', '--mount-proc'],
]

/** Namespaces, mounts and cgroups are root's: says so before the first of them refuses. */
export function requireRoot(): void {
  if (process.getuid?.() === 0) return
  const [, script = '', ...args] = process.argv
  const command = script.endsWith('/scenarios/main.ts') ? 'scenarios' : 'lab'
  const words = args.length > 0 ? ` -- ${args.join(' ')}` : ''
  throw new LabError('nspawn hosts need root', { hint: `as root: npm run ${command}${words}` })
}

export function uninterrupted<T>(work: () => Promise<T>): Promise<T> {
  return protectedWork.run(true, work)
}

export async function run(
  file: string,
  args: readonly string[],
  { signal, ...options }: { input?: string; signal?: AbortSignal | undefined } = {},
): Promise<string> {
  checkInterrupted()
  const signals = [...(protectedWork.getStore() ? [] : [interruption.signal]), ...(signal ? [signal] : [])]
  const cancel = signals.length > 0 ? { cancelSignal: AbortSignal.any(signals) } : {}
  const { execa } = await import('execa') // not for `lab exec`, which is to start fast
  const result = await execa(file, args, { reject: false, killSignal: 'SIGKILL', ...cancel, ...options })
  checkInterrupted()
  if (!result.failed) return result.stdout
  const words = (result.stderr || result.stdout || result.shortMessage || '').trim().split('\n')
  throw new LabError(`${file} ${args.slice(0, 3).join(' ')}: ${words.slice(-3).join('; ')}`, {
    cause: result,
  })
}
