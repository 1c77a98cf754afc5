/**
 * Verdicts on Vagrant, its provider and what every provider needs: plain data in, what stands in the way and
 * what to do out. Those on VirtualBox itself are in virtualbox.ts.
 *
 * Source: vagrant-libvirt's create_networks.rb.
 */
import type { Verdict } from '../checks.ts'
import { holders, type Interface, isLabs } from '../foreign-networks.ts'

export type Provider = 'virtualbox' | 'libvirt'

/** What the tools print; undefined where there is no such tool. */
export interface Tools {
  vagrant: string | undefined
  plugins: string
  virtualBox: string | undefined
  /** VAGRANT_DEFAULT_PROVIDER. */
  wanted: string | undefined
  /** MULTIHOST_BOX: `BOX`, `PROVIDER=BOX`, or several with commas between. */
  boxes: string | undefined
}

const debianLibvirt =
  'apt-get install -y --no-install-recommends vagrant vagrant-libvirt libvirt-daemon-system qemu-system-x86 qemu-utils dnsmasq-base'

export function vagrantItself({ vagrant }: Tools): Verdict {
  if (vagrant !== undefined) return { found: vagrant.trim() }
  return {
    problem: 'there is no vagrant in PATH',
    remedy: `install it with a provider; on Debian: ${debianLibvirt}`,
  }
}

