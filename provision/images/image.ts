/**
 * What the hosts boot from, built once and kept in the cache: a Debian root per engine, the container image
 * of the walkthrough, and a Docker data folder that has the image in it already.
 *
 * Each is named after its recipe's hash: a changed recipe is another image, and the old one is removed. It is
 * built under another name and renamed when whole, so a build that was cut off leaves nothing that looks done.
 */
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { cacheRoot } from '../backends/nspawn/paths.ts'
import { LabError, unknown } from '../process/errors.ts'
import { checkInterrupted } from '../process/interruption.ts'
import { ownNamespaces, run } from '../process/run.ts'
import { debianMirror } from './packages.ts'

interface Recipe {
  /** Debian release of the root. */
  suite: string
  /** Packages of that release that make the engine. */
  packages: string[]
  /** Packages that come from another release, pinned. */
  pinned?: { release: string; packages: string[] }
}

export const engines = ['20.10', '26', '28'] as const
export type Engine = (typeof engines)[number]
const engineTable: Record<Engine, Recipe> = {
  '20.10': { suite: 'bookworm', packages: ['docker.io'] },
  '26': { suite: 'trixie', packages: ['docker.io', 'docker-cli'] },
  '28': {
    suite: 'trixie',
    packages: ['docker.io', 'docker-cli'],
    pinned: { release: 'sid', packages: ['docker.io', 'docker-cli', 'containerd', 'runc'] },
  },
}
export const defaultEngine: Engine = '26'

const hostPackages =
  `systemd systemd-sysv dbus udev openssh-server sudo ca-certificates nodejs consul iproute2
  iptables nftables iputils-ping procps tcpdump iperf3 curl jq less nano`.split(/\s+/)
const containerPackages = ['iproute2', 'iputils-ping', 'iperf3', 'tcpdump']
/** Units that a lab host has no use for, or that provisioning enables when it is their turn. */
const unwanted =
  `apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service
  fstrim.timer console-getty.service systemd-networkd.service ldconfig.service`.split(/\s+/)
const disabled = ['docker.service', 'docker.socket', 'containerd.service', 'consul.service']

const aptOptions = [
  'Acquire::Check-Valid-Until "false"', // a mirror may be a snapshot past its date
  'Acquire::Retries "2"',
  'Acquire::http::Timeout "20"',
].flatMap((option) => ['--aptopt', option])
const withoutDocs = ['doc', 'man', 'locale', 'info'].flatMap((folder) => [
  '--dpkgopt',
  `path-exclude=/usr/share/${folder}/*`,
])

export function checkEngine(engine: string): void {
  if (!engines.some((each) => each === engine)) throw unknown('engine', engine, engines)
}

export interface Image {
  /** Read-only lower folder of every host's root. */
  root: string
  /** `overlay2` and `image` of /var/lib/docker, with `debian:13` in them. */
  docker: string
}

/** What is built already, or `undefined`. */
export function cachedImage(engine: string): Image | undefined {
  const image = imagePaths(engine)
  return existsSync(image.root) && existsSync(image.docker) ? image : undefined
}

export function imagePaths(engine: string): Image {
  const recipe = hash([recipeOf(engine), sources()])
  return {
    root: join(cacheRoot, `root-${engine}-${recipe}`),
    docker: join(cacheRoot, `docker-${engine}-${recipe}`),
  }
}

/** All that the engines need, together. When one build fails the others are cut off, since they would be for nothing. */
export async function buildImages(engines: readonly string[]): Promise<void> {
  const failure = new AbortController()
  const fail = (error: unknown) => failure.abort(error)
  const builds = engines.map((engine) => buildRoot(engine, failure.signal))
  if (engines.some((engine) => !cachedImage(engine))) builds.push(buildContainer(failure.signal))
  await Promise.all(builds.map((build) => build.catch(fail)))
  failure.signal.throwIfAborted()
}

async function buildRoot(engine: string, signal: AbortSignal): Promise<void> {
  const { root } = imagePaths(engine)
  await cached(root, async (part) => {
    const { suite, packages, pinned } = recipeOf(engine)
    const pins = [{ release: 'bullseye', packages: ['consul'] }, ...(pinned ? [pinned] : [])]
    const preferences = `${part}.pins`
    writeFileSync(preferences, pins.map(preference).join('\n'))
    const mirror = await debianMirror()
    const sources = [suite, ...pins.map((pin) => pin.release)].map(
      (release) => `deb ${mirror} ${release} main`,
    )
    const hooks = [
      [
        '--setup-hook',
        `mkdir -p "$1"/etc/apt/preferences.d && cp ${preferences} "$1"/etc/apt/preferences.d/lab`,
      ],
      ['--customize-hook', `cp -r ${fileURLToPath(new URL('rootfs', import.meta.url))}/. "$1"/`],
      [
        '--customize-hook',
        'chmod 0440 "$1"/etc/sudoers.d/vagrant; chown -R 0:0 "$1"/etc/sudoers.d "$1"/etc/ssh/sshd_config.d "$1"/etc/systemd/system',
      ],
      ['--customize-hook', 'chroot "$1" useradd --create-home --shell /bin/bash --groups sudo vagrant'],
      ['--customize-hook', `chroot "$1" systemctl --quiet mask ${unwanted.join(' ')}`],
      ['--customize-hook', `chroot "$1" systemctl --quiet disable ${disabled.join(' ')}`],
      [
        '--customize-hook',
        'chroot "$1" systemctl --quiet enable ssh.service lab-writable.service lab-ssh.socket',
      ],
      ['--customize-hook', 'rm -f "$1"/etc/ssh/ssh_host_*'],
    ].flat()
    const include = `--include=${[...hostPackages, ...packages].join(',')}`
    await mmdebstrap(
      part,
      [...aptOptions, ...withoutDocs, ...hooks, include, suite, part, ...sources],
      signal,
    )
    rmSync(preferences)
  })
}

