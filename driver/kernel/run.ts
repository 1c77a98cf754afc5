/**
 * One process: its input, its output, and how it ended. No shell, bounded in time.
 *
 * `ip -force -batch` goes on after a line that failed and names it on stderr (`Command failed -:3`); a few commands
 * (`neigh`, a bad address) end the whole process instead, and then nobody says which line it was.
 */
import { spawn } from 'node:child_process'
import { DriverError } from '../core/errors.ts'

export interface Outcome {
  code: number
  stdout: string
  stderr: string
}

export interface Failure {
  /** Zero-based line of the batch; `undefined` when the process ended there. */
  line: number | undefined
  words: string
}

export type Run = (command: readonly string[], input?: string) => Promise<Outcome>

/** Never rejects for an exit code; throws `kernel` when the program is not there or takes too long. */
export function runner(timeoutMs: number): Run {
  return (command, input = '') =>
    new Promise((resolve, reject) => {
      const [file = '', ...args] = command
      const child = spawn(file, args, {
        stdio: ['pipe', 'pipe', 'pipe'],
        timeout: timeoutMs,
        killSignal: 'SIGKILL',
      })
      const stdout = collect(child.stdout)
      const stderr = collect(child.stderr)
      child.on('error', (cause) => reject(new DriverError('kernel', `${file}: ${cause.message}`, { cause })))
      child.on('close', (code, signal) => {
        if (code !== null) return resolve({ code, stdout: stdout(), stderr: stderr() })
        reject(
          new DriverError('kernel', `${command.join(' ')} was ended by ${signal} (bound: ${timeoutMs} ms)`),
        )
      })
      // a process that ends before it has read everything: its exit code tells why
      child.stdin.on('error', () => undefined)
      child.stdin.end(input)
    })
}

function collect(stream: NodeJS.ReadableStream): () => string {
  const chunks: Buffer[] = []
  stream.on('data', (chunk: Buffer) => chunks.push(chunk))
  return () => Buffer.concat(chunks).toString('utf8')
}

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
