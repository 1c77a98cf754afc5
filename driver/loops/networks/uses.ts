/**
 * Keeps this host's records of the table `uses`. A first use and the end of the last one are recorded at
 * once. Another number of containers is recorded after a grace period, so that a container that comes and
 * goes costs no commit.
 */
import type { HostName } from '../../core/records.ts'
import type { ConfiguredContainer, Engine } from '../../engine/engine.ts'
import type { Log } from '../../log.ts'
import { isUnreadable } from '../../store/lookup.ts'
import type { Store } from '../../store/store.ts'
import { splitIntoCommits } from '../../store/transaction-limits.ts'
import { otherNetworks } from '../kit/configured-network.ts'
import { createGracePeriod } from '../kit/grace-period.ts'
import { type Loop, type LoopRun, startLoop } from '../kit/loop.ts'
import { planUses, type UsesView } from './plan-uses.ts'

export interface UsesOptions {
  store: Store
  engine: Pick<Engine, 'network' | 'configuredContainers'>
  host: HostName
  log: Log
  everyMs: number
  graceMs: number
  onRun?: ((run: LoopRun) => void) | undefined
}

export function startUses(options: UsesOptions): Loop {
  const { store, engine, log, everyMs, graceMs, onRun } = options
  const waiting = createGracePeriod()
  const work = async ({ pokeAfter }: Loop): Promise<void> => {
    const status = store.status()
    if (!status.fresh || status.doubt !== undefined) return
    const askedAt = performance.now()
    const containers = await engine.configuredContainers()
    // The store refuses a commit with a record that cannot be read.
    const changes = planUses(await viewOf(options, containers)).filter(
      ({ table, key }) => !isUnreadable(status, table, key),
    )
    const updates = changes.filter(({ op }) => op === 'update').map(({ key }) => key)
    const due = waiting.since(updates, graceMs, askedAt)
    const now = changes.filter(({ op, key }) => op !== 'update' || due.has(key))
    for (const part of splitIntoCommits(now)) await store.commit(part)
    if (updates.length > due.size) pokeAfter(graceMs)
  }
  return startLoop({ name: 'uses', everyMs, log, work, onRun })
}

async function viewOf(
  { store, engine, host }: UsesOptions,
  containers: readonly ConfiguredContainer[],
): Promise<UsesView> {
  const snapshot = store.snapshot()
  const others = await otherNetworks(snapshot, host, containers, engine)
  const lookup: UsesView['lookup'] = (network) => store.lookup('networks', network)
  return { snapshot, host, containers, others, lookup, corrupt: store.status().corrupt }
}
