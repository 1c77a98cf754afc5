/**
 * `npm run build`: dist/multihost.cjs, one file that a host's Node runs without other files.
 *
 * The bundle is CommonJS, because some packages in it call `require` for Node's own modules, which fails when a
 * bundled ES module starts. The build runs the bundle once, so that a bundle that cannot start is never shipped.
 */
import { execFileSync } from 'node:child_process'
import { chmodSync, readFileSync, statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const root = fileURLToPath(new URL('..', import.meta.url))
const outfile = `${root}dist/multihost.cjs`
const { version } = JSON.parse(readFileSync(`${root}package.json`, 'utf8')) as { version: string }

await build({
  entryPoints: [`${root}driver/main.ts`],
  outfile,
  bundle: true,
  platform: 'node',
  format: 'cjs',
  target: 'node20',
  banner: { js: '#!/usr/bin/env node' },
  define: { MULTIHOST_VERSION: JSON.stringify(version) },
  minifySyntax: true,
  legalComments: 'none',
  logLevel: 'warning',
})
chmodSync(outfile, 0o755)
const answer = execFileSync(process.execPath, [outfile, '--version'], { encoding: 'utf8' }).trim()
if (answer !== version) throw new Error(`${outfile} prints the version ${answer}, not ${version}`)
console.log(`dist/multihost.cjs: multihost ${version}, ${Math.round(statSync(outfile).size / 1024)} KiB`)
