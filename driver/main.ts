/**
 * `multihost`: the driver (`daemon`) and all commands, in one program.
 *
 * Exit codes: 0; 1 the command failed; 2 wrong options or words.
 */
import { asDriverError } from './core/errors.ts'
import { versionLine } from './version.ts'

/** Modules are loaded by the command that needs them, since the docker wrapper waits for this program. */
async function main([command, ...args]: string[]): Promise<number> {
  const asksHelp = args.some(isHelp)
  switch (command) {
    case '--version':
    case 'version':
      return print(versionLine)
    case 'daemon': {
      if (asksHelp) return print((await import('./daemon/options.ts')).daemonHelp)
      return (await import('./daemon/daemon.ts')).daemon(args)
    }
    // Of the daemon itself.
    case 'tunnel-socket':
      return (await import('./kernel/tunnel-socket.ts')).tunnelSocketChild()
    case 'doctor':
    case 'init':
    case 'join':
    case 'leave':
      if (asksHelp) return print(await helpOf(command))
      return (await import('./membership/command.ts')).membership(command, args, print)
    case 'docker':
    case 'service':
    case 'network':
      return (await import('./dialect/multihost-docker.ts')).multihostDocker(command, args, print)
    default: {
      const { cli, help } = await import('./cli/cli.ts')
      if (command === undefined || asksHelp || isHelp(command) || command === 'help') return print(help)
      return cli([command, ...args], print)
    }
  }
}

function isHelp(word: string): boolean {
  return word === '-h' || word === '--help'
}

/** With the driver's options, for the commands that take them. */
async function helpOf(command: string): Promise<string> {
  const [{ help }, { daemonHelp }] = await Promise.all([
    import('./cli/cli.ts'),
    import('./daemon/options.ts'),
  ])
  return command === 'leave' ? help : `${help}\n${daemonHelp}`
}

/** Returns exit code 0. */
function print(text: string): number {
  if (text !== '') process.stdout.write(text.endsWith('\n') ? text : `${text}\n`)
  return 0
}

/**
 * A reader that has gone (`| head -1`) ends no procedure: `leave` goes on to its end, and the exit code says
 * how it ended.
 */
function outliveReaders(): void {
  const failed = ({ code, message }: NodeJS.ErrnoException): void => {
    if (code === 'EPIPE') return
    process.exitCode ||= 1
    process.stderr.write(`multihost: the output cannot be written: ${message}\n`)
  }
  process.stdout.on('error', failed)
  // Where an error of it could be written is not known.
  process.stderr.on('error', () => undefined)
}

// The log of `daemon` and the frames of `tunnel-socket` have streams of their own.
if (!/^(daemon|tunnel-socket)$/.test(process.argv[2] ?? '')) outliveReaders()
main(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code || process.exitCode
  },
  (thrown: unknown) => {
    const error = asDriverError(thrown)
    process.stderr.write(
      `multihost: ${error.code === 'internal' ? (error.stack ?? error.line) : error.line}\n`,
    )
    // Timers and sockets that a daemon has opened would keep the process alive.
    process.exit(error.code === 'invalid' ? 2 : 1)
  },
)
