/**
 * One command: its input, its output, and how it ended, bounded in time.
 *
 * `ip -force -batch` goes on after a line that failed and names it on stderr (`Command failed -:3`); a few commands
 * (`neigh`, a bad address) end the whole process instead, and then nobody says which line it was.
 */
import { DriverError } from '../core/errors.ts'
import { type Outcome, openShell, type Shell } from './shell.ts'

export interface Failure {
  /** Zero-based line of the batch; `undefined` when the process ended there. */
  line: number | undefined
  words: string
}

export type Run = (command: readonly string[], input?: string) => Promise<Outcome>

export interface Runner {
  /** Never rejects for an exit code; throws `kernel` when the program is not there or takes too long. */
  run: Run
  close(): void
}

/** As many as run at once at most times; what is opened for a rush is closed after it. */
const keptShells = 4

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
        if (shell.isAlive() && !closed && idle.length < keptShells) idle.push(shell)
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

/** What a batch complained about; empty when all lines did what they say. */
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
