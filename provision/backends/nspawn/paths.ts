/**
 * Where a lab of systemd-nspawn hosts lives, and what its parts are called.
 *
 * Everything a lab makes is named in its record (record.ts) before it is made; only what a record names is
 * ever removed. Runtime state is under /run (gone with a reboot, as the kernel objects are), disks under
 * /var/lib on a real file system, images in the cache.
 */
import { join } from 'node:path'
import { folderFrom } from '../../process/folder.ts'

/** Of the path of a host's socket below: names have at most 16 and 13 characters. */
const afterRunRoot = 1 + 16 + '/hosts/'.length + 13 + '/shared/ssh.sock'.length
export const runRoot = folderFrom('MULTIHOST_LAB_RUN', '/run/multihost-lab', 107 - afterRunRoot)
export const diskRoot = folderFrom('MULTIHOST_LAB_DISKS', '/var/lib/multihost-lab')

export interface HostPaths {
  /** Merged root file system, an overlay of the image and `upper`. */
  root: string
  /** Folder that the host sees as /run/host/lab; the control channel's socket is in it. */
  shared: string
  socket: string
  console: string
  disks: string
  namespace: string
  /** nspawn's machine name, unique on this machine. */
  machine: string
  /** Path of the cgroup below each hierarchy's root. */
  cgroup: string
}

export function labPaths(lab: string) {
  const run = join(runRoot, lab)
  return {
    run,
    record: join(run, 'record.json'),
    keys: join(run, 'keys.json'),
    secrets: join(run, 'secrets'),
    disks: join(diskRoot, lab),
    switchNamespace: `mhlab-${lab}-switch`,
    cgroup: `multihost-lab/${lab}`,
    host: (name: string): HostPaths => ({
      root: join(run, 'hosts', name, 'root'),
      shared: join(run, 'hosts', name, 'shared'),
      socket: join(run, 'hosts', name, 'shared', 'ssh.sock'),
      console: join(run, 'hosts', name, 'console.log'),
      disks: join(diskRoot, lab, name),
      namespace: `mhlab-${lab}-${name}`,
      machine: `mhlab-${lab}-${name}`,
      cgroup: `multihost-lab/${lab}/${name}`,
    }),
  }
}
