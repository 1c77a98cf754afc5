/**
 * `npm run check`: linter and formatter, rooms and their imports, prose, types, unused code. Every check
 * runs, also after a failure. `npm run fix` is the same with `--fix`: the linter mends what it can.
 */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const fix = process.argv.includes('--fix') ? ['--write'] : []
const bin = `${root}node_modules/.bin/`
const checks = [
  [`${bin}biome`, 'check', '--error-on-warnings', ...fix, '.'],
  [process.execPath, `${root}provision/start.mjs`, 'test/arrows.ts'],
  [process.execPath, `${root}provision/start.mjs`, 'test/prose.ts'],
  [`${bin}tsc`, '--noEmit'],
  [`${bin}knip`],
  [`${bin}knip`, '--production'],
]

const failed = checks.filter(([tool = '', ...args]) => {
  console.log(`— ${nameOf(tool)} ${args.join(' ').replaceAll(root, '')}`)
  return spawnSync(tool, args, { cwd: root, stdio: 'inherit' }).status !== 0
})
if (failed.length > 0) {
  console.error(
    `failed: ${failed.map(([tool = '', ...args]) => [nameOf(tool), ...args].join(' ').replaceAll(root, '')).join(', ')}`,
  )
  process.exitCode = 1
}

function nameOf(tool: string): string {
  return tool.replace(/^.*\//, '')
}
