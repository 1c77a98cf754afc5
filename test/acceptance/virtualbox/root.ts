/**
 * A Debian with VirtualBox in a root folder of its own, from contrib of Debian's sid: no stable release has
 * VirtualBox. Its kernel modules are left out, since they fit sid's kernel alone.
 */
import { join } from 'node:path'
import { cached, cacheRoot, contentsOf, recipeHash } from '../../../provision/images/cache.ts'
import { debianMirror } from '../../../provision/images/mirror.ts'
import { mmdebstrap } from '../../../provision/images/mmdebstrap.ts'

/** Path of the root folder in the cache; mmdebstrap makes it at the first call. */
export async function virtualBoxRoot(): Promise<string> {
  const root = join(cacheRoot, `virtualbox-${recipeHash(contentsOf(import.meta.filename))}.root`)
  await cached(root, async (part) => {
    const sources = [`deb ${await debianMirror()} sid contrib`]
    await mmdebstrap({ suite: 'sid', packages: ['virtualbox'] }, part, { sources })
  })
  return root
}
