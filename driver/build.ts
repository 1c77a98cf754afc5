/**
 * `npm run build`: dist/multihost.cjs.
 */
import { statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { bundle } from './bundle.ts'

const outfile = fileURLToPath(new URL('../dist/multihost.cjs', import.meta.url))
const { version, commit } = await bundle(outfile)
console.log(
  `dist/multihost.cjs: multihost ${version} (${commit}), ${Math.round(statSync(outfile).size / 1024)} KiB`,
)
