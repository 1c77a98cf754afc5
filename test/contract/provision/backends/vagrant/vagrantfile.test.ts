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
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { recordedLab } from '../../../../../provision/backends/vagrant/record.ts'
import { defaultLab, namesOf } from '../../../../../provision/lab/definition.ts'
import { temporaryFolder } from '../../../../fixtures/temporary-folder.ts'

const project = fileURLToPath(new URL('../../../../..', import.meta.url))
const work = temporaryFolder(afterAll)
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

  test('an up that makes no machine leaves the list free to be edited', { timeout: deadlineMs }, async () => {
    const own = { ...virtualbox(), VAGRANT_DOTFILE_PATH: join(work, 'dot-of-nothing') }
    const { said } = await vagrant(['up', 'net-1'], own)
    expect(said).toContain('could not be found')
    const { said: listed } = await vagrant(['status', '--machine-readable'], {
      ...own,
      MULTIHOST_LAB_FILE: bareList(join(work, 'bare.json'), ['only']),
    })
    expect(listed).toContain(',only,state,not_created')
  })

  test('a list edited under a machine is refused once, also for a host that is new', {
    timeout: 2 * deadlineMs,
  }, async () => {
    const dot = join(work, 'dot-of-one')
    const file = join(work, 'under-a-machine.json')
    const own = { ...virtualbox(), VAGRANT_DOTFILE_PATH: dot, MULTIHOST_LAB_FILE: bareList(file, ['first']) }
    await vagrant(['up', '--no-provision'], own)
    const folder = join(dot, 'machines/first/virtualbox')
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, 'id'), 'made')
    bareList(file, ['first', 'second'])
    const { said, exitCode } = await vagrant(['up', 'second'], own)
    expect(exitCode).not.toBe(0)
    expect(said.split('\n').filter((line) => line.includes('other hosts'))).toEqual([
      `there are machines of other hosts than ${file} says: new: second 192.168.33.12 (bare). Destroy them first (vagrant destroy -f), or undo the edit`,
    ])
    expect((await vagrant(['status', 'first'], own)).exitCode).toBe(0)
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
    const networks = ['192.168.33.0', '192.168.33.0/255.255.255.0', '999.0.0.0/24']
    const notForHosts = ['10.0.0.0/7', '127.0.0.0/8', '224.0.0.0/8', 'fd00::/64']
    test.each<[string | Buffer | undefined, string]>([
      ...[...networks, ...notForHosts].map((network): [string, string] => [
        JSON.stringify({ network, hosts: [one] }),
        `network "${network}" is not a network of IPv4 hosts`,
      ]),
      [undefined, 'cannot be read: No such file'],
      ['{', 'is not JSON'],
      [Buffer.from('"\xff"', 'latin1'), 'is not JSON'],
      [`${list(one)} // mine`, 'is not JSON: it has a comment'],
      [
        list({ ...one, engine: '28' }),
        'host "net-1" has an unknown word "engine": allowed are name, address, role',
      ],
      ['null', 'needs both "network" and the list "hosts"'],
      [list(), 'names 0 hosts: from 1 to 205 make a lab'],
      [list(one), 'names 0 hosts of role consul: 1, 3 or 5 can elect a leader'],
      [list({ ...one, role: 'swarm' }), 'role "swarm" is not one of consul, docker, bare'],
      [list({ ...one, name: 'Net_1' }), 'name "Net_1" is not a name of at most 13'],
      [list(one, { ...one, address: '192.168.33.12' }), 'the name "net-1" occurs 2 times'],
      [list(one, { ...one, name: 'net-2' }), 'the address "192.168.33.11" occurs 2 times'],
      [list({ ...one, address: '192.168.34.11' }), 'address "192.168.34.11" is not in the network'],
      [list({ ...one, address: '192.168.33.255' }), 'address "192.168.33.255" is not in the network'],
      [list({ ...one, address: 'net-1' }), 'address "net-1" is not IPv4'],
      [list({ ...one, address: 7 }), 'address 7 is not IPv4'],
      [list({ ...one, address: '192.168.33.11/32' }), 'address "192.168.33.11/32" is not IPv4'],
      [list({ ...one, address: '192.168.33.1' }), 'address "192.168.33.1" is this machine\'s own'],
      [list({ ...one, name: true }), 'name true is not a name of at most 13'],
      [list({ ...one, name: 'net-' }), 'name "net-" is not a name of at most 13'],
      [list({ ...one, name: 'localhost' }), 'name localhost is not free: lo, br-lab, switch, all, default'],
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

describe.skipIf(!existsSync('/usr/bin/ruby'))('a list that is edited while machines of it exist', () => {
  const one = { name: 'net-1', address: '192.168.33.11', role: 'bare' }
  const two = { name: 'net-2', address: '192.168.33.12', role: 'bare' }
  const listOf = (hosts: object[], network = '192.168.33.0/24') => JSON.stringify({ network, hosts })
  const file = join(work, 'edited.json')
  const dot = join(work, 'dot-of-edited')
  const id = join(dot, 'machines/net-1/virtualbox/id')
  const env = { MULTIHOST_LAB_FILE: file, VAGRANT_DOTFILE_PATH: dot }

  /** Names of the hosts that Vagrant's command would have, or the message that refuses it. */
  async function hosts(command: string, after = '', variables: Record<string, string> = env) {
    const lab = join(project, 'provision/backends/vagrant/lab.rb')
    const script = `begin; require ${JSON.stringify(lab)}; ${after}; puts MultihostLab.hosts.map { |host| host["name"] }.join(" "); rescue Vagrant::Errors::VagrantError => e; puts e.error_message; end`
    const args = ['-rostruct', '-e', vagrantStub, '-e', script, '--', ...command.split(' ')]
    return (await execa('/usr/bin/ruby', args, { env: variables })).stdout
  }

  beforeEach(async () => {
    writeFileSync(file, listOf([one, two]))
    await hosts('up', 'MultihostLab::Record.write(MultihostLab::LAB)')
    mkdirSync(dirname(id), { recursive: true })
    writeFileSync(id, 'made')
  })
  afterEach(() => rmSync(dot, { recursive: true }))

  test.each([
    [
      listOf([one, two, { ...one, name: 'net-3', address: '192.168.33.13' }]),
      'new: net-3 192.168.33.13 (bare)',
    ],
    [listOf([one]), 'gone: net-2 192.168.33.12 (bare)'],
    [
      listOf([one, { ...two, name: 'renamed' }]),
      'new: renamed 192.168.33.12 (bare); gone: net-2 192.168.33.12 (bare)',
    ],
    [
      listOf([one, { ...two, address: '192.168.33.22' }]),
      'new: net-2 192.168.33.22 (bare); gone: net-2 192.168.33.12 (bare)',
    ],
    [
      listOf([one, { ...two, role: 'consul' }]),
      'new: net-2 192.168.33.12 (consul); gone: net-2 192.168.33.12 (bare)',
    ],
    [listOf([one, two], '192.168.32.0/20'), 'network 192.168.33.0/24 is now 192.168.32.0/20'],
  ])('is refused by up, provision and reload: %s', async (text, changes) => {
    writeFileSync(file, text)
    const line = `there are machines of other hosts than ${file} says: ${changes}. Destroy them first (vagrant destroy -f), or undo the edit`
    for (const command of ['up', '--no-color up net-3 --no-provision', 'provision', 'reload'])
      expect(await hosts(command)).toBe(line)
  })

  test.each(['status', 'halt', 'ssh net-1', 'destroy -f', 'destroy up'])(
    'does not hinder %s, which knows the machines that exist',
    async (command) => {
      for (const text of [listOf([one]), '{']) {
        writeFileSync(file, text)
        expect(await hosts(command)).toBe('net-1 net-2')
      }
    },
  )

  test('counts again when the last machine is destroyed, or when the edit is undone', async () => {
    writeFileSync(file, listOf([one]))
    expect(await hosts('up')).toMatch(/gone: net-2/)
    writeFileSync(file, listOf([one, two]))
    expect(await hosts('up')).toBe('net-1 net-2')
    writeFileSync(file, listOf([one]))
    rmSync(id)
    expect(await hosts('up')).toBe('net-1')
  })

  test('machines of another file are used as they are, unless a file is named', async () => {
    expect(await hosts('up', '', { VAGRANT_DOTFILE_PATH: dot })).toBe('net-1 net-2')
    const named = { VAGRANT_DOTFILE_PATH: dot, MULTIHOST_LAB_FILE: 'provision/lab.json' }
    expect(await hosts('up', '', named)).toMatch(/new: consul-server 192.168.33.10/)
  })

  test('is known to the backend by the same record', () => {
    vi.stubEnv('VAGRANT_DOTFILE_PATH', dot)
    expect(recordedLab()).toEqual({ source: file, network: '192.168.33.0/24', hosts: [one, two] })
    rmSync(id)
    expect(recordedLab()).toBeUndefined()
    vi.unstubAllEnvs()
  })
})

/** As much of Vagrant as lab.rb refers to: a test takes 0.1 s without the rest of Vagrant, and 3 s with it. */
const vagrantStub = `module Vagrant
  module Errors; class VagrantError < StandardError; end; end
  def self.plugin(_) = OpenStruct.new(manager: OpenStruct.new(providers: { hyperv: nil }))
end`

/** Writes a list of bare hosts; returns its path. */
function bareList(file: string, names: string[]): string {
  const hosts = names.map((name, i) => ({ name, address: `192.168.33.${11 + i}`, role: 'bare' }))
  writeFileSync(file, JSON.stringify({ network: '192.168.33.0/24', hosts }))
  return file
}

/** A folder with all commands of this machine but node and npm. */
function withoutNode(): string {
  const folder = join(work, 'without-node')
  mkdirSync(folder)
  for (const name of readdirSync('/usr/bin')) {
    if (!/^(node|nodejs|npm|npx)$/.test(name)) symlinkSync(join('/usr/bin', name), join(folder, name))
  }
  return folder
}
