/**
 * `lab doctor`: the problems of this machine with nspawn hosts.
 */
import { existsSync, readFileSync } from 'node:fs'
import { execa } from 'execa'
import { cacheRoot } from '../../images/cache.ts'
import { defaultEngine } from '../../images/engines.ts'
import { isCached } from '../../images/host-image.ts'
import { debianMirror, unreachable } from '../../images/mirror.ts'
import { missing, nspawnNeeds } from '../../images/this-machine.ts'
import type { Lab } from '../../lab/definition.ts'
import { LabError } from '../../process/errors.ts'
import { type Check, disk, reason } from '../checks.ts'
import { foreignRoute } from '../foreign-networks.ts'
import { cgroupVersion } from './cgroup.ts'
import { hasNetem } from './faults/netem.ts'
import { loadModules } from './modules.ts'
import { diskRoot } from './paths.ts'

export function nspawnChecks(lab: Lab): readonly Check[] {
  return [
    ...machine,
    ...kernel,
    foreignNetwork(lab.network),
    disk('cache', cacheRoot),
    disk('host disks', diskRoot),
    forwardPolicy,
  ]
}

const machine: readonly Check[] = [
  {
    title: 'root',
    async look() {
      if (process.getuid?.() === 0) return { found: 'yes' }
      return { problem: 'nspawn hosts need root', remedy: 'run it with sudo, or use --backend vagrant' }
    },
  },
  {
    title: 'Linux',
    async look() {
      if (process.platform === 'linux') return { found: 'yes' }
      return { problem: `this is ${process.platform}`, remedy: 'use --backend vagrant' }
    },
  },
  {
    title: 'packages',
    async look() {
      const absent = missing(nspawnNeeds)
      if (absent.length === 0) return { found: Object.keys(nspawnNeeds).join(', ') }
      const remedy = `apt-get install -y --no-install-recommends ${absent.join(' ')} (lab up does it)`
      return { problem: `missing: ${absent.join(', ')}`, remedy, warning: true }
    },
  },
  {
    title: 'Debian mirror',
    async look() {
      const mirror = await debianMirror()
      const trouble = await unreachable(`${mirror.replace(/\/$/, '')}/dists/stable/InRelease`)
      if (trouble === undefined) return { found: mirror }
      return {
        problem: `${mirror} does not answer: ${trouble}`,
        remedy: 'repair the network or the proxy of apt, or name another mirror: MULTIHOST_MIRROR',
        warning: isCached(defaultEngine), // a lab can be made without a build
      }
    },
  },
  {
    title: 'cgroups',
    async look() {
      if (!existsSync('/sys/fs/cgroup'))
        return { problem: '/sys/fs/cgroup is not mounted', remedy: 'mount it' }
      return { found: `version ${cgroupVersion()}` }
    },
  },
]

const kernel: readonly Check[] = [
  {
    title: 'kernel: overlayfs',
    async look() {
      if (readFileSync('/proc/filesystems', 'utf8').includes('\toverlay')) return { found: 'yes' }
      const loaded = await execa('modprobe', ['overlay'], { reject: false })
      return loaded.failed
        ? { problem: 'this kernel has no overlayfs', remedy: 'use a kernel that has' }
        : { found: 'module' }
    },
  },
  {
    title: 'kernel: br_netfilter',
    async look() {
      try {
        await loadModules()
        return { found: 'yes' }
      } catch (error) {
        if (!(error instanceof LabError)) throw error
        return { problem: error.message, remedy: error.hint ?? 'use a kernel that has it' }
      }
    },
  },
  ...(['bridge', 'veth', 'vxlan'] as const).map(linkType),
  {
    title: 'kernel: netem',
    async look() {
      return { found: (await hasNetem()) ? 'yes' : 'no: a process delays the frames of a slow host' }
    },
  },
]

function foreignNetwork(network: string): Check {
  return {
    title: `foreign ${network}`,
    async look() {
      const { stdout } = await execa('ip', ['-j', 'route', 'show', 'table', 'main'])
      const foreign = foreignRoute(network, JSON.parse(stdout || '[]'))
      if (!foreign) return { found: 'none' }
      return {
        problem: `this machine routes ${foreign.dst} to ${foreign.dev ?? 'somewhere'}`,
        remedy:
          'nspawn labs have namespaces of their own and work anyway; for --backend vagrant, remove that network first',
        warning: true,
      }
    },
  }
}

const forwardPolicy: Check = {
  title: "FORWARD policy of this machine's own Docker",
  async look() {
    const { stdout } = await execa('iptables', ['-S', 'FORWARD'])
    if (!stdout.includes('-P FORWARD DROP')) return { found: 'does not drop' }
    return {
      problem: 'FORWARD is DROP (Docker sets it)',
      remedy:
        'nspawn labs have a switch in a namespace of their own and work anyway; for VMs on a bridge: iptables -I DOCKER-USER -j ACCEPT',
      warning: true,
    }
  },
}

/** Tries the link type in a namespace that goes away with the command. */
function linkType(type: string): Check {
  const args = type === 'vxlan' ? ['id', '1', 'dstport', '4789'] : []
  return {
    title: `kernel: ${type}`,
    async look() {
      const tried = await execa(
        'unshare',
        ['--net', 'ip', 'link', 'add', 'name', 'try0', 'type', type, ...args],
        { reject: false },
      )
      if (!tried.failed) return { found: 'yes' }
      return {
        problem: reason(tried),
        remedy: `as root; if it is still refused: modprobe ${type}`,
      }
    },
  }
}
