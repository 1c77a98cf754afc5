/**
 * One lab host: a systemd-nspawn container with systemd as PID 1, in a network namespace that exists already.
 *
 * Root: the image below, a folder of the host's above (overlayfs). Docker's data is bound from a real file
 * system, since overlay2 does not work on an overlay. The host outlives this process: its cgroup and its
 * control socket find it again, and its cgroup ends it. Source: systemd-nspawn(1), and systemd's
 * doc/ENVIRONMENT.md for the variables of cgroup v1 machines.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import type { Image } from '../../images/host-image.ts'
import { hostsFileLines, type Lab } from '../../lab/definition.ts'
import { LabError, messageOf } from '../../process/errors.ts'
import { checkInterrupted } from '../../process/interruption.ts'
import { mounts } from '../../process/mounts.ts'
import { run } from '../../process/run.ts'
import { poll } from '../../process/until.ts'
import { type Connection, connect } from '../../ssh/connection.ts'
import { cgroupFolders, cgroupVersion, killCgroup, makeCgroup, processesIn, removeCgroup } from './cgroup.ts'
import type { LabKeys } from './keys.ts'
import { type HostPaths, labPaths } from './paths.ts'

/** Seven hosts that boot at once share the machine's cores. */
const bootDeadlineMs = 90_000

/** Makes and boots the host, which must not exist; resolves when its control channel answers. */
export async function bootMachine(
  of: { name: string; lab: Lab },
  name: string,
  image: Image & { files?: Readonly<Record<string, string>> },
  keys: LabKeys,
): Promise<void> {
  const paths = labPaths(of.name).host(name)
  const [upper, work] = [join(paths.disks, 'upper'), join(paths.disks, 'work')]
  const [docker, containerd] = [join(paths.disks, 'docker'), join(paths.disks, 'containerd')]
  for (const folder of [paths.root, paths.shared, upper, work, docker, containerd])
    mkdirSync(folder, { recursive: true })
  const layers = `lowerdir=${image.root},upperdir=${upper},workdir=${work}`
  for (const [path, from] of Object.entries(image.files ?? {})) await placeFile(from, join(upper, path))
  await run('mount', ['-t', 'overlay', 'overlay', '-o', layers, paths.root])
  if (existsSync(image.docker)) await fillDocker(image.docker, docker)
  writeIdentity(paths.root, of.lab, name, keys)
  await startMachine(of.name, name, keys)
}

/** Starts a host whose disks are there; resolves when its control channel answers. */
export async function startMachine(lab: string, name: string, keys: LabKeys): Promise<void> {
  const paths = labPaths(lab).host(name)
  for (const group of [launcherGroup(paths), machineGroup(paths)]) makeCgroup(group)
  const binds = [
    `--bind=${join(paths.disks, 'docker')}:/var/lib/docker`,
    `--bind=${join(paths.disks, 'containerd')}:/var/lib/containerd`,
    `--bind=${paths.shared}:/run/host/lab`,
  ]
  checkInterrupted()
  const nspawn = launch(paths, [`--hostname=${name}`, ...binds])
  const connection = await untilAnswers(
    lab,
    name,
    keys,
    () => nspawn.exitCode === null && nspawn.signalCode === null,
  )
  connection.close()
}

/**
 * `running`; `absent`; or `broken`: its nspawn was killed, which leaves the guest without a parent that could
 * reboot it, or its network namespace is no longer the lab's.
 */
export function machineState(lab: string, name: string): 'running' | 'broken' | 'absent' {
  const paths = labPaths(lab).host(name)
  if (processesIn(paths.cgroup).length === 0) return 'absent'
  return processesIn(launcherGroup(paths)).length > 0 && isPluggedIn(paths) ? 'running' : 'broken'
}

