/**
 * Runs one command: its input, its output and its exit code, with a time limit.
 *
 * `ip -force -batch` continues after a failed line and names it on stderr (`Command failed -:3`). A few
 * commands (`neigh`, an invalid address) end the whole process instead, and the failed line is not named.
 */
import { DriverError } from '../core/errors.ts'
import { type Outcome, openShell, type Shell } from './shell.ts'

export interface Failure {
  /** Zero-based line of the batch; `undefined` when the process ended without naming it. */
  line: number | undefined
  words: string
}

export type Run = (command: readonly string[], input?: string) => Promise<Outcome>

export interface Runner {
  /**
   * Does not reject for an exit code. Throws `kernel` when the program does not exist or exceeds the time
   * limit.
   */
  run: Run
  close(): void
}

/** Shells that stay open for the next commands; a burst's other shells are closed. */
const maxIdleShells = 4

export function runner(timeoutMs: number): Runner {
  let idle: Shell[] = []
  let closed = false
  const take = (): Shell => {
    idle = idle.filter((it) => it.isAlive())
    return idle.pop() ?? openShell()
  }
  return {
    async run(command, input = '') {
      const shell = take()
      try {
        const outcome = await shell.run(command, input, timeoutMs)
        if (cannotBeRun.has(outcome.code)) throw new DriverError('kernel', outcome.stderr.trim())
        return outcome
      } finally {
        if (shell.isAlive() && !closed && idle.length < maxIdleShells) idle.push(shell)
        else shell.close()
      }
    },
    close() {
      closed = true
      for (const shell of idle.splice(0)) shell.close()
    },
  }
}

/** POSIX: not executable; not found. */
const cannotBeRun = new Set([126, 127])

/** Throws `kernel` with the command's first error line. */
export function succeeded({ code, stderr }: Outcome): void {
  if (code !== 0) throw new DriverError('kernel', stderr.trim().split('\n')[0] || `exit code ${code}`)
}

/** The failures of a batch; empty when all lines succeeded. */
export function failuresOf({ code, stderr }: Outcome): Failure[] {
  if (code === 0) return []
  const failures: Failure[] = []
  let words: string[] = []
  for (const text of stderr.split('\n').filter((it) => it.trim() !== '')) {
    const line = /^Command failed -:(\d+)/.exec(text)?.[1]
    if (line === undefined) words.push(text.trim())
    else {
      failures.push({ line: Number(line) - 1, words: words.join(' ') })
      words = []
    }
  }
  if (words.length > 0 || failures.length === 0) {
    failures.push({ line: undefined, words: words.join(' ') || `exit code ${code}` })
  }
  return failures
}
