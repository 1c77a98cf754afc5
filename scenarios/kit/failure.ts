/**
 * An assertion on a command that did not hold: host, command, exit code and both outputs, and no frame but the
 * scenario's own.
 */
import type { Ran } from './host.ts'

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

/** Frames of scenario files; those of the runner say nothing to the reader. */
function ownFrames(stack: string): string[] {
  const frames = stack.split('\n').filter((line) => line.startsWith('    at '))
  const own = frames.filter((line) => line.includes('.scenario.ts'))
  return own.length > 0 ? own : frames
}
