/**
 * The one ssh client of the lab: commands, files and shells on a host, as root.
 *
 * Used by the provisioning steps (as a zx shell, shell.ts), by the scenarios and by `lab exec`. One connection per
 * host with at most eight channels at once (sshd's MaxSessions is ten); further commands wait their turn. A
 * connection that stops answering is given up after 6 s (times the patience), and what waited on it fails.
 */
import type { Readable, Writable } from 'node:stream'
import type { ClientChannel } from 'ssh2'
import { LabError } from '../process/errors.ts'
import { handshake, type Target } from './handshake.ts'
import { shellQuote } from './quote.ts'

export interface Result {
  stdout: string
  stderr: string
  /** Exit code; 128 + n for a command that signal n ended, 255 when the connection was lost. */
  code: number
}

export interface Connection extends AsyncDisposable {
  name: string
  /** Runs a bash command line as root. `input` becomes its stdin. Never throws for a non-zero exit code. */
  exec(command: string, options?: { input?: string | Buffer; timeoutMs?: number }): Promise<Result>
  /** The same with streams, byte for byte; resolves with the exit code. */
  pipe(command: string, streams: { stdin: Readable; stdout: Writable; stderr: Writable }): Promise<number>
  /**
   * An interactive shell (or command) on this process's terminal; where its input is none, the shell has none
   * either, so that it reads commands and ends with them. Resolves with the exit code.
   */
  terminal(command?: string): Promise<number>
  /** The command on a terminal of its own, so wide that no line wraps. */
  session(command: string): Promise<{ stdin: Writable; stdout: Readable; exit: Promise<number> }>
  /** Writes a file as root, through a temporary file beside it. */
  upload(path: string, content: string | Buffer, mode?: string): Promise<void>
  /** True while the connection is usable. */
  alive(): boolean
  close(): void
}

const channelsAtOnce = 8

export async function connect(target: Target): Promise<Connection> {
  const client = await handshake(target)
  const slots = semaphore(channelsAtOnce)
  let open = true
  client.on('close', () => {
    open = false
  })
  client.on('error', () => {
    open = false // a late error is seen by whoever waits on a channel; without a listener it would end the process
  })
  const asRoot = (command: string) =>
    target.user === 'root' ? command : `sudo -n bash -c ${shellQuote(command)}`

  // The exit status may come in the same packet as the channel itself: listen for it before anything is awaited.
  const channel: OpenChannel = (command, pty) =>
    new Promise((resolve, reject) => {
      if (!open) return reject(lost(target))
      client.exec(asRoot(command), pty ? { pty } : {}, (error, stream) =>
        error
          ? reject(new LabError(`${target.name}: ${error.message}`, { cause: error }))
          : resolve({ stream, exit: exitOf(stream) }),
      )
    })

  const pipe: Connection['pipe'] = (command, streams) =>
    slots(async () => {
      const { stream, exit } = await channel(command)
      stream.stdin.on('error', () => undefined) // the command may end before it has read its input
      streams.stdin.pipe(stream.stdin)
      stream.stdout.pipe(streams.stdout, { end: false })
      stream.stderr.pipe(streams.stderr, { end: false })
      const code = await exit
      streams.stdin.unpipe(stream.stdin)
      return code
    })

  const exec: Connection['exec'] = (command, { input, timeoutMs: limit } = {}) =>
    slots(async () => {
      const { stream, exit } = await channel(command)
      const out = collect(stream.stdout)
      const err = collect(stream.stderr)
      stream.stdin.on('error', () => undefined) // the command may end before it has read its input
      stream.stdin.end(input)
      const code = await withLimit(exit, limit, () => stream.destroy(), `${target.name}: ${command}`)
      return { stdout: out(), stderr: err(), code }
    })

  const connection: Connection = {
    name: target.name,
    exec,
    pipe,
    async terminal(command = 'exec bash -l') {
      const { stream, exit } = await channel(command, process.stdin.isTTY ? terminalSize() : undefined)
      return attachTerminal(stream, exit)
    },
    async session(command) {
      const { stream, exit } = await channel(command, { ...terminalSize(), cols: 500 })
      return { stdin: stream.stdin, stdout: stream.stdout, exit }
    },
    async upload(path, content, mode = '0644') {
      const [to, temporary] = [shellQuote(path), shellQuote(`${path}.part`)]
      const directory = shellQuote(path.replace(/\/[^/]*$/, '') || '/')
      const command = `mkdir -p ${directory} && cat > ${temporary} && chmod ${mode} ${temporary} && mv ${temporary} ${to}`
      const result = await exec(command, { input: content })
      if (result.code !== 0)
        throw new LabError(`${target.name}: cannot write ${path}: ${result.stderr.trim()}`)
    },
    alive: () => open,
    close: () => client.end(),
    async [Symbol.asyncDispose]() {
      client.end()
    },
  }
  return connection
}

function lost(target: Target): LabError {
  return new LabError(`${target.name}: the connection was lost`)
}

/** A channel that closes without an exit status was cut off: 255, as OpenSSH says. */
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

async function withLimit<T>(
  work: Promise<T>,
  limitMs: number | undefined,
  cut: () => void,
  what: string,
): Promise<T> {
  if (limitMs === undefined) return work
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      cut()
      reject(new LabError(`${what}: no end after ${limitMs} ms`))
    }, limitMs)
  })
  return Promise.race([work, late]).finally(() => clearTimeout(timer))
}

type OpenChannel = (
  command: string,
  pty?: ReturnType<typeof terminalSize>,
) => Promise<{ stream: ClientChannel; exit: Promise<number> }>
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
