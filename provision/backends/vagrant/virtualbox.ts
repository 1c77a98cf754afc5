/**
 * Verdicts on VirtualBox: plain data in, what stands in the way and what to do out.
 *
 * Sources: hashicorp/vagrant CHANGELOG.md (which Vagrant drives which VirtualBox) and
 * plugins/providers/virtualbox/action/network.rb (host-only ranges since VirtualBox 6.1.28; macOS has none
 * from 7.0 on, Windows none at all); the kernel's Documentation/admin-guide/kernel-parameters.txt
 * (kvm.enable_virt_at_load, 6.12).
 */
import type { Verdict } from '../checks.ts'
import { covers } from '../foreign-networks.ts'

/** VirtualBox → the first Vagrant that drives it. Older ones are driven by every Vagrant that is still in use. */
const drivenSince: readonly { virtualBox: readonly number[]; vagrant: readonly number[] }[] = [
  { virtualBox: [7, 2], vagrant: [2, 4, 9] },
  { virtualBox: [7, 1], vagrant: [2, 4, 2] },
  { virtualBox: [7, 0], vagrant: [2, 3, 2] },
]

/**
 * The version that `VBoxManage --version` prints: its last line, after a warning where the kernel modules are
 * missing.
 */
export function versionIn(printed: string | undefined): string | undefined {
  return printed?.trim().split('\n').at(-1)
}

/** `vagrant` and `virtualBox` are versions as the two commands print them: `Vagrant 2.3.4`, `7.2.22r175245`. */
export function versions(vagrant: string, virtualBox: string): Verdict {
  const ours = { vagrant: numbers(vagrant), virtualBox: numbers(virtualBox) }
  const newest = drivenSince[0]?.virtualBox ?? []
  const pair = `Vagrant ${ours.vagrant.join('.')} and VirtualBox ${ours.virtualBox.join('.')}`
  const series = ours.virtualBox.slice(0, 2)
  if (isAtLeast(series, newest) && !isAtLeast(newest, series)) {
    return {
      problem: `${pair}: VirtualBox ${newest.join('.')} is the newest that is known to work`,
      remedy: `if vagrant says that it does not know this version, install VirtualBox ${newest.join('.')}`,
      warning: true,
    }
  }
  const needed = drivenSince.find((each) => isAtLeast(series, each.virtualBox))?.vagrant
  if (needed === undefined || isAtLeast(ours.vagrant, needed)) return { found: pair }
  const driven = drivenSince.find((each) => isAtLeast(ours.vagrant, each.vagrant))?.virtualBox ?? [6, 1]
  return {
    problem: `Vagrant ${ours.vagrant.join('.')} drives VirtualBox up to ${driven.join('.')}, and this is ${ours.virtualBox.join('.')}`,
    remedy: `install Vagrant ${needed.join('.')} or newer (HashiCorp's package; Debian's is older), or VirtualBox ${driven.join('.')}`,
  }
}

const networksConf = '/etc/vbox/networks.conf'

/** `conf`: the text of networks.conf; undefined where the file does not exist. */
export function hostOnlyNetwork(
  network: string,
  version: string,
  platform: string,
  conf: string | undefined,
): Verdict {
  const parts = numbers(version)
  const free = platform === 'win32' || (platform === 'darwin' && isAtLeast(parts, [7, 0, 0]))
  if (free || !isAtLeast(parts, [6, 1, 28])) return { found: 'VirtualBox allows any network here' }
  const ranges = conf === undefined ? ['192.168.56.0/21'] : allowedBy(conf)
  if (ranges.some((range) => covers(network, range))) return { found: `${networksConf} allows ${network}` }
  return {
    problem: `VirtualBox ${version.trim()} allows host-only networks in ${ranges.join(', ') || 'no range'}, and the lab's is ${network}`,
    remedy: `as root: mkdir -p /etc/vbox && echo '* ${network}' >> ${networksConf}`,
  }
}

