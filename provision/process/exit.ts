/**
 * How a script ends: with the code that its procedure gives, or with the error's sentence and 2. A signal's code comes
 * before both.
 */
import { explain } from './errors.ts'

export interface Ending {
  /** What `catchSignals` has returned. */
  interrupted?: () => number | undefined
  /** 2 unless given. */
  codeOf?: (error: unknown) => number
}

/** Sets the exit code; the process ends when nothing is under way any more. */
export function endWith(
  procedure: Promise<number>,
  { interrupted = () => undefined, codeOf = () => 2 }: Ending = {},
): void {
  procedure.then(
    (code) => {
      process.exitCode = interrupted() ?? code
    },
    (error) => {
      // Asked before anything is printed: a reader that has gone away is no signal that ended the procedure.
      const code = interrupted()
      console.error(explain(error))
      process.exitCode = code ?? codeOf(error)
    },
  )
}
