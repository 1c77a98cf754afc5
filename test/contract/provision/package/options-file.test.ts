/**
 * What becomes of /etc/default/multihost under a real dpkg, without a terminal. dpkg and the maintainer
 * scripts run in an overlay of this machine's root, whose changes are in memory and go with its mount
 * namespace.
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { contents } from '../../../../provision/package/contents.ts'
import { controlFiles } from '../../../../provision/package/control.ts'
import { run } from '../../../../provision/process/run.ts'
import { timeoutScale } from '../../../../provision/process/timeout-scale.ts'
import { temporaryFolder } from '../../../fixtures/temporary-folder.ts'

const timeout = 120_000 * timeoutScale
const work = temporaryFolder(afterAll)
const parts = {
  bundle: Buffer.from('bundle'),
  node: Buffer.from('#!/bin/sh\n'),
  changelog: 'changelog',
  copyright: 'copyright',
  thirdParty: 'third',
}

beforeAll(async () => {
  await pack('0.0.1', 'template 1\n')
  await pack('0.0.2', 'template 2\n')
  await pack('1.0.0')
  await pack('1.0.1')
})

/** `conffile`: the text of an options file that belongs to the package, as up to version 0.1.0. */
async function pack(version: string, conffile?: string): Promise<void> {
  const release = { version, maintainer: 'A <a@b.invalid>', epochS: 0 }
  const files = contents(parts, release, '/usr')
  const control = controlFiles(files, process.arch === 'x64' ? 'amd64' : 'arm64', release)
  const text = (path: string, content: string) => ({ path, content, mode: 0o644 })
  const own = [
    ...control.filter(({ path }) => conffile === undefined || !/\/(postinst|postrm|prerm)$/.test(path)),
    ...(conffile === undefined ? [] : [text('/etc/default/multihost', conffile)]),
    ...(conffile === undefined ? [] : [text('/DEBIAN/conffiles', '/etc/default/multihost\n')]),
  ]
  const folder = join(work, version)
  for (const { path, content, mode } of [...files, ...own]) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), content, { mode })
  }
  await run('dpkg-deb', ['--root-owner-group', '-Znone', '--build', folder, `${folder}.deb`])
}

/** Runs each line in one overlay. Returns `CODE LINE` for each, with the last line of the options file. */
function host(...lines: string[]): string[] {
  const overlay = `set -e
    mount -t tmpfs tmpfs ${work}/over
    cd ${work}/over
    mkdir upper work root upper/debs
    cp ${work}/*.deb upper/debs
    mount -t overlay overlay -o lowerdir=/,upperdir=upper,workdir=work root
    mount --rbind /dev root/dev
    mount -t tmpfs tmpfs root/run
    exec chroot root sh -c "$0"`
  const look = '$(tail -n 1 /etc/default/multihost 2> /dev/null || echo none)'
  const script = lines
    .map((line) => `{ ${line}; } > /dev/null 2>&1 < /dev/null; echo "$? ${look}"`)
    .join('\n')
  mkdirSync(join(work, 'over'), { recursive: true })
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const { stdout, stderr } = spawnSync(
    'unshare',
    ['--mount', 'sh', '-c', overlay, `rm -f /etc/default/multihost\n${script}`],
    { encoding: 'utf8', env },
  )
  expect(stderr).toBe('')
  return stdout.trim().split('\n')
}

const written = 'MULTIHOST_OPTS=--kv-store=consul://a'
const write = `echo ${written} > /etc/default/multihost`
const install = (version: string) => `dpkg --force-depends --no-triggers -i /debs/${version}.deb`
const template = '#MULTIHOST_OPTS="--kv-store=consul://192.168.33.10:8500"'

test('a first installation writes the options file, an upgrade keeps it, and a purge removes it', {
  timeout,
}, () => {
  const upgrade = [install('1.0.0'), write, install('1.0.1'), 'dpkg -r multihost', 'dpkg -P multihost']
  expect(host(...upgrade)).toEqual([
    `0 ${template}`,
    `0 ${written}`,
    `0 ${written}`,
    `0 ${written}`,
    '0 none',
  ])
})

test('options that were written before the installation stay', { timeout }, () => {
  expect(host(write, install('1.0.0'))).toEqual([`0 ${written}`, `0 ${written}`])
})

test('options of a package that had them as a conffile stay, edited or not, and go with a purge', {
  timeout,
}, () => {
  expect(host(install('0.0.1'), install('1.0.0'))).toEqual(['0 template 1', '0 template 1'])
  const edited = [install('0.0.1'), write, install('1.0.0'), install('1.0.1'), 'dpkg -P multihost']
  expect(host(...edited)).toEqual(['0 template 1', `0 ${written}`, `0 ${written}`, `0 ${written}`, '0 none'])
})

test('an installation that dpkg ended with its question goes on with a newer package', { timeout }, () => {
  const asked = [install('0.0.1'), write, install('0.0.2'), install('1.0.0')]
  expect(host(...asked)).toEqual(['0 template 1', `0 ${written}`, `1 ${written}`, `0 ${written}`])
})
