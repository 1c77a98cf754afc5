/**
 * What nspawn hosts boot from: a Debian root per engine, in the cache.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { shellQuote } from '../process/quote.ts'
import { run } from '../process/run.ts'
import { cached, cacheRoot, contentsOf, recipeHash } from './cache.ts'
import { containerImage } from './container-image.ts'
import { checkVersion, engineOf } from './engines.ts'
import { mmdebstrap, type Root } from './mmdebstrap.ts'
import { driverPackages, hostCommands, systemPackages } from './packages.ts'

const rootfs = fileURLToPath(new URL('rootfs', import.meta.url))

/** Units that a lab host has no use for: each costs all hosts that boot together a part of a second. */
const masked =
  `apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service
  fstrim.timer console-getty.service systemd-networkd.service ldconfig.service dev-hugepages.mount
  sys-kernel-debug.mount sys-kernel-tracing.mount modprobe@.service systemd-journal-catalog-update.service
  systemd-update-done.service systemd-udev-load-credentials.service systemd-update-utmp.service
  systemd-sysusers.service`.split(/\s+/)
/** systemd runs them at boot and at every daemon-reload. A lab host has no disk, console or firmware of its own. */
const maskedGenerators =
  'debug fstab getty gpt-auto hibernate-resume rc-local run ssh system-update sysv tpm2'.split(' ')
const generators = 'etc/systemd/system-generators'
/** Units that the provisioning steps enable. */
const disabled = ['docker.service', 'docker.socket', 'containerd.service']
const enabled = ['ssh.service', 'lab-writable.service', 'lab-ssh.socket']
const ownedByRoot = ['etc/sudoers.d', 'etc/ssh/sshd_config.d', 'etc/systemd/system'].map(
  (path) => `"$1"/${path}`,
)

export interface Image {
  /** Read-only lower folder of every host's root. */
  root: string
  /** `overlay2` and `image` of /var/lib/docker, with `debian:13` in them. */
  docker: string
}

export function imagePaths(engine: string): Image {
  const recipe = recipeHash([rootFor(engine), contentsOf(rootfs)])
  return {
    root: join(cacheRoot, `root-${engine}-${recipe}`),
    docker: join(cacheRoot, `docker-${engine}-${recipe}`),
  }
}

/** True when a lab can be made without a build. */
export function isCached(engine: string): boolean {
  const image = imagePaths(engine)
  return existsSync(image.root) && existsSync(image.docker)
}

/** The roots of all engines and the container image, built together. A build that fails ends the others. */
export async function buildImages(engines: readonly string[]): Promise<void> {
  const failure = new AbortController()
  const fail = (error: unknown) => failure.abort(error)
  const builds: Promise<unknown>[] = engines.map((engine) => buildRoot(engine, failure.signal))
  if (!engines.every(isCached)) builds.push(containerImage(failure.signal))
  await Promise.all(builds.map((build) => build.catch(fail)))
  failure.signal.throwIfAborted()
}

async function buildRoot(engine: string, signal: AbortSignal): Promise<void> {
  await cached(imagePaths(engine).root, async (part) => {
    const root = rootFor(engine)
    await mmdebstrap({ ...root, customize: [copying(rootfs), ...(root.customize ?? [])] }, part, { signal })
    checkVersion(engine, await run('chroot', [part, 'dockerd', '--version']), 'the image that was built')
  })
}

/** A shell command that copies what is in the folder into the root `$1`. */
export function copying(folder: string): string {
  return `cp -r ${shellQuote(folder)}/. "$1"/`
}

function rootFor(version: string): Root {
  const { suite, packages, pin } = engineOf(version)
  return {
    suite,
    packages: [
      ...systemPackages,
      ...Object.values(hostCommands),
      'nftables',
      'nano',
      ...driverPackages,
      ...packages,
    ],
    pins: pin ? [pin] : [],
    customize: [
      `chmod 0440 "$1"/etc/sudoers.d/vagrant; chown -R 0:0 ${ownedByRoot.join(' ')}`,
      'chroot "$1" useradd --create-home --shell /bin/bash --groups sudo vagrant',
      `chroot "$1" systemctl --quiet mask ${masked.join(' ')}`,
      `mkdir -p "$1"/${generators}`,
      ...maskedGenerators.map((name) => `ln -s /dev/null "$1"/${generators}/systemd-${name}-generator`),
      `chroot "$1" systemctl --quiet disable ${disabled.join(' ')}`,
      `chroot "$1" systemctl --quiet enable ${enabled.join(' ')}`,
      'rm -f "$1"/etc/ssh/ssh_host_*',
    ],
  }
}
