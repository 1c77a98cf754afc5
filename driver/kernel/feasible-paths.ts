/**
 * The interfaces that a route to a VTEP has beside the one that the kernel takes (feasible paths, RFC 3704
 * §2.3): a host with two interfaces in one subnet answers ARP on both, one with two uplinks is reached by
 * either, and an IPv6 route may be over several.
 *
 * The kernel's `fib` knows one interface of those, for IPv4 all hops of one route. A route of the same length
 * by another interface counts here, a shorter one does not.
 */
import { familyOf } from '../core/ip.ts'
import type { Ip } from '../core/records.ts'
import { failuresOf, type Run, succeeded } from './run-command.ts'

export interface FeasiblePath {
  devices: string[]
  vteps: Ip[]
}

/** Of one family. Throws `kernel`. `prefix`: into the host's namespace. */
export async function feasiblePaths(
  run: Run,
  prefix: readonly string[],
  vteps: readonly Ip[],
): Promise<FeasiblePath[]> {
  const [first] = vteps
  if (first === undefined) return []
  const shown = await run([...prefix, 'ip', `-${familyOf(first)}`, 'route', 'show', 'table', 'main'])
  succeeded(shown)
  const several = severalDevices(shown.stdout)
  if (several.size === 0) return []
  const lines = vteps.map((vtep) => `route get fibmatch ${vtep}\n`).join('')
  const matched = await run([...prefix, 'ip', '-j', '-force', '-batch', '-'], lines)
  const failed = new Set(failuresOf(matched).map(({ line }) => line))
  const routes = [...matched.stdout.matchAll(/^\[.*?"dst":"([^"]*)"/gm)].map(([, to = '']) => to)
  const reached = vteps.filter((_, i) => !failed.has(i))
  const paths = new Map<string, FeasiblePath>()
  for (const [i, to] of routes.entries()) {
    const devices = several.get(to)
    const vtep = reached[i]
    if (devices === undefined || vtep === undefined) continue
    const path = paths.get(devices.join()) ?? { devices, vteps: [] }
    path.vteps.push(vtep)
    paths.set(devices.join(), path)
  }
  return [...paths.values()]
}

/** Destinations with more than one interface, those of each link left out. */
function severalDevices(text: string): Map<string, string[]> {
  const found = new Map<string, Set<string>>()
  let to = ''
  for (const line of text.split('\n')) {
    // The hops of a route are on lines of their own.
    if (!/^\s/.test(line)) to = line.split(' ', 1)[0] ?? ''
    const device = /\bdev (\S+)/.exec(line)?.[1]
    if (device !== undefined && !to.startsWith('fe80:'))
      found.set(to, (found.get(to) ?? new Set()).add(device))
  }
  const several = [...found].filter(([, devices]) => devices.size > 1)
  return new Map(several.map(([each, devices]) => [each, [...devices].sort()]))
}
