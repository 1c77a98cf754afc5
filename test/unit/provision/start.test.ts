/**
 * start.mjs in a small project of its own, with an npm that links this project's packages.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { temporaryFolder } from '../../fixtures/temporary-folder.ts'
import { until } from '../../fixtures/until.ts'

const root = fileURLToPath(new URL('../../..', import.meta.url))
let folder: string
let lock: string
let started: ChildProcess | undefined

beforeEach(() => {
  folder = temporaryFolder()
  lock = join(folder, '.npm-ci.lock')
  mkdirSync(join(folder, 'provision/process'), { recursive: true })
  mkdirSync(join(folder, 'bin'))
  for (const name of ['start.mjs', 'compiled.mjs'])
    copyFileSync(join(root, 'provision', name), join(folder, 'provision', name))
  writeFileSync(join(folder, 'provision/process/errors.ts'), 'export const explain = String\n')
  writeFileSync(join(folder, 'main.ts'), `console.log('ran')\n`)
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
  writeFileSync(join(folder, 'package-lock.json'), '{ "packages": {} }')
  utimesSync(join(folder, 'package-lock.json'), 0, 0)
  writeFileSync(join(folder, 'bin/npm'), `#!/bin/sh\nln -s ${root}node_modules node_modules\n`)
  chmodSync(join(folder, 'bin/npm'), 0o755)
})
afterEach(() => {
  started?.kill('SIGKILL')
})

/** Starts main.ts after the shell line. */
function start(line: string) {
  const command = `${line}; exec ${process.execPath} provision/start.mjs main.ts 2>&1`
  const env = { ...process.env, PATH: `${join(folder, 'bin')}:${process.env.PATH}` }
  const child = spawn('sh', ['-c', command], { cwd: folder, env, stdio: ['ignore', 'pipe', 'inherit'] })
  started = child
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text
  })
  return { soFar: () => output, ended: once(child, 'close').then(() => output) }
}

/** Field 22 of proc(5), `stat`. */
const startedAt = (pid: number) => readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ')[19]

test.each([
  ['a process that has ended', "sh -c 'echo $$ 5 > .npm-ci.lock'"],
  ['an earlier process with the own id', 'echo $$ 5 > .npm-ci.lock'],
  ['an earlier process with the id of a living one', `echo ${process.pid} 5 > .npm-ci.lock`],
  ['a process that ended while it wrote the lock', ': > .npm-ci.lock; touch -d "1 minute ago" .npm-ci.lock'],
])('the lock of %s is taken over', async (_, line) => {
  expect(await start(line).ended).toBe('installing packages (npm ci) …\nran\n')
  expect(existsSync(lock)).toBe(false)
})

test('who holds the lock is said, and waited for', async () => {
  writeFileSync(lock, `${process.pid} ${startedAt(process.pid)}`)
  const { soFar, ended } = start(':')
  await until('the wait is printed', () => soFar().includes('\n'))
  expect(existsSync(join(folder, 'node_modules'))).toBe(false)
  rmSync(lock)
  expect(await ended).toBe(
    `waiting for process ${process.pid}, which installs packages (${lock}) …\ninstalling packages (npm ci) …\nran\n`,
  )
})

test('programs find modprobe and iptables with the PATH of root by su on Debian', () => {
  const program = join(folder, 'program.mjs')
  writeFileSync(program, 'console.log(process.env.PATH)')
  const { stdout, stderr } = spawnSync(process.execPath, ['provision/start.mjs', relative(root, program)], {
    cwd: root,
    env: { PATH: '/usr/local/bin:/usr/bin:/bin' },
    encoding: 'utf8',
  })
  expect([stdout, stderr]).toEqual(['/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin\n', ''])
})

test('packages behind a link are not installed anew: npm would empty a folder that others use', () => {
  mkdirSync(join(folder, 'shared'))
  writeFileSync(join(folder, 'shared/theirs'), '')
  symlinkSync('shared', join(folder, 'node_modules'))
  const { status, stderr } = spawnSync(process.execPath, ['provision/start.mjs', 'main.ts'], {
    ...{
      cwd: folder,
      encoding: 'utf8',
      env: { ...process.env, PATH: `${join(folder, 'bin')}:${process.env.PATH}` },
    },
  })
  expect({ status, stderr }).toEqual({
    status: 2,
    stderr: expect.stringContaining('node_modules is a link to shared'),
  })
  expect(readdirSync(join(folder, 'shared'))).toEqual(['theirs'])
  expect(existsSync(lock)).toBe(false)
})

const isRoot = process.getuid?.() === 0

/** In a checkout of root's, as another user. */
function startAsAnother() {
  for (const path of [folder, join(folder, 'provision'), join(folder, 'node_modules')])
    if (existsSync(path)) chmodSync(path, 0o755)
  const env = { ...process.env, PATH: `${join(folder, 'bin')}:${process.env.PATH}`, HOME: '/nonexistent' }
  return spawnSync(process.execPath, ['provision/start.mjs', 'main.ts'], {
    ...{ cwd: folder, encoding: 'utf8', env, uid: 65534, gid: 65534 },
  })
}

test.skipIf(!isRoot)(
  'who may not write to the packages uses them where a checkout has touched the lock file',
  () => {
    mkdirSync(join(folder, 'node_modules'))
    symlinkSync(join(root, 'node_modules/tsx'), join(folder, 'node_modules/tsx'))
    writeFileSync(join(folder, 'node_modules/.package-lock.json'), '{ "packages": {} }')
    const later = Date.now() / 1000 + 60
    utimesSync(join(folder, 'package-lock.json'), later, later)
    const { status, stdout, stderr } = startAsAnother()
    expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: 'ran\n', stderr: '' })
  },
)

test.skipIf(!isRoot)('who may not install the packages that are missing is told in one line', () => {
  const { status, stderr } = startAsAnother()
  const problem = `packages are missing, and ${folder}/ cannot be written: EACCES`
  expect({ status, stderr }).toEqual({ status: 2, stderr: `${problem}\n  as its owner run there: npm ci\n` })
})
