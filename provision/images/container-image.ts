/**
 * Container images as tars for `docker import`: the walkthrough's, which is Debian 13 with ip, ping, iperf3
 * and tcpdump; and the same with real programs, for scenarios/programs.
 */
import { join } from 'node:path'
import { cached, cacheRoot, recipeHash } from './cache.ts'
import { mmdebstrap, type Root } from './mmdebstrap.ts'
import { containerPackages, realPrograms } from './packages.ts'

/** Path of the tar; built at the first call. */
export function containerImage(signal?: AbortSignal): Promise<string> {
  return tarOf('container', containerPackages, signal)
}

/** Path of the tar; built at the first call. */
export function programsImage(): Promise<string> {
  return tarOf('programs', [...containerPackages, ...realPrograms])
}

async function tarOf(name: string, packages: readonly string[], signal?: AbortSignal): Promise<string> {
  const root: Root = { suite: 'trixie', packages, format: 'tar' }
  const file = join(cacheRoot, `${name}-${recipeHash(root)}.tar`)
  await cached(file, (part) => mmdebstrap(root, part, { signal }))
  return file
}
