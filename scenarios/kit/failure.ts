/**
 * The failure of an assertion on a command: host, command, exit code and both outputs. The stack has the
 * frames of scenario files alone.
 */
import type { Result } from '../../provision/ssh/connection.ts'

/** A command that a host has run. */
export interface Ran {
  host: string
  command: string
  result: Result
  ms: number
}

export class ScenarioFailure extends Error {
  readonly stdout: string

  constructor({ host, command, result, ms }: Ran, verdict: string) {
    super(
      [
        `${host}: \`${command}\` ${verdict}`,
        `  exit code ${result.code} after ${ms.toFixed(0)} ms`,
        `  stdout: ${indented(result.stdout)}`,
        `  stderr: ${indented(result.stderr)}`,
      ].join('\n'),
    )
    this.name = 'ScenarioFailure'
    this.stdout = result.stdout
    Error.captureStackTrace(this, ScenarioFailure)
    this.stack = [`${this.name}: ${this.message}`, ...ownFrames(this.stack ?? '')].join('\n')
  }
}

function indented(text: string): string {
  return text.trim() === '' ? '(empty)' : text.trimEnd().split('\n').join('\n          ')
}

/** Frames of scenario files; all frames when there are none. */
function ownFrames(stack: string): string[] {
  const frames = stack.split('\n').filter((line) => line.startsWith('    at '))
  const own = frames.filter((line) => line.includes('.scenario.ts'))
  return own.length > 0 ? own : frames
}
