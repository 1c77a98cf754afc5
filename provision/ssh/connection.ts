/**
 * The lab's ssh client: commands, files and shells on a host, as root.
 *
 * Used by the provisioning steps (as a zx shell, shell.ts), by the scenarios and by `lab exec`. A connection
 * has at most eight channels at once (sshd's MaxSessions is ten); further commands wait. A connection that
 * does not answer for 6 s (times the timeout scale) is closed, and its commands fail.
 */
import type { Readable, Writable } from 'node:stream'
import type { Client, ClientChannel } from 'ssh2'
import { LabError } from '../process/errors.ts'
import { shellQuote } from '../process/quote.ts'
import { withLimit } from '../process/with-limit.ts'
import { handshake, type Target } from './handshake.ts'

export interface Result {
  stdout: string
  stderr: string
  /** Exit code; 128 + n for a command that signal n ended, 255 when the connection was lost. */
  code: number
}

interface Streams {
  stdin: Readable
  stdout: Writable
  stderr: Writable
}

export interface Connection extends AsyncDisposable {
  name: string
  /** Runs a bash command line as root. `input` becomes its stdin. Never throws for a non-zero exit code. */
  exec(command: string, options?: { input?: string | Buffer; timeoutMs?: number }): Promise<Result>
  /** The same with streams, byte for byte; resolves with the exit code. */
  pipe(command: string, streams: Streams): Promise<number>
  /**
   * An interactive shell (or command) on this process's terminal. When stdin is not a terminal, the shell
   * reads commands from it and ends with them. Resolves with the exit code.
   */
  terminal(command?: string): Promise<number>
  /** Runs the command on a terminal of its own, 500 columns wide so that no line wraps. */
  session(command: string): Promise<{ stdin: Writable; stdout: Readable; exit: Promise<number> }>
  /** Writes a file as root, through a temporary file beside it; makes its folder. */
  upload(path: string, content: string | Buffer, mode?: string): Promise<void>
  /** True while the connection is usable. */
  alive(): boolean
  close(): void
}

const channelsAtOnce = 8

export async function connect(target: Target): Promise<Connection> {
  const client = await handshake(target)
  const link: Link = { target, client, open: true, slots: semaphore(channelsAtOnce) }
  const lose = () => {
    link.open = false
  }
  client.on('close', lose)
  client.on('error', lose) // without a listener a late error would end the process; open channels report it
  return {
    name: target.name,
    exec: (command, options) => exec(link, command, options),
    pipe: (command, streams) => pipe(link, command, streams),
    async terminal(command = 'exec bash -l') {
      const { stream, exit } = await channel(link, command, process.stdin.isTTY ? terminalSize() : undefined)
      return attachTerminal(stream, exit)
    },
    async session(command) {
      const { stream, exit } = await channel(link, command, { ...terminalSize(), cols: 500 })
      return { stdin: stream.stdin, stdout: stream.stdout, exit }
    },
    upload: (path, content, mode) => upload(link, path, content, mode),
    alive: () => link.open,
    close: () => client.end(),
    async [Symbol.asyncDispose]() {
      client.end()
    },
  }
}

/** An open connection. */
interface Link {
  target: Target
  client: Client
  open: boolean
  slots: Semaphore
}

/**
 * The exit status may arrive in the packet that opens the channel, so it is listened for before anything is
 * awaited.
 */
function channel(
  { target, client, open }: Link,
  command: string,
  pty?: ReturnType<typeof terminalSize>,
): Promise<{ stream: ClientChannel; exit: Promise<number> }> {
  const line = target.user === 'root' ? command : `sudo -n bash -c ${shellQuote(command)}`
  return new Promise((resolve, reject) => {
    if (!open) return reject(lost(target))
    const failed = (error: Error): void =>
      reject(new LabError(`${target.name}: ${error.message}`, { cause: error }))
    try {
      client.exec(line, pty ? { pty } : {}, (error, stream) =>
        error ? failed(error) : resolve({ stream, exit: exitOf(stream) }),
      )
    } catch (error) {
      // ssh2 throws where the socket has closed and the end of the connection has not been told yet.
      failed(error as Error)
    }
  })
}

