/**
 * Files and folders that take long to make. They stay in the cache under the hash of their recipe, like the
 * images of the nspawn lab; those of an older recipe are removed.
 */
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { cached, cacheRoot } from '../../provision/images/cache.ts'

/** Path of `STEM-HASH.EXTENSION` in the cache; `make` makes it where it is missing, at the path that it is given. */
export async function cacheEntry(
  stem: string,
  extension: string,
  recipe: string,
  make: (part: string) => Promise<void>,
): Promise<string> {
  const name = `${stem}-${recipe}.${extension}`
  await cached(join(cacheRoot, name), make)
  const mine = new RegExp(`^${stem}-[0-9a-f]{10}\\.${extension}$`)
  for (const old of readdirSync(cacheRoot).filter((each) => mine.test(each) && each !== name))
    rmSync(join(cacheRoot, old), { recursive: true })
  return join(cacheRoot, name)
}

/** Hash of files, of all files in folders, and of words. */
export function recipeHash(paths: readonly string[], words: readonly string[]): string {
  const contents = paths.flatMap(filesIn).map((path) => readFileSync(path, 'base64'))
  return createHash('sha256')
    .update(JSON.stringify([contents, words]))
    .digest('hex')
    .slice(0, 10)
}

function filesIn(path: string): string[] {
  if (!statSync(path).isDirectory()) return [path]
  const entries = readdirSync(path, { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
}
