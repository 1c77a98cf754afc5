/**
 * Commands on this machine. Resolves with stdout; a failure is one line with the tool's own last words. An
 * interruption of the runner ends the commands under way.
 */
import { fullDisk, LabError } from './errors.ts'
import { checkInterrupted, interruptionSignal } from './interruption.ts'

/**
 * Arguments of setpriv(1), before a command: the command gets mount and process namespaces of its own, and
 * ends, with all processes that it has started, when this process does.
 */
export const ownNamespaces: readonly string[] = [
  ...['--pdeathsig', 'KILL', 'unshare', '--mount', '--propagation', 'private'],
  ...['--pid', '--fork', '--kill-child', '--mount-proc'],
]

export interface RunOptions {
  /** The command's stdin. */
  input?: string
  /** Ends the command, besides an interruption. */
  signal?: AbortSignal | undefined
  /** Variables besides those of this process. */
  env?: Record<string, string>
}

export async function run(
  file: string,
  args: readonly string[],
  { input, signal, env = {} }: RunOptions = {},
): Promise<string> {
  checkInterrupted()
  const signals = [interruptionSignal(), signal].filter((each) => each !== undefined)
  const { execa } = await import('execa') // loaded here, since `lab exec` must start fast
  const result = await execa(file, args, {
    reject: false,
    killSignal: 'SIGKILL',
    cancelSignal: AbortSignal.any(signals),
    env,
    ...(input === undefined ? {} : { input }),
  })
  checkInterrupted()
  if (!result.failed) return result.stdout
  const output = (result.stderr || result.stdout || result.shortMessage || '').trim().split('\n')
  const full = output.findLast((line) => line.includes('No space left on device')) // cp says it for each file
  const words = full ?? output.slice(-3).join('; ')
  throw new LabError(`${file} ${args.slice(0, 3).join(' ')}: ${words}`, {
    cause: result,
    hint: full === undefined ? undefined : fullDisk,
  })
}