/** What a Linux host has of VirtualBox's kernel modules. */
export interface Modules {
  /** /dev/vboxdrv: machines run. */
  driver: boolean
  /** /dev/vboxnetctl: host-only networks can be made. */
  networks: boolean
  /** The firmware starts signed kernels alone, and the kernel loads signed modules alone. */
  secureBoot: boolean
}

export function modules({ driver, networks, secureBoot }: Modules): Verdict {
  if (driver && networks) return { found: 'loaded' }
  const load = 'as root: modprobe -a vboxdrv vboxnetflt vboxnetadp'
  if (driver) {
    return { problem: 'there is no /dev/vboxnetctl, and so no host-only network can be made', remedy: load }
  }
  const build =
    "where they are missing: vboxconfig (Oracle's package), or apt-get install virtualbox-dkms linux-headers-$(uname -r)"
  const sign =
    'Secure Boot is on, and the kernel refuses unsigned modules: mokutil --import /var/lib/dkms/mok.pub, reboot and enroll the key; or turn Secure Boot off'
  return {
    problem: 'there is no /dev/vboxdrv: the kernel modules of VirtualBox are not loaded',
    remedy: [load, build, ...(secureBoot ? [sign] : [])].join('; '),
  }
}

/** What the host's own hypervisor does with the CPU's virtualisation. */
export interface KvmModule {
  /** `kvm_intel` or `kvm_amd`; undefined where neither is loaded. */
  name: string | undefined
  /** Number of guests and other users of the module. */
  users: number
  /** The kernel has turned virtualisation on while loading the module (Linux 6.12 and newer). */
  enabledAtLoad: boolean
}

export function kvmBeside({ name, users, enabledAtLoad }: KvmModule): Verdict {
  if (name === undefined) return { found: 'no KVM module is loaded' }
  if (users === 0 && !enabledAtLoad) return { found: `${name} is loaded, and no guest uses it` }
  return {
    problem: `${name} ${users > 0 ? 'is in use' : 'has turned virtualisation on'}, and VirtualBox may then start no machine (VERR_VMX_IN_VMX_ROOT_MODE, VERR_SVM_IN_USE)`,
    remedy: `end the guests of KVM, then as root: modprobe -r ${name}; for good: kvm.enable_virt_at_load=0 on the kernel's command line`,
    warning: true,
  }
}

/** `platform` and `arch` as Node names them; VirtualBox runs guests of its host's architecture alone. */
export function architecture(
  version: string,
  platform: string,
  arch: string,
  boxes: string | undefined,
): Verdict {
  if (arch !== 'arm64') return { found: arch }
  if (platform !== 'darwin') {
    return { problem: `VirtualBox does not run on ${platform} for ${arch}`, remedy: 'use libvirt' }
  }
  if (!isAtLeast(numbers(version), [7, 1, 0])) {
    return {
      problem: `VirtualBox ${version.trim()} runs no machines on Apple silicon`,
      remedy: 'install VirtualBox 7.1 or newer with Vagrant 2.4.2 or newer',
    }
  }
  if (!boxes) return { found: 'Apple silicon, and the default box is made for it' }
  return {
    problem: `Apple silicon runs boxes for arm64 alone, and MULTIHOST_BOX is ${boxes}`,
    remedy:
      'make sure that the box is for arm64 (vagrant box list --machine-readable), or unset MULTIHOST_BOX',
    warning: true,
  }
}

function allowedBy(conf: string): string[] {
  const lines = conf.split('\n').map((line) => line.trim())
  return lines.filter((line) => line.startsWith('*')).flatMap((line) => line.slice(1).trim().split(/\s+/))
}

/** `Vagrant 2.3.4` and `7.2.22_Debianr175245` as [2, 3, 4] and [7, 2, 22]. */
function numbers(version: string): number[] {
  return (/\d+(\.\d+)*/.exec(version)?.[0] ?? '').split('.').map(Number)
}

function isAtLeast(version: readonly number[], least: readonly number[]): boolean {
  const differs = least.findIndex((part, i) => part !== (version[i] ?? 0))
  return differs < 0 || (version[differs] ?? 0) > (least[differs] ?? 0)
}
