#!/usr/bin/env node
/**
 * The package's command, for other repositories: `multihost-lab scenarios DIR`, `multihost-lab lab up`.
 */
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const programs = { lab: 'provision/lab.ts', scenarios: 'scenarios/main.ts' }
// npm replaces a package with all that is in it: Vagrant's folder, which has the machines, is beside node_modules.
const [project = '', inPackage] = fileURLToPath(import.meta.url).split(/[\\/]node_modules[\\/]/)
if (inPackage) process.env.VAGRANT_DOTFILE_PATH ||= join(project, '.vagrant-lab')

const word = process.argv[2] ?? ''
if (Object.hasOwn(programs, word)) {
  process.argv.splice(2, 1, programs[word])
  process.env.MULTIHOST_STARTED_BY_BIN = '1' // hints then name this command
  await import('./start.mjs')
} else {
  console.error(
    'usage: multihost-lab scenarios [DIR] …, or multihost-lab lab …; --help shows the options of each',
  )
  process.exitCode = 2
}
