/**
 * Bundles the driver: one file that a host's Node runs without other files.
 *
 * The bundle is CommonJS, because some packages in it call `require` for Node's own modules, which fails when
 * a bundled ES module starts. The build runs the bundle once, so that a bundle that cannot start is never
 * shipped.
 */
import { execFileSync } from 'node:child_process'
import { chmodSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build, type Metafile } from 'esbuild'

const root = fileURLToPath(new URL('..', import.meta.url))

export interface Bundle {
  version: string
  /** Seven digits, with `-dirty` behind them for a checkout with changes; `unknown` outside of a checkout. */
  commit: string
  /** Folders of the npm packages that are in the bundle, sorted. */
  packages: string[]
}

/** Replaces the file as a whole: several labs may be coming up from one checkout. */
export async function bundle(outfile: string): Promise<Bundle> {
  const part = outfile.replace(/\.cjs$/, `.part-${process.pid}.cjs`)
  try {
    const made = await bundled(part)
    renameSync(part, outfile)
    return made
  } finally {
    rmSync(part, { force: true })
  }
}

async function bundled(outfile: string): Promise<Bundle> {
  const { version } = JSON.parse(readFileSync(`${root}package.json`, 'utf8')) as { version: string }
  const commit = commitOf(root)
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: [`${root}driver/main.ts`],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node20',
    banner: { js: '#!/usr/bin/env node' },
    define: { MULTIHOST_VERSION: JSON.stringify(version), MULTIHOST_COMMIT: JSON.stringify(commit) },
    minifySyntax: true,
    // Node keeps the text in memory. Names stay, and lines that an error can print.
    minifyWhitespace: true,
    lineLimit: 160,
    legalComments: 'none',
    logLevel: 'warning',
    metafile: true,
  })
  checkAscii(outfile)
  chmodSync(outfile, 0o755)
  const answer = execFileSync(process.execPath, [outfile, '--version'], { encoding: 'utf8' }).trim()
  const expected = `multihost ${version} (${commit})`
  if (answer !== expected) throw new Error(`${outfile} --version prints '${answer}', not '${expected}'`)
  return { version, commit, packages: packageFolders(metafile) }
}

/** V8 keeps a text with one character beyond Latin-1 in two bytes for each. */
function checkAscii(outfile: string): void {
  const at = readFileSync(outfile).findIndex((byte) => byte > 0x7f)
  if (at >= 0) throw new Error(`${outfile} has a character at byte ${at} that is not ASCII`)
}

function commitOf(folder: string): string {
  const git = (...args: string[]) =>
    execFileSync('git', args, { cwd: folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
  try {
    const commit = git('rev-parse', 'HEAD').slice(0, 7)
    return git('status', '--porcelain', '--untracked-files=no') === '' ? commit : `${commit}-dirty`
  } catch {
    return 'unknown' // no checkout, or no git
  }
}

/** `node_modules/NAME` or `node_modules/@SCOPE/NAME` of each input, as an absolute path. */
function packageFolders({ inputs }: Metafile): string[] {
  const folders = Object.keys(inputs).map((path) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0])
  return [...new Set(folders)]
    .filter((folder) => folder !== undefined)
    .map((folder) => resolve(root, folder))
    .sort()
}
