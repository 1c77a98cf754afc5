/**
 * A Debian with VirtualBox in a root folder of its own, from contrib of Debian's sid: no stable release has
 * VirtualBox. Its kernel modules are left out, since they fit sid's kernel alone.
 */
import { debianMirror } from '../../../provision/images/mirror.ts'
import { mmdebstrap } from '../../../provision/images/mmdebstrap.ts'
import { cacheEntry, recipeHash } from '../cache.ts'

/** Path of the root folder in the cache; mmdebstrap makes it at the first call. */
export async function virtualBoxRoot(): Promise<string> {
  return cacheEntry('virtualbox', 'root', recipeHash([import.meta.filename], []), async (part) => {
    const sources = [`deb ${await debianMirror()} sid contrib`]
    await mmdebstrap({ suite: 'sid', packages: ['virtualbox'] }, part, { sources })
  })
}
