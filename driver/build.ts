/**
 * `npm run build`: dist/multihost.cjs.
 */
import { statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { bundle } from './bundle.ts'

const outfile = fileURLToPath(new URL('../dist/multihost.cjs', import.meta.url))
try {
  const { version, commit } = await bundle(outfile)
  const size = Math.round(statSync(outfile).size / 1024)
  console.log(`dist/multihost.cjs: multihost ${version} (${commit}), ${size} KiB`)
} catch (error) {
  if (!(error instanceof Error && 'errors' in error)) throw error
  process.exitCode = 1 // esbuild has printed its errors
}
