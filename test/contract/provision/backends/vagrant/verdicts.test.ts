import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { Verdict } from '../../../../../provision/backends/checks.ts'
import type { Interface } from '../../../../../provision/backends/foreign-networks.ts'
import {
  bootSector,
  type Kvm,
  kvm,
  labNetwork,
  libvirt,
  memory,
  provider,
  type Tools,
  vagrantItself,
} from '../../../../../provision/backends/vagrant/verdicts.ts'

const network = '192.168.33.0/24'
const text = (verdict: Verdict) =>
  'found' in verdict ? `ok: ${verdict.found}` : `${verdict.problem}\n→ ${verdict.remedy}`

const tools = (given: Partial<Tools> = {}): Tools => ({
  vagrant: 'Vagrant 2.3.4\n',
  plugins: '',
  virtualBox: undefined,
  wanted: undefined,
  boxes: undefined,
  ...given,
})

test('a machine without vagrant is told how to get it', () => {
  expect(text(vagrantItself(tools()))).toBe('ok: Vagrant 2.3.4')
  expect(text(vagrantItself(tools({ vagrant: undefined })))).toMatch(
    /^there is no vagrant in PATH\n→ install it .*vagrant-libvirt/,
  )
})

test('the provider is the one that is asked for, or VirtualBox before libvirt', () => {
  const plugins = 'vagrant-libvirt (0.11.2, system)'
  const virtualBox = '7.0.20r163906\n'
  expect(provider(tools({ plugins })).name).toBe('libvirt')
  expect(provider(tools({ plugins, virtualBox })).name).toBe('virtualbox')
  expect(provider(tools({ plugins, virtualBox, wanted: 'libvirt' })).name).toBe('libvirt')
})

test('a provider that is missing is named, with the way to it', () => {
  const verdict = (given: Partial<Tools>) => {
    const { name, verdict: said } = provider(tools(given))
    expect(name).toBeUndefined()
    return text(said)
  }
  expect(verdict({})).toMatch(
    /^there is neither VirtualBox nor the plugin vagrant-libvirt\n→ install VirtualBox, or/,
  )
  expect(verdict({ wanted: 'libvirt', virtualBox: '7' })).toMatch(
    /^VAGRANT_DEFAULT_PROVIDER is libvirt, and this machine does not have it\n→ vagrant plugin install vagrant-libvirt/,
  )
  expect(verdict({ plugins: 'vagrant-libvirt-extras (1.0)' })).toMatch(/^there is neither/)
  expect(verdict({ wanted: 'hyperv' })).toMatch(
    /^VAGRANT_DEFAULT_PROVIDER is hyperv, and the Vagrantfile has boxes for virtualbox and libvirt\n→ .*MULTIHOST_BOX=hyperv=BOX/,
  )
  expect(verdict({ wanted: 'parallels', boxes: 'hyperv=two' })).toMatch(
    /^VAGRANT_DEFAULT_PROVIDER is parallels,/,
  )
  for (const boxes of ['parallels=two', 'my/box=1', 'hyperv=two,one'])
    expect(verdict({ wanted: 'parallels', boxes })).toMatch(/^ok: parallels,/)
})

test('libvirt that does not run, or denies access, has a command each', () => {
  expect(text(libvirt('yes'))).toMatch(/^ok/)
  expect(text(libvirt('absent'))).toBe('libvirtd does not run\n→ systemctl enable --now libvirtd')
  expect(text(libvirt('denied'))).toContain('usermod -aG libvirt')
})

