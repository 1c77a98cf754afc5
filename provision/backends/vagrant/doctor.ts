/**
 * `lab doctor --backend vagrant`: what keeps Vagrant's machines from coming up.
 *
 * This file gathers the facts of this machine; verdicts.ts and virtualbox.ts judge them.
 */
import { accessSync, constants, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { freemem, homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { type Lab, namesOf } from '../../lab/definition.ts'
import { unlessGone } from '../../process/unless-gone.ts'
import { type Check, disk } from '../checks.ts'
import type { Interface } from '../foreign-networks.ts'
import { machinesIn } from './answers.ts'
import { vagrant } from './vagrant.ts'
import {
  bootSector,
  type Kvm,
  kvm,
  labNetwork,
  libvirt,
  memory,
  type Provider,
  provider,
  type Tools,
  vagrantItself,
} from './verdicts.ts'
import {
  architecture,
  hostOnlyNetwork,
  type KvmModule,
  kvmBeside,
  type Modules,
  modules,
  versionIn,
  versions,
} from './virtualbox.ts'

const home = process.env.VAGRANT_HOME ?? join(homedir(), '.vagrant.d')

export async function vagrantChecks(lab: Lab): Promise<Check[]> {
  const tools: Tools = {
    vagrant: await wordsOf('vagrant', '--version'),
    plugins: (await wordsOf('vagrant', 'plugin', 'list')) ?? '',
    virtualBox: versionIn(await wordsOf('VBoxManage', '--version')),
    wanted: process.env.VAGRANT_DEFAULT_PROVIDER,
    boxes: process.env.MULTIHOST_BOX,
  }
  const chosen = provider(tools)
  return [
    { title: 'vagrant', look: async () => vagrantItself(tools) },
    { title: 'provider', look: async () => chosen.verdict },
    ...(chosen.name === undefined ? [] : checksOf(lab, chosen.name, tools)),
    disk('boxes', home),
  ]
}

function checksOf(lab: Lab, name: Provider, tools: Tools): Check[] {
  const linux = process.platform === 'linux'
  const ofProvider: Record<Provider, () => Check[]> = {
    virtualbox: () => virtualBoxChecks(lab, tools.vagrant ?? '', tools.virtualBox ?? ''),
    libvirt: () => [{ title: 'libvirt', look: async () => libvirt(access('/run/libvirt/libvirt-sock')) }],
  }
  return [
    ...ofProvider[name](),
    ...(linux ? [{ title: 'virtualisation', look: async () => kvm(await lookAtKvm(name), name) }] : []),
    ...(linux
      ? [{ title: 'the lab network', look: async () => labNetwork(lab.network, await interfaces(), name) }]
      : []),
    { title: 'memory', look: async () => memory(freemem(), await idle(lab), process.env.MULTIHOST_MEMORY) },
  ]
}

function virtualBoxChecks(lab: Lab, vagrant: string, virtualBox: string): Check[] {
  const { platform, arch, env } = process
  const conf = () => fileText('/etc/vbox/networks.conf')
  const ofLinux: Check[] = [
    { title: "VirtualBox's kernel modules", look: async () => modules(lookAtModules()) },
    { title: 'KVM beside VirtualBox', look: async () => kvmBeside(lookAtKvmModule()) },
  ]
  return [
    { title: 'versions', look: async () => versions(vagrant, virtualBox) },
    { title: 'architecture', look: async () => architecture(virtualBox, platform, arch, env.MULTIHOST_BOX) },
    {
      title: 'host-only networks',
      look: async () => hostOnlyNetwork(lab.network, virtualBox, platform, conf()),
    },
    ...(platform === 'linux' ? ofLinux : []),
  ]
}

/** UEFI's variable is four bytes of attributes and one of value. UEFI specification, section 3.3. */
const secureBootVariable = '/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c'

function lookAtModules(): Modules {
  return {
    driver: existsSync('/dev/vboxdrv'),
    networks: existsSync('/dev/vboxnetctl'),
    secureBoot: existsSync(secureBootVariable) && readFileSync(secureBootVariable)[4] === 1,
  }
}

function lookAtKvmModule(): KvmModule {
  const name = ['kvm_intel', 'kvm_amd'].find((each) => existsSync(`/sys/module/${each}`))
  return {
    name,
    users: Number(fileText(`/sys/module/${name}/refcnt`) ?? 0),
    enabledAtLoad: fileText('/sys/module/kvm/parameters/enable_virt_at_load')?.trim() === 'Y',
  }
}

async function lookAtKvm(name: Provider): Promise<Kvm> {
  const cpu = fileText('/proc/cpuinfo') ?? ''
  return {
    device: access('/dev/kvm'),
    extensions: /^flags.*\b(vmx|svm)\b/m.test(cpu),
    isGuest: /^flags.*\bhypervisor\b/m.test(cpu),
    guest: name === 'libvirt' && access('/dev/kvm') === 'yes' ? await tryGuest() : 'not tried',
  }
}

const guestLimitMs = 5000

/** Boots a guest of seven bytes, which ends QEMU with a code of its own: /dev/kvm may exist where no guest runs. */
async function tryGuest(): Promise<Kvm['guest']> {
  const folder = mkdtempSync(join(tmpdir(), 'multihost-kvm-'))
  const image = join(folder, 'guest.img')
  try {
    writeFileSync(image, bootSector.content)
    const args = ['-accel', 'kvm', '-m', '16', '-display', 'none', '-nodefaults']
    const devices = [
      '-device',
      'isa-debug-exit,iobase=0x501,iosize=1',
      '-drive',
      `file=${image},format=raw,snapshot=on`,
    ]
    const options = { reject: false, timeout: guestLimitMs, killSignal: 'SIGKILL' } as const
    const { exitCode, timedOut, code } = await execa('qemu-system-x86_64', [...args, ...devices], options)
    if (code === 'ENOENT') return 'not tried'
    return timedOut ? 'slow' : exitCode === bootSector.exitCode ? 'runs' : 'fails'
  } finally {
    rmSync(folder, { recursive: true })
  }
}

async function interfaces(): Promise<Interface[]> {
  const { stdout } = await execa('ip', ['-j', '-4', 'address'])
  return JSON.parse(stdout || '[]')
}

/** Machines that are still to be started, and so to be given memory. */
async function idle(lab: Lab): Promise<string[]> {
  const machines = machinesIn(await vagrant(['status', '--machine-readable']))
  return namesOf(lab).filter((name) => machines.get(name)?.state !== 'running')
}

function access(path: string): 'yes' | 'denied' | 'absent' {
  try {
    accessSync(path, constants.R_OK | constants.W_OK)
    return 'yes'
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'absent' : 'denied'
  }
}

/** What the command prints; undefined where the command does not exist or fails. */
async function wordsOf(file: string, ...args: string[]): Promise<string | undefined> {
  const { failed, stdout } = await execa(file, args, { reject: false })
  return failed ? undefined : stdout
}

const fileText = (path: string): string | undefined => unlessGone(() => readFileSync(path, 'utf8'))
