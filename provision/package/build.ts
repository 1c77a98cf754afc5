/**
 * Builds a Debian package and an archive of the same files. Two builds of a commit are equal, byte by byte:
 * names are sorted, owners and modes are fixed, times are the commit's, and each compressor has one thread.
 */
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { bundle } from '../../driver/bundle.ts'
import { run } from '../process/run.ts'
import { debianChangelog } from './changelog.ts'
import { contents, ownScript, type PackageFile, type Parts } from './contents.ts'
import { controlFiles } from './control.ts'
import { copyrightText, nodeItself, thirdPartyOf, thirdPartyText } from './licences.ts'
import { type Architecture, nodeFiles } from './node.ts'
import { currentRelease, type Release, root } from './release.ts'

export interface BuildOptions {
  architecture: Architecture
  /** Folder of the results. */
  out: string
  /** Compresses little or nothing, for tests. */
  fast?: boolean
}

/** Paths of the package and the archive. */
export async function buildPackages({ architecture, out, fast = false }: BuildOptions): Promise<string[]> {
  const release = await currentRelease()
  mkdirSync(out, { recursive: true })
  const work = mkdtempSync(join(out, '.package-'))
  try {
    const parts = await partsOf(architecture, release, join(work, 'multihost.cjs'))
    const job = { parts, release, architecture, work, out, fast }
    return [await debianPackage(job), await archive(job)]
  } finally {
    rmSync(work, { recursive: true })
  }
}

interface Job {
  parts: Parts
  release: Release
  architecture: Architecture
  /** Folder for temporary files. */
  work: string
  out: string
  fast: boolean
}

async function partsOf(architecture: Architecture, release: Release, bundlePath: string): Promise<Parts> {
  const { packages } = await bundle(bundlePath)
  const { program, licence } = await nodeFiles(architecture)
  const bundled = packages.map(thirdPartyOf)
  return {
    bundle: readFileSync(bundlePath),
    node: program,
    changelog: debianChangelog(readFileSync(join(root, 'CHANGELOG.md'), 'utf8'), release),
    copyright: copyrightText(bundled, release),
    thirdParty: thirdPartyText([...bundled, nodeItself(licence)]),
  }
}

async function debianPackage({ parts, release, architecture, work, out, fast }: Job): Promise<string> {
  const files = contents(parts, release, '/usr')
  const folder = join(work, 'deb')
  write(folder, [...files, ...controlFiles(files, architecture, release)], release)
  const path = join(out, `multihost_${release.version}_${architecture}.deb`)
  const compression = fast ? ['-Znone'] : ['-Zxz', '-z6']
  const options = ['--root-owner-group', ...compression, '--build', folder, path]
  await run('dpkg-deb', options, {
    env: { SOURCE_DATE_EPOCH: String(release.epochS), DPKG_DEB_THREADS_MAX: '1' },
  })
  return path
}

async function archive({ parts, release, architecture, work, out, fast }: Job): Promise<string> {
  const name = `multihost-${release.version}-linux-${architecture}`
  const files = contents(parts, release, '/usr/local')
  const script = { path: '/install.sh', content: ownScript('templates/install.sh'), mode: 0o755 }
  const inRoot = files.map((file) => ({ ...file, path: `/root${file.path}` }))
  write(join(work, name), [script, ...inRoot], release)
  const path = join(out, `${name}.tar.gz`)
  const fixed = ['--sort=name', '--owner=0', '--group=0', '--numeric-owner', '--format=ustar']
  const time = `--mtime=@${release.epochS}`
  const compressor = `--use-compress-program=gzip -n ${fast ? '-1' : '-6'}`
  await run('tar', [...fixed, time, compressor, '-C', work, '-cf', path, name])
  return path
}

function write(folder: string, files: readonly PackageFile[], { epochS }: Release): void {
  for (const { path, content, mode } of files) {
    const file = join(folder, path)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, content, { mode })
    utimesSync(file, epochS, epochS)
  }
  // The umask of the process that builds does not count.
  execFileSync('chmod', ['-R', 'u=rwX,go=rX', folder])
}
