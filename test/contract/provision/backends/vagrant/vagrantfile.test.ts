/**
 * The Vagrantfile as Vagrant reads it, for both providers, where Vagrant is installed.
 *
 * A stub of VBoxManage, which prints a version and records its arguments, lets Vagrant check VirtualBox's
 * settings. What VirtualBox does with the settings is a part of the acceptance run. libvirt's own test driver
 * answers for a libvirtd.
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
import { defaultLab, namesOf } from '../../../../../provision/lab/definition.ts'

const project = fileURLToPath(new URL('../../../../..', import.meta.url))
const work = mkdtempSync(join(tmpdir(), 'multihost-vagrant-'))
const stub = join(work, 'stub')
const asked = join(work, 'asked')
const deadlineMs = 60_000

async function vagrant(args: string[], env: Record<string, string> = {}) {
  const own = {
    VAGRANT_SERVER_URL: 'http://127.0.0.1:1', // no box is downloaded
    LIBVIRT_DEFAULT_URI: 'test:///default',
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

/** Makes every provider usable: VirtualBox by its version, Docker by an answer of any kind. */
beforeAll(() => {
  mkdirSync(stub)
  for (const name of ['VBoxManage', 'docker']) {
    writeFileSync(join(stub, name), `#!/bin/sh\necho "$*" >> ${asked}\necho 7.0.20r163906\n`)
    chmodSync(join(stub, name), 0o755)
  }
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
    expect(names).toEqual(namesOf(defaultLab()))
  })

  test.each([
    ['virtualbox', 'bento/debian-13'],
    ['libvirt', 'debian/trixie64'],
  ])('the box for %s is %s', { timeout: deadlineMs }, async (provider, box) => {
    const { said } = await vagrant(['up', 'net-1', '--provider', provider], virtualbox())
    expect(said).toContain(`Box '${box}' could not be found`)
  })

  test('a provider without a box is an error that names the choices', { timeout: deadlineMs }, async () => {
    const { said, exitCode } = await vagrant(['up', 'net-1', '--provider', 'docker'], virtualbox())
    expect(exitCode).not.toBe(0)
    expect(said).toContain(
      'provider docker has no default box. Choose one of the providers libvirt, virtualbox (vagrant up --provider NAME), or name a Debian box that docker can start: MULTIHOST_BOX=docker=BOX',
    )
  })

  test.each([
    [{ MULTIHOST_ENGINE: '27' }, 'MULTIHOST_ENGINE=27: allowed are 20.10, 26, 28, 29'],
    [
      { MULTIHOST_BOX: 'virtualbx=one' },
      'MULTIHOST_BOX=virtualbx=one: "virtualbx=one" is neither BOX nor PROVIDER=BOX with a provider of docker,',
    ],
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

describe.skipIf(!existsSync('/usr/bin/ruby'))('boxes by provider', () => {
  test.each([
    [{}, null, { libvirt: 'debian/trixie64', virtualbox: 'bento/debian-13' }],
    [{ MULTIHOST_ENGINE: '20.10' }, null, { libvirt: 'debian/bookworm64', virtualbox: 'bento/debian-12' }],
    [{ MULTIHOST_BOX: 'one' }, 'one', {}],
    [{ MULTIHOST_BOX: 'libvirt=one' }, null, { libvirt: 'one', virtualbox: 'bento/debian-13' }],
    [{ MULTIHOST_BOX: 'one,hyperv=two' }, 'one', { hyperv: 'two' }],
    [{ MULTIHOST_BOX: 'https://host/a?b=c' }, 'https://host/a?b=c', {}],
  ])('%j', async (env, box, boxes) => {
    const print = 'puts JSON.generate([MultihostLab.box, MultihostLab.boxes])'
    const lab = join(project, 'provision/backends/vagrant/lab.rb')
    const args = ['-rostruct', '-e', vagrantStub, '-e', `require ${JSON.stringify(lab)}; ${print}`]
    const { stdout } = await execa('/usr/bin/ruby', args, { env })
    expect(JSON.parse(stdout)).toEqual([box, boxes])
  })
})

describe.skipIf(!existsSync('/usr/bin/ruby'))(
  'a list of hosts that is refused before any machine boots',
  () => {
    const one = { name: 'net-1', address: '192.168.33.11', role: 'docker' }
    const list = (...hosts: object[]) => JSON.stringify({ network: '192.168.33.0/24', hosts })
    test.each([
      [undefined, 'cannot be read: No such file'],
      ['{', 'is not JSON'],
      ['null', 'needs both "network" and the list "hosts"'],
      [list(), 'names 0 hosts: from 1 to 205 make a lab'],
      [list(one), 'names 0 hosts of role consul: 1, 3 or 5 can elect a leader'],
      [list({ ...one, role: 'swarm' }), 'role "swarm" is not one of consul, docker, bare'],
      [list({ ...one, name: 'Net_1' }), 'name "Net_1" is not a name of at most 13'],
      [list(one, { ...one, address: '192.168.33.12' }), 'name "net-1" stands there 2 times'],
      [list(one, { ...one, name: 'net-2' }), 'address "192.168.33.11" stands there 2 times'],
      [list({ ...one, address: '192.168.34.11' }), 'address "192.168.34.11" is not in the network'],
      [list({ ...one, address: '192.168.33.255' }), 'address "192.168.33.255" is not in the network'],
      [list({ ...one, address: 'net-1' }), 'address "net-1" is not IPv4'],
    ])('%s', async (text, words) => {
      const file = join(work, 'refused.json')
      rmSync(file, { force: true })
      if (text !== undefined) writeFileSync(file, text)
      const lab = join(project, 'provision/backends/vagrant/lab.rb')
      const print = `begin; require ${JSON.stringify(lab)}; rescue Vagrant::Errors::VagrantError => e; puts e.error_message; end`
      const args = ['-rostruct', '-e', vagrantStub, '-e', print]
      const { stdout } = await execa('/usr/bin/ruby', args, { env: { MULTIHOST_LAB_FILE: file } })
      expect(stdout).toContain(`${file} ${words}`)
    })
  },
)

/** As much of Vagrant as lab.rb refers to: a test takes 0.1 s without the rest of Vagrant, and 3 s with it. */
const vagrantStub = `module Vagrant
  module Errors; class VagrantError < StandardError; end; end
  def self.plugin(_) = OpenStruct.new(manager: OpenStruct.new(providers: { hyperv: nil }))
end`

/** A folder with all commands of this machine but node and npm. */
function withoutNode(): string {
  const folder = join(work, 'without-node')
  mkdirSync(folder)
  for (const name of readdirSync('/usr/bin')) {
    if (!/^(node|nodejs|npm|npx)$/.test(name)) symlinkSync(join('/usr/bin', name), join(folder, name))
  }
  return folder
}
