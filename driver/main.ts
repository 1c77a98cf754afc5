/**
 * `multihost`: the driver (`daemon`) and the commands of people, in one file.
 *
 * Exit codes: 0; 1 it failed; 2 it was asked wrongly.
 */
import { asDriverError } from './core/errors.ts'
import { version } from './version.ts'

/** What a command needs is loaded with it: the docker wrapper waits for us. */
async function main([command, ...args]: string[]): Promise<void> {
  switch (command) {
    case '--version':
    case 'version':
      return print(version)
    case 'daemon': {
      if (args.includes('--help')) return print((await import('./options.ts')).daemonHelp)
      return (await import('./daemon.ts')).daemon(args)
    }
    case 'docker':
    case 'service':
      process.exitCode = await (await import('./cli/words-of-2015.ts')).words2015(command, args, print)
      return
    default: {
      const { cli, help } = await import('./cli/cli.ts')
      if (command === undefined || command === '--help' || command === 'help') return print(help)
      process.exitCode = await cli([command, ...args], print)
    }
  }
}

function print(text: string): void {
  if (text !== '') process.stdout.write(text.endsWith('\n') ? text : `${text}\n`)
}

main(process.argv.slice(2)).catch((thrown: unknown) => {
  const error = asDriverError(thrown)
  process.stderr.write(`multihost: ${error.code === 'internal' ? (error.stack ?? error.line) : error.line}\n`)
  process.exit(error.code === 'invalid' ? 2 : 1)
})
