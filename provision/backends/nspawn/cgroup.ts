/**
 * One cgroup per lab host, in every hierarchy of a cgroup v1 machine or in the one of a v2 machine.
 *
 * It keeps the hosts' containers apart (all engines make a group of the same name) and it is how every
 * process of a host is found when the host has to go, also when the process has lost its parents. Source:
 * cgroups(7).
 */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  statfsSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { killAll } from '../../process/kill.ts'
import { unlessGone } from '../../process/unless-gone.ts'
import { until } from '../../process/until.ts'

const mountPoint = '/sys/fs/cgroup'
const cgroup2Magic = 0x63677270

export function cgroupVersion(): 1 | 2 {
  return statfsSync(mountPoint).type === cgroup2Magic ? 2 : 1
}

/** The cgroup's folder in each hierarchy. */
export function cgroupFolders(path: string): string[] {
  if (cgroupVersion() === 2) return [join(mountPoint, path)]
  return readdirSync(mountPoint, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && existsSync(join(mountPoint, entry.name, 'cgroup.procs')))
    .map((entry) => join(mountPoint, entry.name, path))
}

/** Makes the group and its parents. A cpuset is empty when new, and nothing runs in an empty one. */
export function makeCgroup(path: string): void {
  for (const folder of cgroupFolders(path)) {
    const root = folder.slice(0, -path.length)
    let parent = root
    for (const part of path.split('/')) {
      const child = join(parent, part)
      mkdirSync(child, { recursive: true })
      if (cgroupVersion() === 2) delegate(parent)
      for (const file of ['cpuset.cpus', 'cpuset.mems']) {
        if (cgroupVersion() === 1 && existsSync(join(child, file))) {
          writeFileSync(join(child, file), readFileSync(join(parent, file)))
        }
      }
      parent = child
    }
  }
}

/** Passes the controllers that the parent has on to its children. */
function delegate(parent: string): void {
  const controllers = readFileSync(join(parent, 'cgroup.controllers'), 'utf8')
    .trim()
    .split(' ')
    .filter(Boolean)
  writeFileSync(join(parent, 'cgroup.subtree_control'), controllers.map((each) => `+${each}`).join(' '))
}

/** All processes in the group and below it. */
export function processesIn(path: string): number[] {
  const pids = cgroupFolders(path)
    .flatMap((folder) => tree(folder))
    .flatMap((folder) => lines(join(folder, 'cgroup.procs')))
  return [...new Set(pids.map(Number))]
}

/** Ends every process of the group. */
export function killCgroup(path: string): Promise<void> {
  return killAll(async () => processesIn(path), path)
}

/**
 * Removes the emptied group; the kernel may hold one for a moment after its last process. Each attempt lists
 * the groups below anew: a program that was just ending may have made one.
 */
export async function removeCgroup(path: string): Promise<void> {
  for (const folder of cgroupFolders(path)) {
    const isGone = () => tree(folder).reverse().map(removed).every(Boolean)
    await until(isGone, `cgroup ${folder} cannot be removed: busy`, 30_000)
  }
}

/**
 * Removes the parent of all labs' groups unless it has one. A lab whose record is in another folder may be
 * up: groups of its hosts that happen to be empty are not to go.
 */
export function removeSharedCgroup(): void {
  cgroupFolders('multihost-lab').forEach(removed)
}

function removed(folder: string): boolean {
  try {
    rmdirSync(folder)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT'
  }
}

/** The folder and all below it, parents first; without those that go meanwhile. */
function tree(folder: string): string[] {
  const below = unlessGone(() => readdirSync(folder, { withFileTypes: true }))
  if (below === undefined) return []
  const folders = below.filter((entry) => entry.isDirectory())
  return [folder, ...folders.flatMap((entry) => tree(join(folder, entry.name)))]
}

const lines = (file: string): string[] =>
  unlessGone(() => readFileSync(file, 'utf8'))
    ?.split('\n')
    .filter(Boolean) ?? []
