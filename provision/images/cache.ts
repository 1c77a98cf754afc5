/**
 * The cache of what takes long to make: images, Consul's program, boxes of the acceptance run.
 *
 * Each entry is named after the hash of its recipe: a changed recipe is another entry, and the old one is
 * removed. An entry is made under another name and renamed when it is whole, so a build that was cut off
 * leaves no entry.
 */
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs'
import { homedir } from 'node:os'
import { basename, join } from 'node:path'
import { folderFrom } from '../process/folder.ts'
import { mounts } from '../process/mounts.ts'

/** An ordinary user may not write the machine's cache. */
const usual = process.getuid?.() === 0 ? '/var/cache/multihost' : join(homedir(), '.cache/multihost')
export const cacheRoot = folderFrom('MULTIHOST_CACHE', usual)

/** What this process makes now: path → its end. */
const making = new Map<string, Promise<void>>()

/**
 * Runs `make` for a file or folder that is not there yet, then removes its older versions. Callers that ask
 * for one path at the same time wait for one making.
 */
export function cached(path: string, make: (part: string) => Promise<void>): Promise<void> {
  const begun = making.get(path)
  if (begun !== undefined) return begun
  const made = madeOnce(path, make).finally(() => making.delete(path))
  making.set(path, made)
  return made
}

async function madeOnce(path: string, make: (part: string) => Promise<void>): Promise<void> {
  if (existsSync(path)) return
  mkdirSync(cacheRoot, { recursive: true })
  const part = `${path}.part-${process.pid}`
  try {
    await make(part)
    if (!existsSync(path)) renameSync(part, path)
  } finally {
    rmSync(part, { recursive: true, force: true })
    rmSync(temporaryOf(part), { recursive: true, force: true })
  }
  for (const old of olderVersions(path)) if (!inUse(old)) rmSync(old, { recursive: true, force: true })
}

/** Folder for temporary files of a build, beside its part: what a killed build left is found and removed there. */
export function temporaryOf(part: string): string {
  return `${part}.tmp`
}

/** Removes builds whose process is gone; returns their names. */
export function removeCutOffBuilds(): string[] {
  if (!existsSync(cacheRoot)) return []
  const cutOff = readdirSync(cacheRoot).filter((name) => {
    const pid = /\.part-(\d+)(\.tmp)?$/.exec(name)?.[1]
    return pid !== undefined && !existsSync(`/proc/${pid}`)
  })
  for (const name of cutOff) rmSync(join(cacheRoot, name), { recursive: true, force: true })
  return cutOff
}

/** Ten hexadecimal digits that name a recipe. */
export function recipeHash(recipe: unknown): string {
  return createHash('sha256').update(JSON.stringify(recipe)).digest('hex').slice(0, 10)
}

/** Contents of a file, or of all files in a folder, as part of a recipe. */
export function contentsOf(path: string): string[] {
  if (!statSync(path).isDirectory()) return [readFileSync(path, 'utf8')]
  return readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
    .map((file) => readFileSync(file, 'utf8'))
}

/**
 * True for what a running lab, maybe of another checkout, is mounted on. Docker's data is used with the root
 * of its recipe: a host of that lab that is made anew gets both.
 */
function inUse(path: string): boolean {
  const root = join(cacheRoot, basename(path).replace(/^docker-/, 'root-'))
  return mounts().some(({ options }) => options.includes(`lowerdir=${root}`))
}

/** Entries of the same name up to the hash. */
function olderVersions(path: string): string[] {
  const name = basename(path)
  const stem = name.slice(0, name.search(/-[0-9a-f]{10}/) + 1)
  const isVersion = (other: string) => /^[0-9a-f]{10}(\.\w+)?$/.test(other.slice(stem.length))
  return readdirSync(cacheRoot)
    .filter((other) => stem !== '' && other.startsWith(stem) && other !== name && isVersion(other))
    .map((other) => join(cacheRoot, other))
}
