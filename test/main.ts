/**
 * `npm test`: installs what the tests need, then runs them all; arguments go to vitest.
 */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { consulBinary } from '../provision/images/consul.ts'
import { install, nspawnNeeds, testNeeds } from '../provision/images/packages.ts'
import { exitWith } from '../provision/process/exit.ts'

const root = fileURLToPath(new URL('..', import.meta.url))

async function main(args: string[]): Promise<number> {
  await install({ ...nspawnNeeds, ...testNeeds }, (line) => console.error(line))
  await consulBinary()
  const reporters = ['--reporter=default', '--reporter=junit', `--outputFile.junit=${root}report/test.xml`]
  const vitest = [
    `${root}node_modules/vitest/vitest.mjs`,
    'run',
    '--project',
    'unit',
    '--project',
    'contract',
    '--project',
    'lab',
    ...reporters,
    ...args,
  ]
  const child = spawn(process.execPath, vitest, { cwd: root, stdio: 'inherit' })
  return new Promise((resolve) => child.once('exit', (code) => resolve(code ?? 1)))
}

exitWith(main(process.argv.slice(2)))
