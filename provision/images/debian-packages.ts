/**
 * Files of Debian packages, for programs that a subject brings: the hosts reach no mirror.
 */
import { mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { LabError } from '../process/errors.ts'
import { run } from '../process/run.ts'
import { cached, cacheRoot, recipeHash, temporaryOf } from './cache.ts'

/**
 * Folder with the files of the packages, and of no others, from the releases that this machine's apt knows. A
 * word for the authors of scenarios (docs/scenarios.md).
 *
 * @example
 *     const root = await debianPackages('etcd-server', 'etcd-client')
 *     await upload('/usr/bin/etcd', readFileSync(join(root, 'usr/bin/etcd')), '0755')
 * @public
 */
export function debianPackages(...names: string[]): Promise<string> {
  const key = names.join(' ')
  const folder = folders.get(key) ?? unpacked(names)
  folders.set(key, folder)
  return folder
}

/** A step asks for the packages on all hosts at once. */
const folders = new Map<string, Promise<string>>()

async function unpacked(names: readonly string[]): Promise<string> {
  const uris = await run('apt-get', ['download', '--print-uris', '-qq', ...names]).catch((cause) => {
    throw new LabError(`this machine's apt does not know ${names.join(' or ')}`, {
      hint: 'apt-get update',
      cause,
    })
  })
  const folder = join(cacheRoot, `packages-${names.join('-')}-${recipeHash(uris)}`)
  await cached(folder, async (part) => {
    const work = temporaryOf(part)
    mkdirSync(work, { recursive: true })
    mkdirSync(part, { recursive: true })
    await run('sh', ['-c', 'cd "$1" && shift && exec apt-get download -q "$@"', 'sh', work, ...names])
    for (const deb of readdirSync(work)) await run('dpkg-deb', ['-x', join(work, deb), part])
  })
  return folder
}