/** The walkthrough's container image as a tar for `docker import`: Debian 13 with ip, ping, iperf3 and tcpdump. */
export async function buildContainerImage(): Promise<string> {
  await buildContainer()
  return containerFile()
}

function containerFile(): string {
  return join(cacheRoot, `container-${hash(containerPackages)}.tar`)
}

async function buildContainer(signal?: AbortSignal): Promise<void> {
  await cached(containerFile(), async (part) => {
    const include = `--include=${containerPackages.join(',')}`
    const source = `deb ${await debianMirror()} trixie main`
    await mmdebstrap(
      part,
      [...aptOptions, ...withoutDocs, '--format=tar', include, 'trixie', part, source],
      signal,
    )
  })
}

/** Runs `make` for a file or folder that is not there yet; older versions of it go. */
export async function cached(path: string, make: (part: string) => Promise<void>): Promise<void> {
  if (existsSync(path)) return
  mkdirSync(cacheRoot, { recursive: true })
  const part = `${path}.part-${process.pid}`
  try {
    await make(part)
    if (!existsSync(path)) renameSync(part, path)
  } finally {
    rmSync(part, { recursive: true, force: true })
    for (const beside of ['pins', 'tmp']) rmSync(`${part}.${beside}`, { recursive: true, force: true })
  }
  for (const old of siblings(path)) if (!inUse(old)) rmSync(old, { recursive: true, force: true })
}

/** Builds that were cut off: their process is gone. */
export function removeCutOffBuilds(): string[] {
  if (!existsSync(cacheRoot)) return []
  const cut = readdirSync(cacheRoot).filter((name) => {
    const pid = /\.part-(\d+)(\.pins|\.tmp)?$/.exec(name)?.[1]
    return pid !== undefined && !existsSync(`/proc/${pid}`)
  })
  for (const name of cut) rmSync(join(cacheRoot, name), { recursive: true, force: true })
  return cut
}

/** In namespaces of its own and tied to this process's life: cut off, it leaves no mount and no process. */
async function mmdebstrap(part: string, args: string[], signal?: AbortSignal): Promise<void> {
  // When it fails it signals its process group, which must not be ours.
  const tied = [...ownNamespaces, 'setsid']
  // Beside the part, where what a killed build left is found and removed.
  const temporary = `${part}.tmp`
  mkdirSync(temporary, { recursive: true })
  const build = ['env', `TMPDIR=${temporary}`, 'mmdebstrap', '--variant=minbase', '--mode=root', ...args]
  try {
    await run('setpriv', [...tied, ...build], { signal })
  } catch (error) {
    checkInterrupted()
    const said =
      error instanceof Error
        ? String((error.cause as { stderr?: string } | undefined)?.stderr ?? error.message)
        : String(error)
    throw new LabError(`the image could not be built: ${await buildProblem(said)}`, {
      hint: 'once that is mended, run it again; `npm run lab -- doctor` looks at this machine',
      cause: error,
    })
  }
}

/** What apt and mmdebstrap say at length, in a few words. */
async function buildProblem(said: string): Promise<string> {
  if (/No space left on device|not have enough free space|statvfs|write error/i.test(said))
    return `the disk of ${cacheRoot} is full`
  const unreachable =
    /(Could not connect|Could not resolve|Connection failed|Unable to connect|Temporary failure|Could not wait|timed out)[^\n]*/.exec(
      said,
    )?.[0]
  if (unreachable) return `the mirror ${await debianMirror()} does not answer: ${unreachable}`
  return (
    said
      .trim()
      .split('\n')
      .filter((line) => /^[EW]:/.test(line))
      .slice(0, 3)
      .join('; ') || said.slice(-300)
  )
}

function recipeOf(engine: string): Recipe {
  checkEngine(engine)
  return engineTable[engine as Engine]
}

function preference(pin: { release: string; packages: string[] }): string {
  return [
    `Package: *\nPin: release n=${pin.release}\nPin-Priority: 1\n`,
    `Package: ${pin.packages.join(' ')}\nPin: release n=${pin.release}\nPin-Priority: 990\n`,
  ].join('\n')
}

function hash(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 10)
}

/** The recipe is this file and the files in rootfs/. */
function sources(): string[] {
  const folder = fileURLToPath(new URL('rootfs', import.meta.url))
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  )
  const paths = files.map((entry) => join(entry.parentPath, entry.name)).sort()
  return [fileURLToPath(import.meta.url), ...paths].map((path) => readFileSync(path, 'utf8'))
}

/**
 * A lab of another checkout, or an older one of this, may still run on it. Docker's data is used with the root of its
 * recipe: a host of that lab that is made anew gets both.
 */
function inUse(path: string): boolean {
  const root = join(cacheRoot, basename(path).replace(/^docker-/, 'root-'))
  return readFileSync('/proc/self/mountinfo', 'utf8').includes(`lowerdir=${root},`)
}

/** Other versions of the same thing: the same name up to its hashes. */
function siblings(path: string): string[] {
  const name = basename(path)
  const stem = name.slice(0, name.search(/-[0-9a-f]{10}/) + 1)
  return readdirSync(cacheRoot)
    .filter(
      (other) =>
        other.startsWith(stem) && other !== name && /^[0-9a-f]{10}(\.tar)?$/.test(other.slice(stem.length)),
    )
    .map((other) => join(cacheRoot, other))
}
