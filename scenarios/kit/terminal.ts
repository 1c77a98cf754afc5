/**
 * A terminal: a line is typed at a prompt, and the text until the next prompt is its output. Over ssh on a
 * lab's host, or of a command on this machine.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Readable, Writable } from 'node:stream'
import { stripVTControlCharacters } from 'node:util'
import { LabError } from '../../provision/process/errors.ts'
import { timeoutScale } from '../../provision/process/timeout-scale.ts'
import { withLimit } from '../../provision/process/with-limit.ts'

/** A command with a terminal of its own: wide enough that nothing wraps. */
export interface Session {
  stdin: Writable
  stdout: Readable
  /** Exit code. */
  exit: Promise<number>
}

export interface Terminal {
  /** Waits for the prompt; resolves with its text. */
  prompted(): Promise<string>
  /** Types the line; resolves with its output when the prompt is back or the session has ended. */
  type(line: string): Promise<string>
  /** The output since the last line was typed. */
  printed(): string
  /** Waits for the end of the session; resolves with the output and the exit code. */
  ended(): Promise<{ output: string; code: number }>
  /** Ends the running command and the session. */
  leave(): Promise<void>
}

/** Deadline for a prompt and for the end of a session. */
const limitMs = 30_000 * timeoutScale
const againMs = 1000 * timeoutScale

/** `what`: the terminal's name in messages. `prompt`: matches at the end of the output. */
export function terminal({ stdin, stdout, exit }: Session, what: string, prompt: RegExp): Terminal {
  let raw = ''
  let hasEnded = false
  const more = new EventTarget()
  const changed = () => more.dispatchEvent(new Event('more'))
  stdout.on('data', (chunk: Buffer) => {
    raw += chunk
    changed()
  })
  const noteEnd = () => {
    hasEnded = true
    changed()
  }
  exit.then(noteEnd, noteEnd) // `ended` passes an error on
  const output = () => stripVTControlCharacters(raw).replaceAll('\r', '')

  const prompted = async (withinMs = limitMs): Promise<string> => {
    const deadline = AbortSignal.timeout(withinMs)
    for (;;) {
      const found = prompt.exec(output())?.[0]
      if (found !== undefined || hasEnded) return found ?? ''
      await once(more, 'more', { signal: deadline }).catch(() => {
        throw new LabError(`${what}: no prompt after ${withinMs / 1000} s; it printed:\n${output()}`)
      })
    }
  }
  /** A shell that is about to read a line may lose Ctrl-C. */
  const interrupted = async (times = limitMs / againMs): Promise<void> => {
    stdin.write('\x03')
    await prompted(againMs).catch((error: unknown) => {
      if (times <= 1) throw error
      return interrupted(times - 1)
    })
  }
  const ended = async () => {
    const late = () =>
      new LabError(`${what}: still running after ${limitMs / 1000} s; it printed:\n${output()}`)
    return { code: await withLimit(exit, limitMs, late), output: output() }
  }
  return {
    prompted: () => prompted(),
    printed: output,
    ended,
    async leave() {
      raw = ''
      await interrupted() // Ctrl-C also discards input that follows it: wait for the prompt before Ctrl-D
      stdin.write('\x04')
      await ended()
    },
    async type(line) {
      raw = ''
      stdin.write(`${line}\n`)
      const back = await prompted()
      const echoed = output().indexOf('\n') + 1
      return output().slice(echoed, output().length - back.length)
    },
  }
}

/** A command on this machine with a terminal of its own, by script(1). */
export function localSession(command: string, options: { cwd: string; env: NodeJS.ProcessEnv }): Session {
  const child = spawn('script', ['-qefc', `stty cols 500; ${command}`, '/dev/null'], options)
  const exit = once(child, 'exit').then(([code]) => (typeof code === 'number' ? code : 255))
  return { stdin: child.stdin, stdout: child.stdout, exit }
}
