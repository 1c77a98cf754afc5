/**
 * The control files of the Debian package. Pure. Source: Debian's policy, chapters 5 and 6.
 *
 * No file is a conffile: dpkg asks a question for one that a person or `join` wrote, and without a terminal
 * the installation fails. postinst writes an options file that is missing. On an upgrade from a package
 * that had it as a conffile, dpkg keeps the file as it is.
 */
import { createHash } from 'node:crypto'
import { dirname } from 'node:path'
import { ownScript, type PackageFile } from './contents.ts'
import type { Architecture } from './node.ts'
import type { Release } from './release.ts'

/**
 * `ip` and `bridge`; `nft` for the filter of tunnel packets; systemd-notify; the libraries that Node's
 * program asks for.
 */
const depends = 'iproute2, nftables, systemd, libc6 (>= 2.28), libgcc-s1 (>= 3.4), libstdc++6 (>= 7)'
const scripts = ['postinst', 'prerm', 'postrm']

export function controlFiles(
  files: readonly PackageFile[],
  architecture: Architecture,
  release: Release,
): PackageFile[] {
  const text = (name: string, content: string, mode = 0o644): PackageFile => ({
    path: `/DEBIAN/${name}`,
    content,
    mode,
  })
  return [
    text('control', controlText(installedKiB(files), architecture, release)),
    text('md5sums', files.map(sumLine).join('')),
    ...scripts.map((name) => text(name, ownScript(`debian/${name}`), 0o755)),
  ]
}

function controlText(sizeKiB: number, architecture: Architecture, { version, maintainer }: Release): string {
  return `Package: multihost
Version: ${version}
Architecture: ${architecture}
Maintainer: ${maintainer}
Installed-Size: ${sizeKiB}
Depends: ${depends}
Recommends: docker.io (>= 20.10) | docker-ce (>= 5:20.10)
Suggests: consul
Section: net
Priority: optional
Description: one network for containers on several Docker hosts
 A network and IPAM driver for Docker, named vxlan. A network that is created
 on one host exists on all hosts that share a Consul. Containers on it reach
 each other by address and by name, without Swarm and without Kubernetes.
 .
 The package contains the driver, its command and a Node of its own. The driver
 starts when the host joins a cluster: multihost join.
`
}

/** Every file and folder takes up a whole KiB. */
function installedKiB(files: readonly PackageFile[]): number {
  const folders = new Set<string>()
  for (const { path } of files) for (let at = dirname(path); at !== '/'; at = dirname(at)) folders.add(at)
  return (
    folders.size + files.reduce((sum, { content }) => sum + Math.ceil(Buffer.byteLength(content) / 1024), 0)
  )
}

function sumLine({ path, content }: PackageFile): string {
  return `${createHash('md5').update(content).digest('hex')}  ${path.slice(1)}\n`
}
