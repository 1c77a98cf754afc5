/**
 * `multihost check`: do Consul, this host's kernel and this host's Docker say the same?
 *
 * Each look reads Consul, the kernel and Docker anew, and nothing that a loop remembers. The looks are
 * repeated while the loops settle, and a difference is reported when it lasts until the end. A plane that
 * cannot be read is unknown, not empty, and is reported as unknown.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { type Difference, identity, repairHint, sentence } from '../core/check/difference.ts'
import { checkDocker } from '../core/check/docker.ts'
import { checkKernel, checkRoutes, type ObservedNetwork } from '../core/check/kernel.ts'
import { checkStore } from '../core/check/store.ts'
import type { Datapath } from '../core/datapath/datapath.ts'
import { containerEndName, desiredFor } from '../core/datapath/desired.ts'
import type { UnderWay } from '../core/endpoints/life.ts'
import { asDriverError, isCode } from '../core/errors.ts'
import type { HostName, NetworkId, Snapshot } from '../core/records.ts'
import { labelOf, networksUsedBy, recordName } from '../core/snapshot.ts'
import type { FilterCounts } from '../core/tunnels/filter.ts'
import { peerText, type TunnelStatus, tunnelProblem } from '../core/tunnels/peers.ts'
import type { Engine } from '../engine/engine.ts'
import type { Kernel, Underlay } from '../kernel/kernel.ts'
import type { Log } from '../log.ts'
import { createGracePeriod } from '../loops/kit/grace-period.ts'
import { networksInDocker } from '../loops/kit/local-networks.ts'
import type { Store } from '../store/store.ts'

export interface CheckParts extends Pick<UnderWay, 'arriving'> {
  store: Pick<Store, 'read' | 'snapshot' | 'status' | 'commit'>
  kernel: Pick<Kernel, 'namespaces' | 'observe' | 'strayLinks' | 'routes'>
  engine: Pick<Engine, 'networks' | 'network' | 'attached'>
  host: HostName
  underlay(): Underlay
  localNamespaceOf(network: NetworkId): string | undefined
  /**
   * The snapshot with the endpoints that other hosts have told this one directly: the datapath has entries
   * for them.
   */
  withPeerEndpoints(snapshot: Snapshot): Snapshot
  /** Containers whose hosts file does not say what it should, by name. */
  containersMisnamed(): string[]
  /** Of the last seconds: a probe that waits for its answer is no difference. */
  tunnels(): TunnelStatus[]
  filter(): FilterCounts | undefined
  /** Makes every loop look at everything now. */
  pokeAll(): void
  log: Log
}

export interface CheckOptions {
  /** How long the loops have to settle; 0: one look at once, also while changes are under way. */
  withinMs: number
  repair: boolean
}

export interface CheckResult {
  host: HostName
  differences: (Omit<Difference, 'repair'> & { sentence: string })[]
  /** Why a plane could not be looked at; nothing is known of it. */
  unknown: string[]
  /** What `repair` changed in the store. */
  repaired: string[]
}

interface Look {
  differences: Difference[]
  unknown: string[]
}

const pauseMs = 200
/** How long a difference must have been there at the least, so that it counts. */
const lastsMs = 800

export async function check(parts: CheckParts, { withinMs, repair }: CheckOptions): Promise<CheckResult> {
  const before = await settled(parts, withinMs)
  if (!repair || before.differences.length === 0) return resultOf(parts, before, [])
  const repaired = await repairAll(parts, before.differences)
  return resultOf(parts, await settled(parts, withinMs), repaired)
}

function resultOf({ host }: CheckParts, { differences, unknown }: Look, repaired: string[]): CheckResult {
  const shown = differences.map((it) => {
    const { repair: _, ...rest } = it
    return { ...rest, sentence: sentence(it) }
  })
  return { host, differences: shown, unknown, repaired }
}

/** Looks until everything agrees or the time is over; then tells what has lasted. */
async function settled(parts: CheckParts, withinMs: number): Promise<Look> {
  const deadline = performance.now() + withinMs
  const seen = createGracePeriod(() => performance.now())
  for (;;) {
    const found = await look(parts)
    const old = seen.since(found.differences.map(identity), lastsMs)
    const agree = found.differences.length === 0 && found.unknown.length === 0
    if (agree || withinMs === 0) return found
    const lasted = found.differences.filter((it) => old.has(identity(it)))
    const overMs = performance.now() - deadline
    // What was seen shortly before the deadline gets the time to go, or to last.
    if (overMs > lastsMs || (overMs > 0 && lasted.length === found.differences.length)) {
      return { ...found, differences: lasted }
    }
    await delay(pauseMs)
  }
}

