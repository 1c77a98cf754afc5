/**
 * The commands that a user types, run in a sandbox with the box `multihost-lab`.
 */
import { fileURLToPath } from 'node:url'
import { LabError } from '../../provision/process/errors.ts'
import type { Log } from './report.ts'
import type { Sandbox } from './sandbox.ts'

export const project = fileURLToPath(new URL('../..', import.meta.url))

export interface Commands {
  /** `vagrant …`; resolves with what it prints. */
  vagrant(log: Log, ...args: string[]): Promise<string>
  /** `npm run lab -- VERB --backend vagrant`. */
  lab(log: Log, verb: string): Promise<string>
  /** `npm run scenarios -- --backend vagrant FILTER…`. */
  scenarios(log: Log, filters: readonly string[]): Promise<string>
  /** Any command, in the project's folder. */
  inside(log: Log, ...command: string[]): Promise<string>
}

/** `settings`: environment variables beside the sandbox's own. */
export function commandsIn(sandbox: Sandbox, settings: Record<string, string>): Commands {
  const env = { ...sandbox.env, ...settings, MULTIHOST_BOX: 'multihost-lab' }
  const inside: Commands['inside'] = (log, ...command) =>
    log([...sandbox.enter, 'env', '-C', project, ...command], env)
  return {
    inside,
    vagrant: (log, ...args) => inside(log, 'vagrant', '--no-color', ...args),
    lab: (log, verb) => inside(log, 'npm', 'run', 'lab', '--', verb, '--backend', 'vagrant'),
    scenarios: (log, filters) =>
      inside(log, 'npm', 'run', 'scenarios', '--', '--backend', 'vagrant', ...filters),
  }
}

/** Emulated machines get eight times the deadline. */
export function timeoutScale(kvm: boolean): Record<string, string> {
  return { MULTIHOST_PATIENCE: kvm ? '1' : '8' }
}

export function expectWords(output: string, words: string): void {
  if (output.includes(words)) return
  throw new LabError(`the output does not contain "${words}"`)
}

/** Resolves with the output of a command that must fail. */
export async function expectFailure(running: Promise<string>): Promise<string> {
  const output = await running.then(
    () => undefined,
    (error) => String((error.cause as { all?: string } | undefined)?.all ?? error),
  )
  if (output === undefined) throw new LabError('the command succeeded, and was expected to fail')
  return output
}
