/**
 * The Vagrantfile as Vagrant reads it, for both providers, where Vagrant is installed.
 *
 * VirtualBox cannot run here: a stub of VBoxManage, which tells its version and notes what it is asked, lets Vagrant
 * check that provider's settings. What VirtualBox does with them is not tested.
 */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { hosts } from '../../../../../provision/lab/hosts.ts'

const project = fileURLToPath(new URL('../../../../..', import.meta.url))
const work = mkdtempSync(join(tmpdir(), 'multihost-vagrant-'))
const stub = join(work, 'stub')
const asked = join(work, 'asked')
const deadlineMs = 60_000

async function vagrant(args: string[], env: Record<string, string> = {}) {
  const own = {
    VAGRANT_HOME: join(work, 'home'),
    VAGRANT_DOTFILE_PATH: join(work, 'dot'),
    CHECKPOINT_DISABLE: '1',
  }
  const { all, exitCode } = await execa('/usr/bin/vagrant', args, {
    cwd: project,
    reject: false,
    all: true,
    env: { PATH: process.env.PATH, ...own, ...env },
  })
  return { said: all, exitCode }
}

const virtualbox = (path = process.env.PATH) => ({
  PATH: `${stub}:${path}`,
  VAGRANT_DEFAULT_PROVIDER: 'virtualbox',
})

beforeAll(() => {
  mkdirSync(stub)
  writeFileSync(join(stub, 'VBoxManage'), `#!/bin/sh\necho "$*" >> ${asked}\necho 7.0.20r163906\n`)
  chmodSync(join(stub, 'VBoxManage'), 0o755)
})
afterAll(() => rmSync(work, { recursive: true, force: true }))

describe.skipIf(!existsSync('/usr/bin/vagrant'))('the Vagrantfile', () => {
  test('is valid for libvirt', { timeout: deadlineMs }, async () => {
    const { said, exitCode } = await vagrant(['validate'], { VAGRANT_DEFAULT_PROVIDER: 'libvirt' })
    expect({ said, exitCode }).toEqual({ said: 'Vagrantfile validated successfully.', exitCode: 0 })
  })

  test('is valid for VirtualBox, as far as a stub of VBoxManage can tell', {
    timeout: deadlineMs,
  }, async () => {
    const { said, exitCode } = await vagrant(['validate'], virtualbox())
    expect({ said, exitCode }).toEqual({ said: 'Vagrantfile validated successfully.', exitCode: 0 })
  })

  test('has the hosts of lab.json', { timeout: deadlineMs }, async () => {
    const { said } = await vagrant(['status', '--machine-readable'], virtualbox())
    const names = [...said.matchAll(/^\d+,([^,]+),state,not_created$/gm)].map(([, name]) => name)
    expect(names).toEqual(hosts.map((host) => host.name))
  })

  test.each([
    [{ MULTIHOST_ENGINE: '27' }, 'MULTIHOST_ENGINE=27: allowed are 20.10, 26, 28'],
    [{ MULTIHOST_MEMORY: '64' }, 'MULTIHOST_MEMORY=64: "64" is neither a whole number from 512'],
    [
      { MULTIHOST_CPUS: '1,net-9=2' },
      '"net-9=2" is neither a whole number from 1 nor HOST=number with a host of',
    ],
  ])('a wrong setting is named with what is allowed: %j', { timeout: deadlineMs }, async (env, words) => {
    const { said, exitCode } = await vagrant(['validate'], env)
    expect(exitCode).not.toBe(0)
    expect(said).toContain(words)
  })

  test('without node nothing boots, and up says what is missing', { timeout: deadlineMs }, async () => {
    const path = withoutNode()
    rmSync(asked, { force: true })
    const { said, exitCode } = await vagrant(['up'], virtualbox(path))
    expect(exitCode).not.toBe(0)
    expect(said).toContain(
      'provisioning runs on this machine and needs Node 20.19 or newer: there is no node in PATH',
    )
    expect(readFileSync(asked, 'utf8')).not.toMatch(/import|createvm|clonevm|startvm/)
  })
})

/** A folder with all commands of this machine but node and npm. */
function withoutNode(): string {
  const folder = join(work, 'without-node')
  mkdirSync(folder)
  for (const name of readdirSync('/usr/bin')) {
    if (!/^(node|nodejs|npm|npx)$/.test(name)) symlinkSync(join('/usr/bin', name), join(folder, name))
  }
  return folder
}