test('what hinders virtualisation is told apart', () => {
  const said = (given: Partial<Kvm>, name: 'libvirt' | 'virtualbox' = 'libvirt') =>
    text(kvm({ device: 'yes', extensions: true, isGuest: false, guest: 'not tried', ...given }, name))
  expect(said({ guest: 'runs', extensions: false })).toMatch(/^ok/)
  expect(said({ guest: 'not tried' })).toMatch(/^ok/)
  expect(said({ device: 'absent' }, 'virtualbox')).toMatch(/^ok/)
  expect(said({ device: 'absent' })).toMatch(/^there is no \/dev\/kvm\n→ modprobe/)
  expect(said({ device: 'denied' })).toMatch(/^\/dev\/kvm does not let you in\n→ usermod -aG kvm/)
  expect(said({ device: 'absent', extensions: false })).toMatch(
    /neither vmx nor svm\n→ enable virtualisation in the/,
  )
  expect(said({ device: 'absent', extensions: false, isGuest: true })).toMatch(
    /neither vmx nor svm\n→ .*\(nested\)/,
  )
  expect(said({ guest: 'slow', isGuest: true })).toMatch(/^KVM takes more than 5 s .*\n→ .*\(nested\)/)
  expect(said({ guest: 'fails' })).toMatch(/^KVM does not run a guest\n→ enable virtualisation/)
})

test('an interface that has the lab’s network is foreign unless it is the provider’s own', () => {
  const one = (ifname: string, local: string, prefixlen = 24): Interface[] => [
    { ifname, addr_info: [{ family: 'inet', local, prefixlen }] },
  ]
  expect(text(labNetwork(network, one('eth0', '192.168.1.5'), 'libvirt'))).toMatch(/^ok/)
  expect(text(labNetwork(network, one('virbr2', '192.168.33.1'), 'libvirt'))).toMatch(/^ok/)
  expect(text(labNetwork(network, one('vboxnet0', '192.168.33.1'), 'virtualbox'))).toMatch(/^ok/)
  expect(text(labNetwork(network, one('vboxnet0', '192.168.33.1'), 'libvirt'))).toBe(
    "vboxnet0 has 192.168.33.1/24, and the lab's network is 192.168.33.0/24\n→ VBoxManage hostonlyif remove vboxnet0, or choose another network in provision/lab.json",
  )
  expect(text(labNetwork(network, one('vboxnet0', '192.168.33.1', 25), 'virtualbox'))).toMatch(
    /^vboxnet0 has 192.168.33.1\/25/,
  )
  expect(text(labNetwork(network, one('br-1f2e', '192.168.32.1', 20), 'libvirt'))).toMatch(
    /→ remove that network of Docker/,
  )
})

test('memory is counted for the machines that do not run yet', () => {
  const GiB = 2 ** 30
  const names = ['consul-server', 'net-1', 'net-2']
  expect(text(memory(4 * GiB, names, undefined))).toBe('ok: 4096 MiB free, 3522 needed')
  expect(text(memory(2 * GiB, names, undefined))).toBe(
    '2048 MiB free, and consul-server, net-1, net-2 need 3522\n→ end something, or give the machines less: MULTIHOST_MEMORY=768',
  )
  expect(text(memory(2 * GiB, ['net-1'], undefined))).toMatch(/^ok: 2048 MiB free, 1174 needed/)
  expect(text(memory(8 * GiB, names, '512,net-1=4096'))).toBe('ok: 8192 MiB free, 5570 needed')
  expect(text(memory(0, [], undefined))).toBe('ok: all machines run')
})

test.skipIf(noQemu())('the tiny guest ends qemu with its own code, also where no KVM is', () => {
  const folder = mkdtempSync(join(tmpdir(), 'guest-'))
  try {
    const image = join(folder, 'guest.img')
    writeFileSync(image, bootSector.content)
    expect(bootSector.content.length).toBe(512)
    const args =
      `-accel tcg -m 16 -display none -nodefaults -device isa-debug-exit,iobase=0x501,iosize=1`.split(' ')
    const run = () =>
      execFileSync('qemu-system-x86_64', [...args, '-drive', `file=${image},format=raw,snapshot=on`], {
        timeout: 15_000,
      })
    expect(run).toThrow(expect.objectContaining({ status: bootSector.exitCode }))
  } finally {
    rmSync(folder, { recursive: true })
  }
})

function noQemu(): boolean {
  try {
    execFileSync('qemu-system-x86_64', ['--version'])
    return false
  } catch {
    return true
  }
}