function isPluggedIn(paths: HostPaths): boolean {
  const named = statSync(`/run/netns/${paths.namespace}`, { throwIfNoEntry: false })
  if (!named) return false
  return processesIn(machineGroup(paths)).some((pid) => namespaceOf(pid) === named.ino)
}

/** Inode of the process's network namespace; undefined for a process that has ended: ENOENT, ESRCH or EACCES. */
function namespaceOf(pid: number): number | undefined {
  try {
    return statSync(`/proc/${pid}/ns/net`).ino
  } catch {
    return undefined
  }
}

/** Connects to the host's control channel. */
export function connectMachine(lab: string, name: string, keys: LabKeys): Promise<Connection> {
  const { socket } = labPaths(lab).host(name)
  const hostKey = keys.hosts[name]?.public
  if (hostKey === undefined) throw new LabError(`the lab has no key of host ${name}`)
  return connect({
    name,
    at: { socket },
    user: 'root',
    privateKey: keys.client.private,
    pinned: { hostKeys: [keyBlob(hostKey)], in: labPaths(lab).keys },
  })
}

/** Ends the host at once, as a power failure does; its disks stay. */
export async function stopMachine(lab: string, name: string): Promise<void> {
  const paths = labPaths(lab).host(name)
  await killCgroup(paths.cgroup)
  await removeCgroup(paths.cgroup)
  rmSync(paths.socket, { force: true })
}

/** Ends the host at once, without a shutdown, and removes its disks. */
export async function removeMachine(lab: string, name: string): Promise<void> {
  const paths = labPaths(lab).host(name)
  await killCgroup(paths.cgroup)
  await unmountBelow(join(labPaths(lab).run, 'hosts', name))
  await removeCgroup(paths.cgroup)
  for (const folder of [paths.disks, join(labPaths(lab).run, 'hosts', name)]) {
    // A mount that is left must not be emptied.
    await run('rm', ['-rf', '--one-file-system', folder])
  }
}

/** Unmounts everything below a folder, the deepest first. */
async function unmountBelow(folder: string): Promise<void> {
  const points = mounts().flatMap(({ point }) => (point.startsWith(`${folder}/`) ? [point] : []))
  for (const point of points.reverse()) await run('umount', [point])
}

/** Puts a program into the host's own layer: by a hard link where one file system has both. */
async function placeFile(from: string, to: string): Promise<void> {
  mkdirSync(dirname(to), { recursive: true })
  await run('cp', [statSync(from).dev === statSync(dirname(to)).dev ? '-lL' : '-L', from, to])
}

/** Layers are linked, since Docker never changes them in place; the rest is small and copied. */
async function fillDocker(template: string, docker: string): Promise<void> {
  // Hard links need one file system.
  const linked = statSync(template).dev === statSync(docker).dev
  await run('cp', [linked ? '-al' : '-a', join(template, 'overlay2'), docker])
  await run('cp', ['-a', join(template, 'image'), docker])
}

function writeIdentity(root: string, lab: Lab, name: string, keys: LabKeys): void {
  const host = keys.hosts[name]
  const put = (path: string, content: string, mode = 0o644) => {
    const file = join(root, path)
    mkdirSync(join(file, '..'), { recursive: true })
    writeFileSync(file, content, { mode })
    chmodSync(file, mode)
  }
  put('etc/hostname', `${name}\n`)
  put(
    'etc/hosts',
    ['127.0.0.1\tlocalhost', '::1\tlocalhost ip6-localhost', ...hostsFileLines(lab), ''].join('\n'),
  )
  put('etc/machine-id', `${randomBytes(16).toString('hex')}\n`)
  put('etc/resolv.conf', '')
  put('etc/ssh/ssh_host_ed25519_key', host?.private ?? '', 0o600)
  put('etc/ssh/ssh_host_ed25519_key.pub', `${host?.public ?? ''}\n`)
  put('root/.ssh/authorized_keys', `${keys.client.public}\n`, 0o600)
  put('home/vagrant/.ssh/authorized_keys', `${keys.client.public}\n`)
}

