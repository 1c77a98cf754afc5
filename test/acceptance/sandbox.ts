/**
 * Sandboxes: a mount and a network namespace with a provider's state in one folder. One with libvirt is here.
 *
 * The commands in a sandbox neither see nor change this machine's libvirt, its machines, networks and routes,
 * and the lab's addresses may be in use outside. Settings of this run are in Vagrant's own Vagrantfile, so
 * that the project's Vagrantfile is the one that users have.
 */
import { spawn } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { execa } from 'execa'
import { LabError } from '../../provision/process/errors.ts'
import { run } from '../../provision/process/run.ts'
import { until } from '../../provision/process/until.ts'

const folders = ['lib/libvirt', 'log/libvirt', 'cache/libvirt']

export interface Sandbox {
  /** The command that enters the namespaces; a command to run follows it. */
  enter: string[]
  env: Record<string, string>
}

/** Boots a machine whose firmware prints a word at once: a /dev/kvm that exists need not work. */
export async function kvmWorks(): Promise<boolean> {
  if (!existsSync('/dev/kvm')) return false
  const firmware = ['-chardev', 'stdio,id=words', '-device', 'isa-debugcon,iobase=0x402,chardev=words']
  const machine = ['-accel', 'kvm', '-machine', 'pc', '-cpu', 'host', '-nodefaults', '-display', 'none']
  const options = { reject: false, timeout: 3000, stdin: 'ignore' } as const
  const { stdout } = await execa('qemu-system-x86_64', [...machine, ...firmware], options)
  return stdout.includes('SeaBIOS')
}

/** Environment variables of Vagrant and Packer: all of their files are in `work`. */
export function environment(work: string): Record<string, string> {
  return {
    VAGRANT_HOME: join(work, 'vagrant'),
    VAGRANT_DOTFILE_PATH: join(work, 'dot-vagrant'),
    VAGRANT_DEFAULT_PROVIDER: 'libvirt',
    PACKER_CACHE_DIR: join(work, 'packer-cache'),
    CHECKPOINT_DISABLE: '1',
    TMPDIR: work,
  }
}

export async function startLibvirt(work: string, kvm: boolean): Promise<Sandbox> {
  const state = join(work, 'libvirt')
  for (const folder of [...folders, 'vagrant']) mkdirSync(join(state, folder), { recursive: true })
  cpSync('/etc/libvirt', join(state, 'etc'), { recursive: true })
  writeFileSync(join(state, 'etc/qemu.conf'), qemuSettings)
  writeFileSync(join(state, 'no-kvm'), '')
  writeVagrantSettings(work, kvm)
  const enter = await hold(setUp, [state, kvm ? '' : 'mask'], join(state, 'held'))
  await run(enter[0] ?? '', [...enter.slice(1), 'libvirtd', '--daemon'])
  return { enter, env: environment(work) }
}

/**
 * /sys shows the network namespace that it was mounted in, and libvirt looks for its bridge there. libvirt
 * probes a KVM that can be opened and does not work at every call, so a mount hides it: a read-only one, the
 * only one that refuses root.
 */
const setUp = `
  ip link set dev lo up
  mount -t sysfs sysfs /sys
  mount -t tmpfs tmpfs /run
  mkdir -p /etc/libvirt /var/lib/libvirt /var/log/libvirt /var/cache/libvirt
  mount --bind "$1/etc" /etc/libvirt
  for folder in ${folders.join(' ')}; do mount --bind "$1/$folder" "/var/$folder"; done
  if [ -n "$2" ] && [ -e /dev/kvm ]; then mount --bind "$1/no-kvm" /dev/kvm; mount -o remount,bind,ro /dev/kvm; fi
  : > "$1/held"
  exec sleep infinity`

const qemuSettings = `user = "root"
group = "root"
security_driver = "none"
namespaces = []
cgroup_controllers = []
stdio_handler = "file"
`

/** In Vagrant's own folder, so that the project's Vagrantfile is the one that users have. */
export function writeVagrantSettings(work: string, kvm: boolean): void {
  const emulated = `
    libvirt.driver = "qemu"
    libvirt.cpu_mode = "custom"
    libvirt.cpu_model = "qemu64"
    libvirt.cpu_feature name: "rdrand", policy: "require"`
  const settings = `Vagrant.configure("2") do |config|
  config.ssh.insert_key = false
  config.vm.provider "libvirt" do |libvirt|
    libvirt.volume_cache = "unsafe"${kvm ? '' : emulated}
  end
end
# Debian 12's Vagrant knows VirtualBox up to 7.0. Newer ones drive 7.1 and 7.2 with the class for 7.0.
VagrantPlugins::ProviderVirtualBox::Driver::Meta.prepend(Module.new do
  def read_version = super.sub(/\\A7\\.[12]\\./, "7.0.")
end)
`
  mkdirSync(join(work, 'vagrant'), { recursive: true })
  writeFileSync(join(work, 'vagrant/Vagrantfile'), settings)
}

/**
 * Makes a network and a mount namespace, runs the script in it, and resolves with the command that enters it.
 * The script writes the file `mark` and then sleeps.
 */
export async function hold(script: string, args: readonly string[], mark: string): Promise<string[]> {
  const holder = spawn('unshare', ['--net', '--mount', 'sh', '-ec', script, 'sh', ...args], {
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  await until(
    () => existsSync(mark) || holder.exitCode !== null,
    'the namespaces could not be set up',
    10_000,
  )
  if (holder.exitCode !== null) throw new LabError('the namespaces could not be set up')
  holder.unref() // ends with the process namespace, and must not keep the first process in it from ending
  return ['nsenter', `--target=${holder.pid}`, '--net', '--mount', '--']
}
