/**
 * A program as JavaScript, in dist/compiled: Node starts it with a tenth of the work that tsx takes.
 *
 * A build is used until one of its sources changes. A program that runs loads more modules later, so each
 * build has a folder of its own, and stays for a day after the next one. Plain JavaScript, since start.mjs
 * imports this module before packages are installed.
 */
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const oneDayMs = 24 * 60 * 60 * 1000

/** What decides on the JavaScript besides the sources: package.json has the version of esbuild. */
const settings = [fileURLToPath(import.meta.url), 'package.json', 'tsconfig.json']

/**
 * URLs of the compiled files, in the order of `entries`, which are paths below `root`. A class that two of
 * them import is one class. Resolves with undefined when a source has an error, and when dist/ cannot be
 * written: the caller then loads the sources.
 *
 * @param {string} root
 * @param {[string, ...string[]]} entries
 * @returns {Promise<string[] | undefined>}
 */
export async function compiled(root, entries) {
  const cache = join(root, 'dist/compiled')
  const name = entries[0].replaceAll(/\W+/g, '-')
  const record = join(cache, `${name}.json`)
  const filesIn = (folder) => entries.map((entry) => join(folder, entry.replace(/\.ts$/, '.mjs')))
  const last = lastBuild(record)
  if (isCurrent(last, root) && filesIn(last.folder).every(existsSync)) return filesIn(last.folder).map(urlOf)
  const folder = join(cache, `${name}-${process.pid}-${Date.now()}`)
  try {
    mkdirSync(cache, { recursive: true })
    accessSync(cache, constants.W_OK) // asked before the compiler starts
    const sources = await build(root, entries, folder)
    const part = join(folder, 'record.json')
    writeFileSync(part, JSON.stringify({ root, folder, sources }))
    renameSync(part, record)
  } catch {
    return undefined
  }
  removeOld(cache, `${name}-`, last?.folder)
  return filesIn(folder).map(urlOf)
}

function urlOf(file) {
  return pathToFileURL(file).href
}

function lastBuild(record) {
  try {
    return JSON.parse(readFileSync(record, 'utf8'))
  } catch {
    return undefined // no build was recorded, or its record is damaged
  }
}

/** A build contains the paths of its sources, so that it is of no use after `root` was moved or copied. */
function isCurrent(build, root) {
  if (build?.root !== root) return false
  return Object.entries(build.sources).every(([path, stamp]) => stampOf(resolve(root, path)) === stamp)
}

/** With the inode's time of change: a copy with the times of its original has a new one. */
function stampOf(file) {
  const found = statSync(file, { throwIfNoEntry: false })
  return found ? `${found.size} ${found.mtimeMs} ${found.ctimeMs}` : 'none'
}

/** Resolves with the stamp of each source, by path. A stamp is older than what was read. */
async function build(root, entries, folder) {
  const sources = {}
  const note = (file) => {
    sources[relative(root, file)] = stampOf(file)
  }
  for (const each of settings) note(resolve(root, each))
  /** A module finds the files beside its source by `import.meta.url`. */
  const load = ({ path }) => {
    note(path)
    const text = readFileSync(path, 'utf8')
    return { loader: 'default', contents: text.replaceAll('import.meta.url', JSON.stringify(urlOf(path))) }
  }
  const esbuild = await import('esbuild')
  await esbuild.build({
    absWorkingDir: root,
    entryPoints: entries,
    outdir: folder,
    outbase: root,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    splitting: true, // what is imported later stays a file of its own
    format: 'esm',
    platform: 'node',
    target: 'node20',
    packages: 'external',
    sourcemap: 'linked',
    sourcesContent: false,
    logLevel: 'silent',
    plugins: [{ name: 'sources', setup: ({ onLoad }) => onLoad({ filter: /./ }, load) }],
  })
  return sources
}

/** Removes builds that no program can be using any more. `last`: the build that was current until now. */
function removeOld(cache, prefix, last) {
  const now = new Date()
  if (last !== undefined) ignoringErrors(() => utimesSync(last, now, now))
  const folders = readdirSync(cache).filter((each) => each.startsWith(prefix))
  for (const folder of folders.map((each) => join(cache, each))) {
    ignoringErrors(() => {
      if (statSync(folder).mtimeMs < now - oneDayMs) rmSync(folder, { recursive: true, force: true })
    })
  }
}

/** Another process may have removed the folder, or it may be another user's. */
function ignoringErrors(work) {
  try {
    work()
  } catch {
    // The build is good without this.
  }
}
