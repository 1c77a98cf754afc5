import { expect, test } from 'vitest'
import type { Verdict } from '../../../../../provision/backends/checks.ts'
import {
  architecture,
  hostOnlyNetwork,
  type KvmModule,
  kvmBeside,
  modules,
  versionIn,
  versions,
} from '../../../../../provision/backends/vagrant/virtualbox.ts'

const text = (verdict: Verdict) =>
  'found' in verdict
    ? `ok: ${verdict.found}`
    : `${verdict.warning ? 'warning: ' : ''}${verdict.problem}\n→ ${verdict.remedy}`

test.each([
  ['Vagrant 2.3.4', '6.1.50r161033'],
  ['Vagrant 2.3.4\n', '7.0.20r163906\n'],
  ['Vagrant 2.4.2', '7.1.4r165100'],
  ['Vagrant 2.4.9', '7.2.22_Debianr175245'],
  ['Vagrant 2.5.0', '7.2.0'],
])('%j drives VirtualBox %j', (vagrant, virtualBox) => {
  expect(text(versions(vagrant, virtualBox))).toMatch(/^ok: Vagrant \d\.\d\.\d and VirtualBox \d\.\d\.\d+$/)
})

test('the version follows a warning where the kernel modules are missing', () => {
  const warning =
    'WARNING: The character device /dev/vboxdrv does not exist.\n\t Please install 6.1.0 or so.\n'
  expect(versionIn(`${warning}7.0.20r163906\n`)).toBe('7.0.20r163906')
  expect(versionIn('7.0.20r163906')).toBe('7.0.20r163906')
  expect(versionIn(undefined)).toBeUndefined()
})

test('a Vagrant that is too old for this VirtualBox is named with both ways out', () => {
  expect(text(versions('Vagrant 2.3.4', '7.2.22_Debianr175245'))).toMatchInlineSnapshot(`
    "Vagrant 2.3.4 drives VirtualBox up to 7.0, and this is 7.2.22
    → install Vagrant 2.4.9 or newer (HashiCorp's package; Debian's is older), or VirtualBox 7.0"
  `)
  expect(text(versions('Vagrant 2.4.1', '7.1.0'))).toMatch(
    /^Vagrant 2.4.1 drives VirtualBox up to 7.0, and this/,
  )
  expect(text(versions('Vagrant 2.4.8', '7.2.0'))).toMatch(
    /^Vagrant 2.4.8 drives VirtualBox up to 7.1, and this/,
  )
  expect(text(versions('Vagrant 2.2.19', '7.0.0'))).toMatch(
    /^Vagrant 2.2.19 drives VirtualBox up to 6.1, and this/,
  )
})

test('a VirtualBox newer than those that are known is a warning', () => {
  expect(text(versions('Vagrant 2.4.9', '7.3.0'))).toMatch(/^warning: .*VirtualBox 7.2 is the newest/)
  expect(text(versions('Vagrant 2.4.9', '8.0.2'))).toMatch(/^warning: /)
})

test('VirtualBox from 6.1.28 on needs the lab’s network in networks.conf', () => {
  const refused = [
    "VirtualBox 6.1.28r147628 allows host-only networks in 192.168.56.0/21, and the lab's is 192.168.33.0/24",
    "→ as root: mkdir -p /etc/vbox && echo '* 192.168.33.0/24' >> /etc/vbox/networks.conf",
  ].join('\n')
  const said = (version: string, conf?: string, platform = 'linux') =>
    text(hostOnlyNetwork('192.168.33.0/24', version, platform, conf))
  expect(said('6.1.28r147628')).toBe(refused)
  for (const conf of ['* 10.0.0.0/8\n', '# * 192.168.33.0/24\n', '* 192.168.33.128/25', ''])
    expect(said('7.1.4', conf)).toMatch(/^VirtualBox 7.1.4 allows host-only networks in .*, and the lab's is/)
  for (const conf of [
    '* 192.168.33.0/24',
    '*192.168.33.0/24',
    '# ours\n  * 10.0.0.0/8 192.168.0.0/16\n',
    '* 0.0.0.0/0 ::/0',
  ])
    expect(said('7.1.4', conf)).toBe('ok: /etc/vbox/networks.conf allows 192.168.33.0/24')
  expect(said('6.1.26')).toMatch(/^ok/)
  expect(said('7.0.0', undefined, 'darwin')).toMatch(/^ok/)
  expect(said('6.1.50', undefined, 'darwin')).not.toMatch(/^ok/)
  expect(said('7.1.4', undefined, 'win32')).toMatch(/^ok/)
})

test('modules that are missing have a command each, and one more where Secure Boot is on', () => {
  const said = (given: Partial<Parameters<typeof modules>[0]>) =>
    text(modules({ driver: false, networks: false, secureBoot: false, ...given }))
  expect(said({ driver: true, networks: true, secureBoot: true })).toBe('ok: loaded')
  expect(said({ driver: true })).toBe(
    'there is no /dev/vboxnetctl, and so no host-only network can be made\n→ as root: modprobe -a vboxdrv vboxnetflt vboxnetadp',
  )
  expect(said({})).toMatch(/^there is no \/dev\/vboxdrv.*\n→ as root: modprobe .*vboxconfig.*virtualbox-dkms/)
  expect(said({})).not.toContain('Secure Boot')
  expect(said({ secureBoot: true })).toContain('mokutil --import')
})

test('KVM that holds the virtualisation of the CPU is a warning', () => {
  const said = (given: Partial<KvmModule>) =>
    text(kvmBeside({ name: 'kvm_intel', users: 0, enabledAtLoad: false, ...given }))
  expect(said({ name: undefined })).toMatch(/^ok/)
  expect(said({})).toMatch(/^ok/)
  expect(said({ users: 1 })).toMatch(/^warning: kvm_intel is in use, .*\n→ .*modprobe -r kvm_intel/)
  expect(said({ enabledAtLoad: true })).toMatch(
    /^warning: kvm_intel has turned virtualisation on, .*\n.*enable_virt_at_load=0/,
  )
})

test('Apple silicon needs VirtualBox 7.1 and boxes for arm64', () => {
  expect(text(architecture('7.0.20', 'linux', 'x64', 'one'))).toBe('ok: x64')
  expect(text(architecture('7.2.0', 'darwin', 'arm64', undefined))).toMatch(/^ok: Apple silicon/)
  expect(text(architecture('7.0.20', 'darwin', 'arm64', undefined))).toMatch(
    /runs no machines on Apple silicon\n→ install VirtualBox 7.1/,
  )
  expect(text(architecture('7.2.0', 'darwin', 'arm64', 'one'))).toMatch(/^warning: .*MULTIHOST_BOX is one\n/)
  expect(text(architecture('7.2.0', 'linux', 'arm64', undefined))).toMatch(
    /does not run on linux for arm64\n→ use libvirt/,
  )
})
