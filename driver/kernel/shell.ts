/**
 * A shell that is kept, and runs one command after the other.
 *
 * fork(2) copies the page tables of the whole process, and stops it meanwhile: for a driver of 80 MB that costs more
 * than what `ip` then does. A shell is small. It gets the command as a line and its input as a here-document, and
 * prints a mark on both outputs when the command has ended. It ends with its driver, by the end of its input.
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
   * One at a time. Throws `kernel` when the shell ended with it, be it for the bound; it is of no use then.
   */
  run(command: readonly string[], input: string, timeoutMs: number): Promise<Outcome>
  isAlive(): boolean
  close(): void
}

export function openShell(): Shell {
  const mark = `end-of-${randomUUID()}`
  // a group of its own, so that a command that takes too long ends with it
  const child = spawn('sh', [], { stdio: ['pipe', 'pipe', 'pipe'], detached: true })
  let ended: string | undefined
  let job: { tell(): void; fail(error: DriverError): void } | undefined
  const end = (why: string): void => {
    ended ??= why
    job?.fail(new DriverError('kernel', ended))
  }
  child.on('error', ({ message }) => end(`sh: ${message}`))
  // too many open files: there is a process object, and nothing else
  if (child.stdout === undefined) throw new DriverError('kernel', 'sh cannot be started: no pipe to it')
  const parts = [child, child.stdin, child.stdout, child.stderr] as unknown as (ChildProcess | Socket)[]
  const stdout = collect(child.stdout, new RegExp(`${mark} (\\d+)\\.$`), () => job?.tell())
  const stderr = collect(child.stderr, new RegExp(`${mark}$`), () => job?.tell())
  child.on('close', (code, signal) => {
    const words = stderr.take().text.trim()
    end(`the shell that runs ip and bridge ended (${signal ?? code})${words && `: ${words}`}`)
  })
  child.stdin.on('error', () => undefined) // its end is told by `close`
  for (const part of parts) part.unref() // an idle shell keeps nobody

  return {
    async run(command, input, timeoutMs) {
      if (ended !== undefined) throw new DriverError('kernel', ended)
      for (const part of parts) part.ref()
      const giveUp = (): void => {
        if (job === undefined) return
        end(`${command.join(' ')} was ended (bound: ${timeoutMs} ms)`)
        const runs = child.exitCode === null && child.signalCode === null
        if (child.pid !== undefined && runs) process.kill(-child.pid, 'SIGKILL')
      }
      // After a standstill of the driver the answer may lie in the pipe: that is read first.
      let late: NodeJS.Immediate | undefined
      const bound = setTimeout(() => {
        late = setImmediate(giveUp)
      }, timeoutMs)
      try {
        return await new Promise<Outcome>((resolve, fail) => {
          const tell = (): void => {
            if (!stdout.isComplete() || !stderr.isComplete()) return
            const { text, match } = stdout.take()
            resolve({ code: Number(match?.[1]), stdout: text, stderr: stderr.take().text })
          }
          job = { tell, fail }
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

/** What a stream has brought since it was last taken, until its end matches. */
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
      const [text, match] = [Buffer.concat(chunks).toString('utf8'), found]
      ;[chunks, tail, found] = [[], Buffer.alloc(0), null]
      return { text: text.slice(0, text.length - (match?.[0].length ?? 0)), match }
    },
  }
}

/** `end-of-`, a UUID, a space, three digits, a dot. */
const longestMark = 48