/** The provider that Vagrant takes: VAGRANT_DEFAULT_PROVIDER, or VirtualBox, or libvirt. */
export function provider({ virtualBox, plugins, wanted, boxes }: Tools): {
  name?: Provider
  verdict: Verdict
} {
  const has: Record<Provider, boolean> = {
    virtualbox: virtualBox !== undefined,
    libvirt: /^vagrant-libvirt \(/m.test(plugins),
  }
  const remedy: Record<Provider, string> = {
    virtualbox: 'install VirtualBox, or unset VAGRANT_DEFAULT_PROVIDER',
    libvirt: `vagrant plugin install vagrant-libvirt; on Debian: ${debianLibvirt}`,
  }
  if (wanted && wanted !== 'virtualbox' && wanted !== 'libvirt') {
    // A word without a provider is the box of every provider.
    const isForAll = (word: string): boolean => word !== '' && !/^[^/]*=/.test(word)
    const hasBox = boxes?.split(',').some((word) => word.startsWith(`${wanted}=`) || isForAll(word))
    if (hasBox) return { verdict: { found: `${wanted}, with a box of MULTIHOST_BOX; not examined further` } }
    const problem = `VAGRANT_DEFAULT_PROVIDER is ${wanted}, and the Vagrantfile has boxes for virtualbox and libvirt`
    const remedy = `set it to one of them, unset it, or name a box: MULTIHOST_BOX=${wanted}=BOX`
    return { verdict: { problem, remedy } }
  }
  const name =
    (wanted as Provider | '' | undefined) || (has.virtualbox || !has.libvirt ? 'virtualbox' : 'libvirt')
  if (has[name]) return { name, verdict: { found: name } }
  if (wanted)
    return {
      verdict: {
        problem: `VAGRANT_DEFAULT_PROVIDER is ${name}, and this machine does not have it`,
        remedy: remedy[name],
      },
    }
  return {
    verdict: {
      problem: 'there is neither VirtualBox nor the plugin vagrant-libvirt',
      remedy: `install VirtualBox, or ${remedy.libvirt}`,
    },
  }
}

export function libvirt(socket: 'yes' | 'denied' | 'absent'): Verdict {
  if (socket === 'yes') return { found: 'answers' }
  return socket === 'absent'
    ? { problem: 'libvirtd does not run', remedy: 'systemctl enable --now libvirtd' }
    : { problem: 'libvirt does not let you in', remedy: 'usermod -aG libvirt $USER, then log in again' }
}

export interface Kvm {
  device: 'yes' | 'denied' | 'absent'
  /** The CPU shows vmx or svm. */
  extensions: boolean
  /** This machine is a virtual one itself. */
  isGuest: boolean
  /** Whether a tiny guest ran. */
  guest: 'runs' | 'slow' | 'fails' | 'not tried'
}

/** Ends qemu's isa-debug-exit with (16 << 1) | 1: mov al, 16; mov dx, 0x501; out dx, al; hlt. */
export const bootSector = {
  content: Buffer.concat([
    Buffer.from('b010ba0105eef4', 'hex'),
    Buffer.alloc(503),
    Buffer.from('55aa', 'hex'),
  ]),
  exitCode: 33,
}

const nested = 'this machine is a virtual one: let its own hypervisor pass virtualisation on (nested)'
const emulation =
  'or emulate, which takes minutes: docs/vms.md shows the settings; or use --backend nspawn, which needs none'

export function kvm({ device, extensions, isGuest, guest }: Kvm, name: Provider): Verdict {
  const remedy = isGuest ? `${nested}; ${emulation}` : `enable virtualisation in the firmware; ${emulation}`
  if (guest === 'runs') return { found: 'KVM runs a guest' }
  if (guest === 'slow')
    return { problem: 'KVM takes more than 5 s for the first instruction of a guest', remedy }
  if (guest === 'fails') return { problem: 'KVM does not run a guest', remedy }
  if (name === 'libvirt' && device === 'denied')
    return { problem: '/dev/kvm does not let you in', remedy: 'usermod -aG kvm $USER, then log in again' }
  if (!extensions) return { problem: 'this CPU shows neither vmx nor svm', remedy }
  if (name === 'libvirt' && device === 'absent')
    return { problem: 'there is no /dev/kvm', remedy: `modprobe kvm_intel, or kvm_amd; ${emulation}` }
  return { found: 'the CPU has it' }
}

/** A bridge of the provider with exactly this network is the lab's, or the provider uses it for the lab. */
export function labNetwork(network: string, interfaces: readonly Interface[], name: Provider): Verdict {
  const own = name === 'libvirt' ? /^virbr/ : /^vboxnet/
  const foreign = holders(network, interfaces).find(
    (each) => !(own.test(each.name) && isLabs(network, each.address)),
  )
  if (!foreign) return { found: `no other interface has addresses of ${network}` }
  return {
    problem: `${foreign.name} has ${foreign.address}, and the lab's network is ${network}`,
    remedy: `${removal(foreign.name)}, or choose another network in provision/lab.json`,
  }
}

function removal(device: string): string {
  if (device.startsWith('vboxnet')) return `VBoxManage hostonlyif remove ${device}`
  if (device.startsWith('virbr')) return `virsh net-list, and virsh net-destroy the one of ${device}`
  if (device.startsWith('br-') || device === 'docker0')
    return 'remove that network of Docker (docker network ls)'
  return `take ${device} down while the machines run`
}

const defaultMiB = 1024
/** What QEMU or VirtualBox uses beside each machine's own memory. */
const overheadMiB = 150

/** `idle`: the machines that do not run yet; `sizes`: MULTIHOST_MEMORY, `1024,net-1=4096`. */
export function memory(freeBytes: number, idle: readonly string[], sizes: string | undefined): Verdict {
  const words = (sizes ?? '').split(',').map((word) => word.split('='))
  const all = Number(words.find((word) => word.length === 1 && word[0] !== '')?.[0] ?? defaultMiB)
  const sizeOf = (name: string) =>
    Number(words.find((word) => word.length === 2 && word[0] === name)?.[1] ?? all)
  const needed = idle.map((name) => sizeOf(name) + overheadMiB).reduce((sum, size) => sum + size, 0)
  const free = Math.floor(freeBytes / 2 ** 20)
  if (idle.length === 0) return { found: 'all machines run' }
  if (free >= needed) return { found: `${free} MiB free, ${needed} needed` }
  return {
    problem: `${free} MiB free, and ${idle.join(', ')} need ${needed}`,
    remedy: 'end something, or give the machines less: MULTIHOST_MEMORY=768',
  }
}
