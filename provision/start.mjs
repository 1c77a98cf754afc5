/**
 * Starts every npm script: checks Node, installs the packages that are missing or out of date, then runs the
 * TypeScript file that its argument names. Plain JavaScript, since it runs before packages are installed.
 */
import { spawnSync } from 'node:child_process'
import {
  existsSync,
  lstatSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { register as registerHooks } from 'node:module'
import { fileURLToPath } from 'node:url'
import { compiled } from './compiled.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const lock = `${root}.npm-ci.lock`
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(`multihost needs Node 20.19 or newer, and this is ${process.versions.node}`)
  process.exit(2)
}

// The PATH of root by su(1) has no folder of modprobe and iptables on Debian.
if (process.platform === 'linux')
  process.env.PATH = [process.env.PATH, '/usr/local/sbin:/usr/sbin:/sbin'].filter(Boolean).join(':')

if (stale()) alone(() => stale() && install())

const [program, ...words] = process.argv.slice(2)
// Both in one: what the program throws must be of the classes that `explain` knows.
const files = [program, 'provision/process/errors.ts']
const [main, errors] = (isQuick() && (await compiled(root, files))) || (await throughTsx(files))
process.setSourceMapsEnabled(true) // errors name the TypeScript
process.argv.splice(1, 2, `${root}${program}`)
try {
  await import(main)
} catch (error) {
  // what a program reads while it is loaded: lab.json, the environment
  const { explain } = await import(errors)
  console.error(explain(error))
  process.exitCode = 2
}

/**
 * The programs that are typed often, and the one that computes for a minute: tsx's code is slower. A folder
 * of scenarios may have a subject.ts, which shares modules with the program, so tsx loads both of them.
 */
function isQuick() {
  const isFolder = (word) => word !== '' && existsSync(`${word}/.`)
  if (program === 'scenarios/main.ts') return !words.some(isFolder)
  return ['provision/lab.ts', 'test/histories/main.ts'].includes(program)
}

/**
 * In this process: a second one for the TypeScript would add its own start to each command. TypeScript is
 * loaded as modules: a repository of scenarios need not be of type "module", and Node takes its files for
 * CommonJS then.
 */
async function throughTsx(files) {
  const { register } = await import('tsx/esm/api')
  register()
  // It runs before tsx's own hook, whose answer it changes.
  const hook = `export async function resolve(specifier, context, next) {
    const found = await next(specifier, context)
    return /[.]ts([?]|$)/.test(found.url) ? { ...found, format: 'module' } : found
  }`
  registerHooks(`data:text/javascript,${encodeURIComponent(hook)}`)
  return files.map((file) => new URL(`../${file}`, import.meta.url).href)
}

/** npm would empty the folder that a link leads to, which other checkouts may use. */
function refuseLinked() {
  const folder = `${root}node_modules`
  if (!lstatSync(folder, { throwIfNoEntry: false })?.isSymbolicLink()) return
  console.error(
    `${folder} is a link to ${readlinkSync(folder)}, which has other packages than package-lock.json wants`,
  )
  console.error('  run npm ci there; or remove the link: the packages are then installed here')
  rmSync(lock, { force: true })
  process.exit(2)
}

function install() {
  refuseLinked()
  console.error('installing packages (npm ci) …')
  const npm = spawnSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: root,
    stdio: ['ignore', 2, 2],
    shell: process.platform === 'win32',
  })
  if (npm.status === 0) return
  console.error(`npm ci failed; in ${root} run: npm ci`)
  rmSync(lock, { force: true })
  process.exit(2)
}

/**
 * Holds a lock while it works, since two installations at once delete each other's files. The file contains
 * the holder's process id and start time; the lock of a process that has ended is removed.
 */
function alone(work) {
  let told = false
  while (!taken()) {
    const { pid, hasEnded } = holder()
    if (hasEnded) rmSync(lock, { force: true })
    else if (pid && !told) console.error(`waiting for process ${pid}, which installs packages (${lock}) …`)
    told ||= Boolean(pid) && !hasEnded
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200)
  }
  try {
    work()
  } finally {
    rmSync(lock, { force: true })
  }
}

function taken() {
  try {
    writeFileSync(lock, `${process.pid} ${startTime(process.pid)}`, { flag: 'wx' })
    return true
  } catch (error) {
    if (error.code === 'EEXIST') return false
    console.error(`packages are missing, and ${root} cannot be written: ${error.code}`)
    console.error('  as its owner run there: npm ci')
    process.exit(2)
  }
}

/** The process that holds the lock; without a `pid` while the file is being written or removed. */
function holder() {
  try {
    const [pid, startedAt] = readFileSync(lock, 'utf8').split(' ')
    if (pid === '') return { hasEnded: Date.now() - statSync(lock).mtimeMs > 5000 }
    const isOther = Number(pid) !== process.pid // this process does not hold the lock yet
    return { pid, hasEnded: !(isOther && lives(Number(pid)) && startTime(pid) === startedAt) }
  } catch (error) {
    if (error.code === 'ENOENT') return { hasEnded: false }
    throw error
  }
}

/** In clock ticks since boot, so that a reused id is told apart (proc(5), `stat`); empty where there is no /proc. */
function startTime(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
  } catch {
    return ''
  }
}

function lives(pid) {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error.code === 'EPERM'
  }
}

/**
 * True when the packages are missing or differ from the lock file. The times are compared first, since it is
 * quick; a checkout or `touch` gives the lock file a new time and the same contents, so that a newer one is
 * then read.
 */
function stale() {
  const wanted = `${root}package-lock.json`
  if (!existsSync(wanted)) return false // a package in another project, which has installed what this one needs
  const installed = `${root}node_modules/.package-lock.json`
  if (!existsSync(installed)) return true
  if (statSync(wanted).mtimeMs <= statSync(installed).mtimeMs) return false
  const packages = packagesIn(installed)
  const differs = Object.entries(packagesIn(wanted)).some(([path, { version, integrity, optional }]) => {
    const found = packages[path]
    if (path === '' || (!found && optional)) return false // the project itself; a package for another platform
    return found?.version !== version || found.integrity !== integrity
  })
  if (!differs) touch(installed)
  return differs
}

/** Another user's file, or one on a read-only disk, is compared again by the next command. */
function touch(file) {
  try {
    utimesSync(file, new Date(), new Date())
  } catch {
    // the packages are the wanted ones without this
  }
}

/** npm's record of packages, by path. */
function packagesIn(file) {
  return JSON.parse(readFileSync(file, 'utf8')).packages
}