/**
 * nspawn runs with mounts of its own, with a tmpfs for its folder: its locks end with it, and the host can
 * reboot where /run is on a disk (nspawn refuses to empty a folder there).
 */
const privateMounts = ['unshare', '--mount', '--propagation', 'private', 'sh', '-c']
const ownFolder = 'mkdir -p /run/systemd/nspawn && mount -t tmpfs tmpfs /run/systemd/nspawn'
/** With --keep-unit nspawn exits with 133 when its host reboots; the caller starts it again. */
const relaunching = `${ownFolder} && while :; do "$@"; code=$?; [ $code = 133 ] || exit $code; done`

/** The launcher's group is beside the machine's: a cgroup v2 with child groups cannot contain processes. */
function launcherGroup(paths: HostPaths): string {
  return join(paths.cgroup, 'launcher')
}

function machineGroup(paths: HostPaths): string {
  return join(paths.cgroup, 'machine')
}

/**
 * A shell script that enters the cgroup before it goes on. Moved from outside, its first children could be
 * left out.
 */
function joining(cgroup: string, then: string): string {
  const files = cgroupFolders(cgroup).map((folder) => join(folder, 'cgroup.procs'))
  return `for f in ${files.join(' ')}; do echo $$ > "$f"; done; ${then}`
}

function launch(paths: HostPaths, extra: string[]): ChildProcess {
  const legacy = cgroupVersion() === 1
  const boot = [paths.machine, 'sh', '-c', joining(machineGroup(paths), 'exec "$@"'), paths.machine]
  const nspawn = [
    'systemd-nspawn',
    '--quiet',
    '--boot',
    '--register=no',
    '--keep-unit',
    '--console=pipe',
    '--link-journal=no',
    '--resolv-conf=off',
    '--timezone=off',
    '--capability=all',
    '--drop-capability=CAP_SYS_TIME', // a host must not set the machine's clock
    '--system-call-filter=@keyring bpf',
    `--machine=${paths.machine}`,
    `--directory=${paths.root}`,
    `--network-namespace-path=/run/netns/${paths.namespace}`,
    ...(legacy ? ['--setenv=SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1'] : []),
    ...extra,
  ]
  const [file = '', ...args] = [
    ...privateMounts,
    joining(launcherGroup(paths), relaunching),
    ...boot,
    ...nspawn,
  ]
  const log = openSync(paths.console, 'a')
  const env = legacy ? { SYSTEMD_NSPAWN_UNIFIED_HIERARCHY: '0', SYSTEMD_NSPAWN_USE_CGNS: '1' } : {}
  const child = spawn(file, args, {
    detached: true, // Ctrl-C in the terminal must reach the runner alone
    stdio: ['ignore', log, log],
    env: { PATH: process.env.PATH ?? '/usr/sbin:/usr/bin:/sbin:/bin', ...env },
  })
  child.unref()
  closeSync(log)
  return child
}

async function untilAnswers(
  lab: string,
  name: string,
  keys: LabKeys,
  runs: () => boolean,
): Promise<Connection> {
  const paths = labPaths(lab).host(name)
  let last = 'its control channel never appeared'
  const look = async () => {
    if (!runs()) return 'ended'
    if (!existsSync(paths.socket)) return undefined
    try {
      return await connectMachine(lab, name, keys)
    } catch (error) {
      last = messageOf(error)
      return undefined
    }
  }
  const { value } = await poll(look, bootDeadlineMs, 20)
  if (value !== undefined && value !== 'ended') return value
  const console = existsSync(paths.console)
    ? readFileSync(paths.console, 'utf8').trim().split('\n').slice(-5)
    : []
  throw new LabError(`${name} did not boot: ${last}`, { hint: console.join('\n  ') })
}

function keyBlob(publicKey: string): string {
  return publicKey.split(' ')[1] ?? ''
}
