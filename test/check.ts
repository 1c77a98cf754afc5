/**
 * `npm run check`: linter and formatter, types, dead files and exports. All are run, whatever the first says.
 * `npm run fix` is the same with `--fix`: what the linter can mend, it mends.
 */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const mend = process.argv.includes('--fix') ? ['--write'] : []
const checks = [['biome', 'check', '--error-on-warnings', ...mend, '.'], ['tsc', '--noEmit'], ['knip']]

const failed = checks.filter(([tool = '', ...args]) => {
  console.log(`— ${tool} ${args.join(' ')}`)
  return spawnSync(`${root}node_modules/.bin/${tool}`, args, { cwd: root, stdio: 'inherit' }).status !== 0
})
if (failed.length > 0) {
  console.error(`failed: ${failed.map(([tool]) => tool).join(', ')}`)
  process.exitCode = 1
}
