/**
 * `lab doctor`: what people stumble over on this machine, and what to do about each.
 */
import { existsSync, readFileSync, statfsSync } from 'node:fs'
import { dirname } from 'node:path'
import { execa } from 'execa'
import { Address4 } from 'ip-address'
import { missing, nspawnNeeds } from './debian.ts'
import { network } from './hosts.ts'
import { cgroupVersion } from './nspawn/cgroup.ts'
import { cacheRoot, diskRoot } from './nspawn/paths.ts'

interface Check {
  title: string
  /** What is found (when fine), or a problem with its remedy. `warning`: the lab may still work. */
  look(): Promise<{ found: string } | { problem: string; remedy: string; warning?: boolean }>
}

const neededBytes = 4 * 2 ** 30

const checks: Check[] = [
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
    title: 'cgroups',
    async look() {
      if (!existsSync('/sys/fs/cgroup'))
        return { problem: '/sys/fs/cgroup is not mounted', remedy: 'mount it' }
      return { found: `version ${cgroupVersion()}` }
    },
  },
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
  ...(['bridge', 'veth', 'vxlan'] as const).map(linkType),
  {
    title: `foreign ${network}`,
    async look() {
      const { stdout } = await execa('ip', ['-j', 'route', 'show', 'table', 'main'])
      const foreign = foreignRoute(JSON.parse(stdout || '[]'))
      if (!foreign) return { found: 'none' }
      return {
        problem: `this machine routes ${foreign.dst} to ${foreign.dev ?? 'somewhere'}`,
        remedy:
          'nspawn labs live in namespaces and do not mind; --backend vagrant does: remove that network first',
        warning: true,
      }
    },
  },
  disk('cache', cacheRoot),
  disk('host disks', diskRoot),
  {
    title: "FORWARD policy of this machine's own Docker",
    async look() {
      const { stdout } = await execa('iptables', ['-S', 'FORWARD'])
      if (!stdout.includes('-P FORWARD DROP')) return { found: 'does not drop' }
      return {
        problem: 'FORWARD is DROP (Docker sets it)',
        remedy:
          'nspawn labs switch in a namespace of their own and do not mind; for VMs on a bridge: iptables -I DOCKER-USER -j ACCEPT',
        warning: true,
      }
    },
  },
]

/** Prints a line per check; resolves with whether the lab can be made. */
export async function doctor(say: (line: string) => void): Promise<boolean> {
  let well = true
  for (const { title, look } of checks) {
    const seen = await look().catch((error) => ({
      problem: `cannot be told: ${reason(error)}`,
      remedy: 'run it as root, with the packages installed',
      warning: true,
    }))
    if ('found' in seen) {
      say(`ok       ${title}: ${seen.found}`)
      continue
    }
    if (!seen.warning) well = false
    say(`${seen.warning ? 'warning ' : 'PROBLEM '} ${title}: ${seen.problem}\n         → ${seen.remedy}`)
  }
  return well
}

/** The first route, the default one aside, that shares addresses with the lab's network. */
export function foreignRoute(routes: readonly { dst: string; dev?: string }[]) {
  const lab = new Address4(network)
  return routes.find(({ dst }) => {
    if (!Address4.isValid(dst) || dst.endsWith('/0')) return false
    const route = new Address4(dst)
    return route.isInSubnet(lab) || lab.isInSubnet(route)
  })
}

/** The tool's own last word; `ENOENT` where there is no such tool. */
function reason(error: unknown): string {
  const { stderr, code, message } = error as { stderr?: string; code?: string; message: string }
  return stderr?.trim().split('\n').at(-1) || code || message
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

function disk(title: string, folder: string): Check {
  return {
    title: `disk for the ${title}`,
    async look() {
      const at = nearest(folder)
      const { bavail, bsize } = statfsSync(at)
      const free = bavail * bsize
      if (free >= neededBytes) return { found: `${(free / 2 ** 30).toFixed(0)} GiB free at ${at}` }
      return {
        problem: `${(free / 2 ** 30).toFixed(1)} GiB free at ${at}, and 4 are needed`,
        remedy: 'make room',
      }
    },
  }
}

function nearest(folder: string): string {
  return existsSync(folder) ? folder : nearest(dirname(folder))
}
