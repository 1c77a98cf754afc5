/**
 * The walkthrough's container image as a tar for `docker import`: Debian 13 with ip, ping, iperf3 and tcpdump.
 */
import { join } from 'node:path'
import { cached, cacheRoot, recipeHash } from './cache.ts'
import { mmdebstrap, type Root } from './mmdebstrap.ts'
import { containerPackages } from './packages.ts'

const root: Root = { suite: 'trixie', packages: containerPackages, format: 'tar' }

/** Path of the tar; built at the first call. */
export async function containerImage(signal?: AbortSignal): Promise<string> {
  const file = join(cacheRoot, `container-${recipeHash(root)}.tar`)
  await cached(file, (part) => mmdebstrap(root, part, { signal }))
  return file
}
