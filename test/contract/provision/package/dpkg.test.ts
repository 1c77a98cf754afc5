/**
 * What becomes of /etc/default/multihost, and of the unit's start at boot, under a real dpkg, without a
 * terminal. dpkg and the maintainer scripts run in an overlay of this machine's root, whose changes are in
 * memory and go with its mount namespace.
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join as joinPath } from 'node:path'
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
  const folder = joinPath(work, version)
  for (const { path, content, mode } of [...files, ...own]) {
    mkdirSync(dirname(joinPath(folder, path)), { recursive: true })
    writeFileSync(joinPath(folder, path), content, { mode })
  }
  await run('dpkg-deb', ['--root-owner-group', '-Znone', '--build', folder, `${folder}.deb`])
}

/** Runs each line in one overlay. Returns `CODE LINE` for each, with the last line of the options file. */
function host(...lines: string[]): string[] {
  return looked('$(tail -n 1 /etc/default/multihost 2> /dev/null || echo none)', lines)
}

/** Runs each line in one overlay. Returns for each whether the unit starts at boot after it. */
function starts(...lines: string[]): string[] {
  const link = '/etc/systemd/system/multi-user.target.wants/multihost.service'
  return looked(`$(test -L ${link} && echo on || echo off)`, lines)
}

/** Runs each line in one overlay. Returns `CODE LOOK` for each. */
function looked(look: string, lines: readonly string[]): string[] {
  const overlay = `set -e
    mount -t tmpfs tmpfs ${work}/over
    cd ${work}/over
    mkdir upper work root upper/debs
    cp ${work}/*.deb upper/debs
    mount -t overlay overlay -o lowerdir=/,upperdir=upper,workdir=work root
    mount --rbind /dev root/dev
    mount -t tmpfs tmpfs root/run
    exec chroot root sh -c "$0"`
  const script = lines
    .map((line) => `{ ${line}; } > /dev/null 2>&1 < /dev/null; echo "$? ${look}"`)
    .join('\n')
  mkdirSync(joinPath(work, 'over'), { recursive: true })
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

const join = `${write}; mkdir -p /var/lib/multihost; echo '{}' > /var/lib/multihost/host.json; systemctl --root=/ enable multihost`
const leave = 'systemctl --root=/ disable multihost; rm -r /var/lib/multihost /etc/default/multihost'
// As systemd runs, prerm calls `multihost leave`; the package's command is a stub here.
const remove = `mkdir -p /run/systemd/system; printf '#!/bin/sh\n${leave}\n' > /usr/bin/multihost; dpkg -r multihost; rmdir /run/systemd/system`

test('an upgrade enables no unit of a member that a person has disabled', { timeout }, () => {
  const disable = 'systemctl --root=/ disable multihost'
  const upgrade = [install('1.0.0'), join, disable, install('1.0.1')]
  expect(starts(...upgrade)).toEqual(['0 off', '0 on', '0 off', '0 off'])
  const first = [write, install('1.0.0'), join, disable, install('1.0.1')]
  expect(starts(...first)).toEqual(['0 off', '0 on', '0 on', '0 off', '0 off'])
})

test('an upgrade keeps the unit of a member enabled', { timeout }, () => {
  expect(starts(install('1.0.0'), join, install('1.0.1'))).toEqual(['0 off', '0 on', '0 on'])
})

test('a package that comes back with the options of a store enables the unit, as the first time', {
  timeout,
}, () => {
  const again = [write, install('1.0.0'), join, remove, write, install('1.0.1')]
  expect(starts(...again)).toEqual(['0 off', '0 on', '0 on', '0 off', '0 off', '0 on'])
})

test('a member whose package is replaced without systemd, as in a rescue system, starts at boot as before', {
  timeout,
}, () => {
  const again = [write, install('1.0.0'), join, 'dpkg -r multihost', install('1.0.1')]
  expect(starts(...again)).toEqual(['0 off', '0 on', '0 on', '0 on', '0 on'])
})

test('a purge leaves the start of a driver that was installed otherwise', { timeout }, () => {
  const unit = '/etc/systemd/system/multihost.service'
  const other = `cp /usr/lib/systemd/system/multihost.service ${unit}; systemctl --root=/ reenable multihost`
  const purge = [write, install('1.0.0'), other, 'dpkg -r multihost', 'dpkg -P multihost']
  expect(starts(...purge)).toEqual(['0 off', '0 on', '0 on', '0 on', '0 on'])
})
