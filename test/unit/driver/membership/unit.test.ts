/** The unit, on a machine whose systemctl is a stub. */
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { DriverError } from '../../../../driver/core/errors.ts'
import {
  isInstalled,
  refusesFiles,
  replaceFile,
  systemdUnit,
  textOf,
} from '../../../../driver/membership/unit.ts'
import { temporaryFolder } from '../../../fixtures/temporary-folder.ts'

test('a file whose text goes is no empty file', async () => {
  const folder = temporaryFolder()
  const path = join(folder, 'docker')
  await replaceFile(path, 'MULTIHOST_OPTS=""\n')
  expect(await textOf(path)).toBe('MULTIHOST_OPTS=""\n')
  await replaceFile(path, '')
  await replaceFile(path, '')
  expect(readdirSync(folder)).toEqual([])
})

const notBooted = "System has not been booted with systemd as init system (PID 1). Can't operate."

test.each([
  ['there is no systemctl', undefined, /^systemd does not run here: .*; .*\/etc\/wsl\.conf/],
  ['it is not PID 1', `#!/bin/sh\necho "${notBooted}" >&2\nexit 1\n`, /^systemd does not run here: .*booted/],
])('one sentence where systemd does not run, since %s', async (_, stub, says) => {
  stubSystemctl(stub)
  const line = await systemdUnit.state().catch((error: DriverError) => error.line)
  expect(line).toMatch(says)
})

describe('a file of a person', () => {
  const folderFor = (): string => {
    const folder = temporaryFolder()
    return folder
  }

  test('stays behind its link, which may be relative, in a chain, or lead nowhere yet', async () => {
    const folder = folderFor()
    mkdirSync(join(folder, 'etc'))
    mkdirSync(join(folder, 'managed'))
    symlinkSync('../managed/first', join(folder, 'etc/docker'))
    symlinkSync(join(folder, 'managed/text'), join(folder, 'managed/first'))
    const path = join(folder, 'etc/docker')
    for (const text of ['a\n', 'b\n', '']) {
      await replaceFile(path, text)
      expect(lstatSync(path).isSymbolicLink()).toBe(true)
      expect(readFileSync(join(folder, 'managed/text'), 'utf8')).toBe(text)
    }
    expect(readdirSync(join(folder, 'managed'))).toEqual(['first', 'text'])
  })

  test('keeps its mode; a new one has its own under every umask', async () => {
    const folder = folderFor()
    const before = process.umask(0o077)
    onTestFinished(() => void process.umask(before))
    const modeOf = (name: string): number => statSync(join(folder, name)).mode & 0o777
    writeFileSync(join(folder, 'theirs'), 'a\n')
    chmodSync(join(folder, 'theirs'), 0o664)
    writeFileSync(join(folder, 'secret'), 'a\n', { mode: 0o600 })
    for (const name of ['theirs', 'secret', 'ours']) await replaceFile(join(folder, name), 'b\n')
    expect([modeOf('theirs'), modeOf('secret'), modeOf('ours')]).toEqual([0o664, 0o600, 0o644])
  })

  test('needs no folder before', async () => {
    const folder = folderFor()
    await replaceFile(join(folder, 'etc/default/docker'), 'a\n')
    expect(readFileSync(join(folder, 'etc/default/docker'), 'utf8')).toBe('a\n')
  })

  test('that cannot be written is named, and no half file stays beside it', async () => {
    const folder = folderFor()
    mkdirSync(join(folder, 'docker/is a folder'), { recursive: true })
    const failed = replaceFile(join(folder, 'docker'), 'a\n')
    await expect(failed).rejects.toThrow(/^\S*\/docker cannot be written: E/)
    expect(readdirSync(folder)).toEqual(['docker'])
  })
})

test('a folder that takes files refuses none, and neither does one that can be made there', async () => {
  expect(await refusesFiles(join(tmpdir(), 'nowhere/at/all'))).toBeUndefined()
  expect(await refusesFiles(join(tmpdir(), 'docker'))).toBeUndefined()
  expect(await refusesFiles('/dev/null/folder/docker')).toBe('ENOTDIR')
})

test.each([
  ['LoadState=loaded\nFragmentPath=/lib/systemd/system/multihost.service', true],
  ['LoadState=not-found\nFragmentPath=', false],
  [
    'LoadState=masked\nFragmentPath=/etc/systemd/system/multihost.service',
    /masked; .*systemctl unmask multihost$/,
  ],
  ['LoadState=bad-setting\nFragmentPath=/lib/x', /does not load multihost\.service: bad-setting; .*drop-in/],
])('%j', async (said, found) => {
  stubSystemctl(`#!/bin/sh\nprintf '%b\\n' '${said}'\n`)
  const answer = await isInstalled().catch((error: DriverError) => error.line)
  if (found instanceof RegExp) expect(answer).toMatch(found)
  else expect(answer).toBe(found)
})

test('one sentence where systemctl is refused', async () => {
  stubSystemctl(
    '#!/bin/sh\necho first >&2; echo "Failed to disable unit: Read-only file system" >&2; exit 1\n',
  )
  await expect(systemdUnit.stop()).rejects.toThrow(
    /^systemctl -q disable --now multihost\.service fails: Failed to disable unit: Read-only file system$/,
  )
})

function stubSystemctl(stub: string | undefined): void {
  const folder = temporaryFolder()
  const path = process.env.PATH
  onTestFinished(() => {
    process.env.PATH = path
  })
  process.env.PATH = folder
  if (stub === undefined) return
  writeFileSync(join(folder, 'systemctl'), stub)
  chmodSync(join(folder, 'systemctl'), 0o755)
}