async function look(parts: CheckParts): Promise<Look> {
  const { store, host } = parts
  const unknown: string[] = []
  const known = async <T>(plane: string, read: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await read()
    } catch (error) {
      if (!isCode(error, 'unavailable', 'kernel')) throw error
      unknown.push(`${plane} cannot be read: ${asDriverError(error).line}`)
      return undefined
    }
  }
  const snapshot = await known('Consul', () => store.read())
  if (snapshot === undefined) return { differences: [], unknown }
  const [kernel, docker] = await Promise.all([
    known('the kernel', () => kernelDifferences(parts, parts.withPeerEndpoints(snapshot))),
    known('Docker', () => dockerDifferences(parts, snapshot)),
  ])
  const files = parts.containersMisnamed().map(misnamed)
  const tunnels = parts.tunnels().flatMap((it) => tunnelDifference(it, parts.filter()))
  const { corrupt, missing } = store.status()
  const own = checkStore({
    ...{ snapshot, host },
    corrupt: corrupt.map(recordName),
    missing: missing.map(recordName),
  })
  return { differences: [...own, ...(docker ?? []), ...(kernel ?? []), ...files, ...tunnels], unknown }
}

function tunnelDifference(tunnel: TunnelStatus, filter: FilterCounts | undefined): Difference[] {
  const problem = tunnelProblem(tunnel, filter?.misrouted)
  if (problem === undefined) return []
  const expected = `answers of ${tunnel.probeBytes} bytes`
  return [{ plane: 'tunnel', object: `host ${peerText(tunnel)}`, expected, ...problem }]
}

function misnamed(container: string): Difference {
  return {
    plane: 'hosts file',
    object: `container ${container}`,
    expected: 'the names of all containers on its networks',
    found: 'other lines',
    hint: repairHint,
  }
}

/** Every namespace that is ours or should be. */
async function kernelDifferences(parts: CheckParts, snapshot: Snapshot): Promise<Difference[]> {
  const { kernel } = parts
  const wanted = new Map<string, { want: Datapath | undefined; name: string }>()
  for (const network of networksUsedBy(snapshot, parts.host)) {
    const want = wish(parts, snapshot, network)
    if (want !== undefined) wanted.set(want.namespace, { want, name: labelOf(snapshot, network) })
  }
  const [marked, strayLinks, routes] = await Promise.all([
    kernel.namespaces(),
    kernel.strayLinks(),
    kernel.routes(),
  ])
  const paths = [...new Set([...wanted.keys(), ...marked])]
  const namespaces = await Promise.all(
    paths.map(async (path): Promise<ObservedNetwork> => {
      const { want, name } = wanted.get(path) ?? { want: undefined, name: `in ${path}` }
      return { name, want, have: await kernel.observe(path) }
    }),
  )
  return [
    ...checkKernel({ namespaces, strayLinks, joining: new Set(parts.arriving().map(containerEndName)) }),
    ...checkRoutes(snapshot, parts.host, routes),
  ]
}

function wish(
  { host, underlay, localNamespaceOf }: CheckParts,
  snapshot: Snapshot,
  network: NetworkId,
): Datapath | undefined {
  const namespace = localNamespaceOf(network)
  if (namespace === undefined) return undefined
  const { address, mtuBytes } = underlay()
  return desiredFor(snapshot, host, network, { vtep: address, mtuBytes, namespace })
}

async function dockerDifferences(parts: CheckParts, snapshot: Snapshot): Promise<Difference[]> {
  const { engine, host, underlay } = parts
  const networks = await networksInDocker(engine, () => snapshot, host)
  const attached = new Set((await engine.attached()).map(({ endpoint }) => endpoint))
  const now = new Date().toISOString()
  return checkDocker({ snapshot, host, vtep: underlay().address, networks, attached, now })
}

/** What is safely ours in the store; then the loops look at everything. A conflict is looked at again afterwards. */
async function repairAll(
  { store, pokeAll, log }: CheckParts,
  differences: readonly Difference[],
): Promise<string[]> {
  const done: string[] = []
  for (const difference of differences) {
    if (difference.repair === undefined) continue
    try {
      await store.commit(difference.repair)
      done.push(sentence(difference))
      log.warn({ difference: sentence(difference) }, 'repaired by multihost check --repair')
    } catch (error) {
      if (!isCode(error, 'conflict')) throw error
    }
  }
  pokeAll()
  return done
}