function pipe(link: Link, command: string, streams: Streams): Promise<number> {
  return link.slots(async () => {
    const { stream, exit } = await channel(link, command)
    stream.stdin.on('error', () => undefined) // the command may end before it has read its input
    streams.stdin.pipe(stream.stdin)
    stream.stdout.pipe(streams.stdout, { end: false })
    stream.stderr.pipe(streams.stderr, { end: false })
    const code = await exit
    streams.stdin.unpipe(stream.stdin)
    return code
  })
}

function exec(
  link: Link,
  command: string,
  { input, timeoutMs }: { input?: string | Buffer; timeoutMs?: number } = {},
): Promise<Result> {
  return link.slots(async () => {
    const { stream, exit } = await channel(link, command)
    const out = collect(stream.stdout)
    const err = collect(stream.stderr)
    stream.stdin.on('error', () => undefined) // the command may end before it has read its input
    stream.stdin.end(input)
    const code = await withLimit(exit, timeoutMs, () => {
      stream.destroy()
      return new LabError(`${link.target.name}: ${command}: still running after ${timeoutMs} ms`)
    })
    return { stdout: out(), stderr: err(), code }
  })
}

async function upload(link: Link, path: string, content: string | Buffer, mode = '0644'): Promise<void> {
  const result = await exec(link, uploadCommand(path, mode), { input: content })
  if (result.code === 0) return
  throw new LabError(`${link.target.name}: cannot write ${path}: ${result.stderr.trim()}`)
}

/**
 * Shell that writes its input to the file. Every user may enter a folder that it makes. Until the file has
 * its mode, root alone can read it: it may be a secret.
 */
export function uploadCommand(path: string, mode: string): string {
  const to = shellQuote(path)
  const temporary = shellQuote(`${path}.part`)
  const folder = shellQuote(path.replace(/\/[^/]*$/, '') || '/')
  const write = `rm -f ${temporary} && (umask 077 && cat > ${temporary})` // a link there leads elsewhere
  return `(umask 022 && mkdir -p ${folder}) && ${write} && chmod ${mode} ${temporary} && mv ${temporary} ${to}`
}

function lost(target: Target): LabError {
  return new LabError(`${target.name}: the connection was lost`)
}

/** A channel that closes without an exit status lost its connection: 255, as in OpenSSH. */
function exitOf(stream: ClientChannel): Promise<number> {
  return new Promise((resolve) => {
    let status = 255
    stream.on('exit', (code: number | null, signal?: string) => {
      status = code ?? 128 + signalNumber(signal)
    })
    stream.on('close', () => resolve(status))
  })
}

const signals: Record<string, number> = {
  HUP: 1,
  INT: 2,
  QUIT: 3,
  ABRT: 6,
  KILL: 9,
  SEGV: 11,
  PIPE: 13,
  ALRM: 14,
  TERM: 15,
}

function signalNumber(name: string | undefined): number {
  return signals[(name ?? '').replace(/^SIG/, '')] ?? 127
}

function collect(stream: Readable): () => string {
  const chunks: Buffer[] = []
  stream.on('data', (chunk: Buffer) => chunks.push(chunk))
  return () => Buffer.concat(chunks).toString('utf8')
}

type Semaphore = <T>(work: () => Promise<T>) => Promise<T>

function semaphore(size: number): Semaphore {
  let free = size
  const waiting: (() => void)[] = []
  return async (work) => {
    if (free === 0) await new Promise<void>((resolve) => waiting.push(resolve))
    else free--
    try {
      return await work()
    } finally {
      const next = waiting.shift()
      if (next) next()
      else free++
    }
  }
}

function terminalSize() {
  const { columns = 80, rows = 24 } = process.stdout
  return { cols: columns, rows, term: process.env.TERM ?? 'xterm', width: 0, height: 0 }
}

async function attachTerminal(stream: ClientChannel, exit: Promise<number>): Promise<number> {
  const { stdin, stdout, stderr } = process
  const raw = stdin.isTTY
  const resize = () => stream.setWindow(stdout.rows, stdout.columns, 0, 0)
  if (raw) stdin.setRawMode(true)
  stdout.on('resize', resize)
  stream.stdin.on('error', () => undefined) // the shell may end before it has read its input
  stdin.pipe(stream.stdin)
  stream.stdout.pipe(stdout, { end: false })
  stream.stderr.pipe(stderr, { end: false })
  try {
    return await exit
  } finally {
    if (raw) stdin.setRawMode(false)
    stdout.off('resize', resize)
    stdin.unpipe(stream.stdin)
    stdin.unref?.()
  }
}
