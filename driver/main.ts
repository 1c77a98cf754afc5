/**
 * `multihost`: the driver (`daemon`) and the commands of people, in one file.
 *
 * Exit codes: 0; 1 it failed; 2 it was asked wrongly.
 */
import { asDriverError } from './core/errors.ts'
import { version } from './version.ts'

/** What a command needs is loaded with it: the docker wrapper waits for us. */
async function main([command, ...args]: string[]): Promise<number> {
  switch (command) {
    case '--version':
    case 'version':
      return print(version)
    case 'daemon': {
      if (args.includes('--help')) return print((await import('./daemon/options.ts')).daemonHelp)
      return (await import('./daemon/daemon.ts')).daemon(args)
    }
    case 'docker':
    case 'service':
      return (await import('./dialect/entry.ts')).words2015(command, args, print)
    default: {
      const { cli, help } = await import('./cli/cli.ts')
      if (command === undefined || command === '--help' || command === 'help') return print(help)
      return cli([command, ...args], print)
    }
  }
}

/** Printing it is all there was to do. */
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
    process.exit(error.code === 'invalid' ? 2 : 1) // what a daemon has begun by then would keep the process
  },
)
