/**
 * A terminal as its reader sees it: a line is typed at a prompt, and what is printed until the prompt comes back is
 * its output. Over ssh on a lab's host, or of a command on this machine.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Readable, Writable } from 'node:stream'
import { stripVTControlCharacters } from 'node:util'
import { LabError } from '../../provision/process/errors.ts'
import { timeoutScale } from '../../provision/process/timeout-scale.ts'

/** A command with a terminal of its own: wide enough that nothing wraps. */
export interface Session {
  stdin: Writable
  stdout: Readable
  /** Exit code. */
  exit: Promise<number>
}

export interface Terminal {
  /** Resolves with the prompt when it is there. */
  prompted(): Promise<string>
  /** Types the line at the prompt; resolves with what it printed, when the prompt is back or the session ended. */
  type(line: string): Promise<string>
  /** What was printed since the last line was typed. */
  printed(): string
  /** Waits for the session's end; resolves with what was printed, and the exit code. */
  ended(): Promise<{ output: string; code: number }>
  /** Ends what runs there, and the session. */
  leave(): Promise<void>
}

/** Longest that a prompt may take. */
const limitMs = 30_000 * timeoutScale

/** `what` is for messages; `prompt` matches at the end of what was printed. */
export function terminal({ stdin, stdout, exit }: Session, what: string, prompt: RegExp): Terminal {
  let printed = ''
  let over = false
  const more = new EventTarget()
  const changed = () => more.dispatchEvent(new Event('more'))
  stdout.on('data', (chunk: Buffer) => {
    printed += chunk
    changed()
  })
  exit.finally(() => {
    over = true
    changed()
  })
  const seen = () => stripVTControlCharacters(printed).replaceAll('\r', '')

  const prompted = async (): Promise<string> => {
    const deadline = AbortSignal.timeout(limitMs)
    for (;;) {
      const found = prompt.exec(seen())?.[0]
      if (found !== undefined || over) return found ?? ''
      await once(more, 'more', { signal: deadline }).catch(() => {
        throw new LabError(`${what}: no prompt after ${limitMs / 1000} s; it printed:\n${seen()}`)
      })
    }
  }
  const ended = async () => {
    const late = () => `${what}: no end after ${limitMs / 1000} s; it printed:\n${seen()}`
    return { code: await withDeadline(exit, late), output: seen() }
  }
  return {
    prompted,
    printed: seen,
    ended,
    async leave() {
      printed = ''
      stdin.write('\x03') // Ctrl-C drops what was typed after it, too: the rest must wait for the prompt
      await prompted()
      stdin.write('\x04')
      await ended()
    },
    async type(line) {
      printed = ''
      stdin.write(`${line}\n`)
      const back = await prompted()
      const echoed = seen().indexOf('\n') + 1
      return seen().slice(echoed, seen().length - back.length)
    },
  }
}

async function withDeadline<T>(work: Promise<T>, message: () => string): Promise<T> {
  const late = once(AbortSignal.timeout(limitMs), 'abort').then(() => {
    throw new LabError(message())
  })
  return Promise.race([work, late])
}

/** A command on this machine with a terminal of its own, by script(1). */
export function localSession(command: string, options: { cwd: string; env: NodeJS.ProcessEnv }): Session {
  const child = spawn('script', ['-qefc', `stty cols 500; ${command}`, '/dev/null'], options)
  const exit = once(child, 'exit').then(([code]) => (typeof code === 'number' ? code : 255))
  return { stdin: child.stdin, stdout: child.stdout, exit }
}
