/**
 * `multihost`: the driver (`daemon`) and the commands of people, in one file.
 *
 * Exit codes: 0; 1 it failed; 2 it was asked wrongly.
 */
import { cli, help } from './cli/cli.ts'
import { asDriverError } from './core/errors.ts'
import { daemon } from './daemon.ts'
import { daemonHelp } from './options.ts'
import { version } from './version.ts'

async function main([command, ...args]: string[]): Promise<void> {
  if (command === '--version' || command === 'version') return print(version)
  if (command === undefined || command === '--help' || command === 'help') return print(help)
  if (command !== 'daemon') return cli([command, ...args], print)
  return args.includes('--help') ? print(daemonHelp) : daemon(args)
}

function print(text: string): void {
  process.stdout.write(text.endsWith('\n') ? text : `${text}\n`)
}

main(process.argv.slice(2)).catch((thrown: unknown) => {
  const error = asDriverError(thrown)
  process.stderr.write(`multihost: ${error.code === 'internal' ? (error.stack ?? error.line) : error.line}\n`)
  process.exit(error.code === 'invalid' ? 2 : 1)
})
