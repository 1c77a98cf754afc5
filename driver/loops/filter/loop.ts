/**
 * Keeps the filter of tunnel packets: the hosts and networks of the store, as rules of the kernel.
 *
 * The filter must never drop a member's packet. An address that no host has any more stays allowed for a
 * minute; an earlier VTEP of this host stays as long as an interface has it, since a host that is cut off
 * from the store sends there; while the store's word proves nothing, as after a start without Consul, all
 * that was allowed stays.
 */
import type { Ip } from '../../core/records.ts'
import { bothFilters, type FilterCounts, vtepsOf, wantedFilter } from '../../core/tunnels/filter.ts'
import type { Kernel } from '../../kernel/kernel.ts'
import type { Log } from '../../log.ts'
import type { Store } from '../../store/store.ts'
import { type Loop, type LoopRun, startLoop } from '../kit/loop.ts'
import { mayRemove } from '../kit/store-trust.ts'

export interface FilterOptions {
  store: Pick<Store, 'snapshot' | 'onChange' | 'status'>
  kernel: Pick<Kernel, 'tunnelFilter' | 'addresses'>
  /** This host's VTEP now. */
  vtep(): Ip
  /** False: no filter, and one that is there is removed. */
  filterIsOn: boolean
  log: Log
  everyMs: number
  keptForMs?: number
  onRun?(run: LoopRun): void
  /** By a clock that only grows, in milliseconds. */
  now?: () => number
}

export interface FilterLoop extends Loop {
  /** At the last look. Undefined while there is no filter. */
  counts(): FilterCounts | undefined
  /** One sentence each, for `multihost status`. */
  problems(): string[]
}

/** What the snapshot lacks is gone. */
function isSure(store: FilterOptions['store']): boolean {
  return (
    mayRemove(store) && !store.status().corrupt.some(({ table }) => table === 'hosts' || table === 'networks')
  )
}

export function startFilter(options: FilterOptions): FilterLoop {
  const { store, kernel, vtep, filterIsOn, log, everyMs, onRun } = options
  const { keptForMs = 60_000, now = () => performance.now() } = options
  /** When a host had the address, by `now`. */
  const seen = new Map<Ip, number>()
  /** This host's VTEPs, now and earlier; after a restart, perhaps others' until the next look. */
  const own = new Set<Ip>()
  let isFirst = true
  let counts: FilterCounts | undefined
  const keepOwn = async (): Promise<void> => {
    own.add(vtep())
    if (own.size === 1) return
    const here = new Set((await kernel.addresses()).map(({ address }) => address))
    for (const ip of own) if (ip !== vtep() && !here.has(ip)) own.delete(ip)
  }
  const work = async (): Promise<void> => {
    // Asked before the snapshot: what makes the store sure later has not made this snapshot complete.
    const sure = isSure(store)
    const snapshot = store.snapshot()
    for (const ip of vtepsOf(snapshot)) seen.set(ip, now())
    for (const [ip, at] of seen) if (now() - at > keptForMs) seen.delete(ip)
    await keepOwn()
    const found = await kernel.tunnelFilter((have) => {
      if (!filterIsOn) return undefined
      // What this driver let in before it was restarted.
      for (const ip of isFirst ? (have?.vteps ?? []) : []) {
        seen.set(ip, now())
        own.add(ip)
      }
      isFirst = false
      const wanted = wantedFilter(snapshot, [...own, ...seen.keys()])
      return have === undefined || sure ? wanted : bothFilters(have, wanted)
    })
    counts = filterIsOn ? found : undefined
  }
  const loop = startLoop({ name: 'filter', everyMs, log, work, onRun })
  const stop = store.onChange((_, keys) => {
    if (keys.some(({ table }) => table === 'hosts' || table === 'networks')) loop.poke()
  })
  return {
    ...loop,
    counts: () => counts,
    problems() {
      const { state, lastError } = loop.status()
      if (state !== 'failing') return []
      return [
        `the filter of tunnel packets cannot be kept, so other machines and containers can send frames into this cluster’s networks: ${lastError}; install nftables, or take the risk with --tunnel-filter=off`,
      ]
    },
    async close() {
      stop()
      await loop.close()
    },
  }
}
