/**
 * Runs the command `vagrant` in this project's folder and passes its lines on while it works. A failure is
 * one error with Vagrant's last lines.
 *
 * An interruption sends SIGINT, as a terminal does, and waits for the exit: Vagrant finishes its current
 * action and cleans up.
 */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { LabError } from '../../process/errors.ts'
import { checkInterrupted, onInterruption } from '../../process/interruption.ts'
import { labCommand } from '../../process/lab-command.ts'

export const project = fileURLToPath(new URL('../../..', import.meta.url))

/** Resolves with stdout. `partial`: also when the command failed, with what it had printed. */
export async function vagrant(
  args: readonly string[],
  { say, partial = false }: { say?: (line: string) => void; partial?: boolean } = {},
): Promise<string> {
  checkInterrupted()
  const { stdout, stderr, code } = await ran(['--no-color', ...args], say)
  checkInterrupted()
  if (code === 0 || partial) return stdout
  // Vagrant's headline of an error in the Vagrantfile says less than the error.
  const words = (stderr.trim() || stdout.trim())
    .split('\n')
    .filter((line) => line.trim() !== '' && !line.startsWith('Vagrant failed to initialize'))
  throw new LabError(`vagrant ${args.join(' ')}: ${words.slice(-6).join('\n  ')}`, {
    hint: `${labCommand} doctor --backend vagrant`,
    cause: stderr,
  })
}

/** True for an error of `vagrant`: another process makes or changes a machine. */
export function isLocked(error: unknown): boolean {
  return error instanceof LabError && /another process is already executing/.test(`${error.cause}`)
}

function ran(args: string[], say: (line: string) => void = () => undefined) {
  return new Promise<{ stdout: string; stderr: string; code: number | null }>((resolve, reject) => {
    const ownGroup = process.platform !== 'win32' // Ctrl-C in the terminal reaches the runner, which passes it on
    const child = spawn('vagrant', args, {
      cwd: process.env.VAGRANT_CWD ?? project,
      detached: ownGroup,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const output = { stdout: '', stderr: '' }
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].setEncoding('utf8').on('data', (text: string) => {
        output[name] += text
        for (const line of text.split('\n').filter((each) => each.trim() !== '')) say(line)
      })
    }
    const stopListening = onInterruption(() => {
      if (child.pid !== undefined) process.kill(ownGroup ? -child.pid : child.pid, 'SIGINT')
    })
    child.once('error', (error: NodeJS.ErrnoException) => {
      stopListening()
      reject(error.code === 'ENOENT' ? noVagrant(error) : error)
    })
    child.once('close', (code) => {
      stopListening()
      resolve({ ...output, code })
    })
  })
}

function noVagrant(cause: unknown): LabError {
  return new LabError('there is no vagrant on this machine', {
    hint: `install it with a provider (docs/vms.md), or use --backend nspawn; ${labCommand} doctor --backend vagrant says more`,
    cause,
  })
}
