/**
 * The exit code of a script: what its procedure resolves with, or 2 with the error's message. A signal's code
 * comes before both.
 */
import { explain } from './errors.ts'

export interface ExitOptions {
  /** What `catchSignals` returned. */
  interrupted?: () => number | undefined
  /** Exit code for an error; 2 unless given. */
  codeOf?: (error: unknown) => number
}

/** Sets the exit code. The process ends by itself when no work is left. */
export function exitWith(
  procedure: Promise<number>,
  { interrupted = () => undefined, codeOf = () => 2 }: ExitOptions = {},
): void {
  procedure.then(
    (code) => {
      process.exitCode = interrupted() ?? code
    },
    (error) => {
      // Read before printing: printing to a closed pipe (EPIPE) would count as a signal, and is not what failed.
      const code = interrupted()
      console.error(explain(error))
      process.exitCode = code ?? codeOf(error)
    },
  )
}
