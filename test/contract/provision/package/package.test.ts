/**
 * The packages of this machine's architecture, built twice: equal, and their own Node runs the driver's
 * command.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import packageJson from '../../../../package.json' with { type: 'json' }
import { buildPackages } from '../../../../provision/package/build.ts'
import { timeoutScale } from '../../../../provision/process/timeout-scale.ts'
import { temporaryFolder } from '../../../fixtures/temporary-folder.ts'

const work = temporaryFolder(afterAll)
const architecture = process.arch === 'x64' ? 'amd64' : 'arm64'
const run = (file: string, ...args: string[]) => execFileSync(file, args, { encoding: 'utf8' })
const sumOf = (path: string) => createHash('sha256').update(readFileSync(path)).digest('hex')
let first: string[]

beforeAll(async () => {
  first = await buildPackages({ architecture, out: join(work, 'first'), fast: true })
}, 300_000 * timeoutScale)

test('a second build, with another umask, is equal', { timeout: 300_000 * timeoutScale }, async () => {
  const before = process.umask(0o077)
  try {
    const second = await buildPackages({ architecture, out: join(work, 'second'), fast: true })
    expect(second.map(sumOf)).toEqual(first.map(sumOf))
    expect(readdirSync(join(work, 'second')).sort()).toEqual(second.map((path) => basename(path)).sort())
  } finally {
    process.umask(before)
  }
})

test("the package's own Node runs the command", () => {
  const [deb = ''] = first
  run('dpkg-deb', '--extract', deb, join(work, 'deb'))
  const lib = join(work, 'deb/usr/lib/multihost')
  const multihost = (...args: string[]) => run(join(lib, 'node'), join(lib, 'multihost.cjs'), ...args)
  expect(multihost('--version')).toMatch(
    new RegExp(`^multihost ${packageJson.version} \\([0-9a-f]{7}(-dirty)?\\)\n$`),
  )
  expect(multihost('--help')).toContain('multihost status')
  expect(run(join(lib, 'node'), '--version')).toMatch(/^v24\./)
})

test('all files belong to root, and no other user may write to them', () => {
  const [deb = '', archive = ''] = first
  const lines = `${run('dpkg-deb', '--contents', deb)}${run('tar', '-tvzf', archive)}`.trim().split('\n')
  expect(lines.filter((line) => !/^[d-]rw[x-]r-[x-]r-[x-] (root\/root|0\/0) /.test(line))).toEqual([])
})

test("the archive's script says what it can do", () => {
  const [, archive = ''] = first
  run('tar', '-xzf', archive, '-C', work)
  const folder = join(work, basename(archive, '.tar.gz'))
  const { stdout } = spawnSync(join(folder, 'install.sh'), ['--help'], { encoding: 'utf8' })
  expect(stdout).toContain('./install.sh --uninstall')
  expect(existsSync(join(folder, 'root/usr/local/lib/multihost/node'))).toBe(true)
})
