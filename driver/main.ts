/**
 * `multihost`: the driver (`daemon`) and all commands, in one program.
 *
 * Exit codes: 0; 1 the command failed; 2 wrong options or words.
 */
import { asDriverError } from './core/errors.ts'
import { versionLine } from './version.ts'

/** Modules are loaded by the command that needs them, since the docker wrapper waits for this program. */
async function main([command, ...args]: string[]): Promise<number> {
  switch (command) {
    case '--version':
    case 'version':
      return print(versionLine)
    case 'daemon': {
      if (args.includes('--help')) return print((await import('./daemon/options.ts')).daemonHelp)
      return (await import('./daemon/daemon.ts')).daemon(args)
    }
    // Of the daemon itself.
    case 'tunnel-socket':
      return (await import('./kernel/tunnel-socket.ts')).tunnelSocketChild()
    case 'doctor':
    case 'init':
    case 'join':
    case 'leave':
      return (await import('./membership/command.ts')).membership(command, args, print)
    case 'docker':
    case 'service':
    case 'network':
      return (await import('./dialect/multihost-docker.ts')).multihostDocker(command, args, print)
    default: {
      const { cli, help } = await import('./cli/cli.ts')
      if (command === undefined || command === '--help' || command === 'help') return print(help)
      return cli([command, ...args], print)
    }
  }
}

/** Returns exit code 0. */
function print(text: string): number {
  if (text !== '') process.stdout.write(text.endsWith('\n') ? text : `${text}\n`)
  return 0
}

main(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code
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
