/**
 * A long-lived shell that runs one command after the other.
 *
 * fork(2) copies the page tables of the calling process and stops it meanwhile: for a driver of 80 MB that
 * costs more than `ip` itself. A shell is small. It gets the command as a line and its input as a
 * here-document, and prints a mark on both outputs when the command has ended. The shell ends with the
 * driver, when its input is closed.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import type { Socket } from 'node:net'
import { DriverError } from '../core/errors.ts'

export interface Outcome {
  code: number
  stdout: string
  stderr: string
}

export interface Shell {
  /**
   * One command at a time. Throws `kernel` when the shell ended during the command, or was ended at the time
   * limit; the shell cannot be used afterwards.
   */
  run(command: readonly string[], input: string, timeoutMs: number): Promise<Outcome>
  isAlive(): boolean
  close(): void
}

export function openShell(): Shell {
  const mark = `end-of-${randomUUID()}`
  // A process group of its own, so that a command that exceeds its limit ends with the shell.
  const child = spawn('sh', [], { stdio: ['pipe', 'pipe', 'pipe'], detached: true, env: inEnglish() })
  let ended: string | undefined
  let job: { check(): void; fail(error: DriverError): void } | undefined
  const end = (why: string): void => {
    ended ??= why
    job?.fail(new DriverError('kernel', ended))
  }
  child.on('error', ({ message }) => end(`sh: ${message}`))
  // With too many open files there is a process object without pipes.
  if (child.stdout === undefined)
    throw new DriverError('kernel', 'sh cannot be started: the process has no pipes (too many open files?)')
  const parts = [child, child.stdin, child.stdout, child.stderr] as unknown as (ChildProcess | Socket)[]
  const stdout = collect(child.stdout, new RegExp(`${mark} (\\d+)\\.$`), () => job?.check())
  const stderr = collect(child.stderr, new RegExp(`${mark}$`), () => job?.check())
  child.on('close', (code, signal) => {
    const words = stderr.take().text.trim()
    end(`the shell that runs ip and bridge ended (${signal ?? code})${words && `: ${words}`}`)
  })
  child.stdin.on('error', () => undefined) // `close` reports the end
  for (const part of parts) part.unref() // an idle shell does not keep the driver running

  return {
    async run(command, input, timeoutMs) {
      if (ended !== undefined) throw new DriverError('kernel', ended)
      for (const part of parts) part.ref()
      const giveUp = (): void => {
        if (job === undefined) return
        end(`${command.join(' ')} was ended after ${timeoutMs} ms`)
        const runs = child.exitCode === null && child.signalCode === null
        if (child.pid !== undefined && runs) process.kill(-child.pid, 'SIGKILL')
      }
      // After a pause of the driver the answer may be waiting in the pipe: it is read first.
      let late: NodeJS.Immediate | undefined
      const bound = setTimeout(() => {
        late = setImmediate(giveUp)
      }, timeoutMs)
      try {
        return await new Promise<Outcome>((resolve, fail) => {
          const check = (): void => {
            if (!stdout.isComplete() || !stderr.isComplete()) return
            const { text, match } = stdout.take()
            resolve({ code: Number(match?.[1]), stdout: text, stderr: stderr.take().text })
          }
          job = { check, fail }
          child.stdin.write(script(command, input, mark))
        })
      } finally {
        job = undefined
        clearTimeout(bound)
        clearImmediate(late)
        for (const part of parts) part.unref()
      }
    },
    isAlive: () => ended === undefined,
    close: () => void child.stdin.end(),
  }
}

/** systemd gives each unit the machine's language, and some errors are read by their words. */
function inEnglish(): NodeJS.ProcessEnv {
  return { ...process.env, LC_ALL: 'C' }
}

function script(command: readonly string[], input: string, mark: string): string {
  const text = input === '' || input.endsWith('\n') ? input : `${input}\n`
  return `${command.map(quoted).join(' ')} <<'${mark}'
${text}${mark}
printf '${mark} %d.' $?; printf '${mark}' >&2
`
}

function quoted(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`
}

/** The output of a stream since it was last taken, complete when its end matches. */
function collect(stream: NodeJS.ReadableStream, end: RegExp, complete: () => void) {
  let chunks: Buffer[] = []
  let tail = Buffer.alloc(0) // the mark may come in pieces
  let found: RegExpExecArray | null = null
  stream.on('data', (chunk: Buffer) => {
    chunks.push(chunk)
    tail = Buffer.concat([tail, chunk.subarray(-longestMark)]).subarray(-longestMark)
    found = end.exec(tail.toString('latin1'))
    if (found !== null) complete()
  })
  return {
    isComplete: () => found !== null,
    take() {
      const text = Buffer.concat(chunks).toString('utf8')
      const match = found
      chunks = []
      tail = Buffer.alloc(0)
      found = null
      return { text: text.slice(0, text.length - (match?.[0].length ?? 0)), match }
    },
  }
}

/** `end-of-`, a UUID, a space, three digits, a dot. */
const longestMark = 48
