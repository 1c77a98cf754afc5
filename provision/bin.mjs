#!/usr/bin/env node
/**
 * The package's command, for other repositories: `multihost-lab scenarios DIR`, `multihost-lab lab up`.
 */
const programs = { lab: 'provision/lab.ts', scenarios: 'scenarios/main.ts' }
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
