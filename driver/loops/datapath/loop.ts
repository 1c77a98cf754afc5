/**
 * Makes this host's kernel what the store wants: desired(snapshot) → plan(have, want) → apply(ops), per network.
 *
 * A change of the store touches the networks of the changed keys; each network is serialised, a few run at once. An
 * audit looks at one network after the other, so that damage by hand is mended within seconds; with many networks
 * it slows down rather than take more than a tenth of a processor. At the start what is there is adopted. Until the
 * store has been fresh once, nothing is removed: a copy from disk may be old. Closing leaves the kernel as it is.
 */
import { isCode } from '../../core/errors.ts'
import type { EndpointId, HostName, NetworkId } from '../../core/records.ts'
import { isReplicaOn, networkOfKey, networksUsedBy } from '../../core/snapshot.ts'
import type { Kernel, Underlay } from '../../kernel/kernel.ts'
import type { Log } from '../../log.ts'
import type { ChangedKey, Store } from '../../store/store.ts'
import { createWorkQueue, limitOf, type WorkQueue, type WorkQueueStatus } from '../kit/work-queue.ts'
import { type NetworkDatapath, type NetworkFacts, networkDatapath } from './network.ts'
import { removeStrayLinks } from './stray-links.ts'

export interface DatapathOptions {
  store: Pick<Store, 'snapshot' | 'onChange' | 'onFresh' | 'status'>
  kernel: Kernel
  host: HostName
  /** This host's tunnel end, as it is now. */
  underlay(): Underlay
  log: Log
  /** Full path of the network's namespace here (`namespaceOf`), from the replicas. */
  localNamespaceOf(network: NetworkId): string | undefined
  /** Each network is looked at this often, while they are few. */
  auditMs?: number
  /** Links and namespaces go this long after their last user. */
  removalDelayMs?: number
  /** Bound of `settled`. */
  settleMs?: number
}

export interface DatapathLoop {
  /**
   * Resolves when the kernel has everything that the present snapshot wants for that network. Join calls it after
   * its commit and names its endpoint, whose veths are then made if they are not there. Rejects with the last
   * error after a bound.
   */
  settled(network: NetworkId, joining?: EndpointId): Promise<void>
  /** Looks at every network's namespace now. */
  audit(): void
  /** By network; those of which nothing is here are left out. */
  status(): Map<NetworkId, WorkQueueStatus & NetworkFacts>
  close(): Promise<void>
}

/** Share of one processor that looking may take. */
const auditShare = 0.1
const concurrentNetworks = 4

export function startDatapath(options: DatapathOptions): DatapathLoop {
  const { store, kernel, host, log, localNamespaceOf } = options
  const { auditMs = 2000, removalDelayMs = 300, settleMs = 4000 } = options
  const lanes = new Map<
    NetworkId,
    { lane: WorkQueue; network: NetworkDatapath; again: NodeJS.Timeout | undefined }
  >()
  const limit = limitOf(concurrentNetworks)
  let wasFresh = false
  /** The first fresh state has been looked at: whatever joins from now on, joins now. */
  let started = false
  let swept = false
  let sweeping: Promise<void> | undefined
  let auditedMs = 10
  let endsLookedAt = Number.NEGATIVE_INFINITY
  let closed = false

  const mayRemove = (): boolean => {
    wasFresh ||= store.status().fresh
    // a store that does not even know this host has lost its contents
    return wasFresh && store.snapshot().hosts.has(host)
  }
  const laneOf = (id: NetworkId) => {
    const existing = lanes.get(id)
    if (existing !== undefined) return existing
    const network = networkDatapath({
      network: id,
      host,
      kernel,
      log,
      snapshot: () => store.snapshot(),
      underlay: options.underlay,
      localNamespaceOf,
      mayRemove,
      newIsJoining: started,
      removalDelayMs,
      again: (afterMs) => {
        clearTimeout(made.again)
        if (!closed) made.again = setTimeout(() => made.lane.poke(), afterMs)
      },
      onAudited: (durationMs) => {
        auditedMs += (durationMs - auditedMs) / 8
      },
    })
    const made = {
      network,
      lane: createWorkQueue({
        name: `network ${id.slice(0, 12)}`,
        work: network.step,
        limit,
        onFailure: (error, attempt) => failed(id, error, attempt),
      }),
      again: undefined as NodeJS.Timeout | undefined,
    }
    lanes.set(id, made)
    return made
  }
  const failed = (id: NetworkId, error: unknown, attempt: number): void => {
    log[attempt === 1 ? 'error' : 'debug'](
      { network: id, attempt, err: error },
      'datapath could not be applied',
    )
    if (!isCode(error, 'kernel')) return
    // a namespace of a network that was removed may hold the VNI
    swept = false
    void sweep()
  }
  const reconsider = (ids: Iterable<NetworkId>): void => {
    const local = new Set(networksUsedBy(store.snapshot(), host))
    for (const id of ids) if (lanes.has(id) || local.has(id)) laneOf(id).lane.poke()
  }
  const reconsiderAll = (): void =>
    reconsider(new Set([...lanes.keys(), ...networksUsedBy(store.snapshot(), host)]))
  const considerFreshness = (): void => {
    if (started || !mayRemove()) return
    reconsiderAll()
    started = true
  }
  const changed = (keys: readonly ChangedKey[]): void => {
    considerFreshness()
    for (const { table, key } of keys) {
      if (table === 'endpoints') lanes.get(networkOfKey(key))?.network.changed(key)
    }
    reconsider(touchedBy(keys))
    if (keys.some((key) => isReplicaOn(key, host))) reconsider(remapped())
    void sweep()
  }
  /** Networks whose place on this host is not where we have them. */
  const remapped = (): NetworkId[] =>
    [...new Set([...lanes.keys(), ...networksUsedBy(store.snapshot(), host)])].filter(
      (id) => localNamespaceOf(id) !== lanes.get(id)?.network.facts().namespace,
    )

  /** Namespaces of an earlier life: given to their network, or removed when there is none. */
  const sweep = (): Promise<void> => {
    if (swept || closed || !mayRemove()) return Promise.resolve()
    sweeping ??= sweepOnce()
      .catch((error: unknown) => log.error({ err: error }, 'old namespaces could not be removed'))
      .finally(() => {
        sweeping = undefined
      })
    return sweeping
  }
  const sweepOnce = async (): Promise<void> => {
    const found = await kernel.namespaces()
    const snapshot = store.snapshot()
    const owners = new Map([...snapshot.networks.keys()].map((id) => [localNamespaceOf(id), id]))
    const strays = found.filter((namespace) => !owners.has(namespace) && !isHeld(namespace))
    for (const namespace of found) {
      const owner = owners.get(namespace)
      if (owner === undefined) continue
      const { network, lane } = laneOf(owner)
      if (network.facts().namespace !== undefined) continue
      network.adopt(namespace)
      lane.poke()
    }
    // a stray may be that of a network whose place here is not known yet
    const unmapped = networksUsedBy(snapshot, host).some((id) => localNamespaceOf(id) === undefined)
    if (unmapped && strays.length > 0) return
    for (const namespace of strays) {
      await kernel.apply([{ op: 'namespace-del', namespace }])
      log.info({ namespace }, 'namespace of a network that is no more, removed')
    }
    swept = true
  }
  const isHeld = (namespace: string): boolean =>
    [...lanes.values()].some(({ network }) => network.facts().namespace === namespace)

  const sweepStrayLinks = (): void => {
    if (closed || !mayRemove() || performance.now() - endsLookedAt < auditMs) return
    endsLookedAt = performance.now()
    removeStrayLinks({ kernel, store, host, log }).catch((error: unknown) =>
      log.error({ err: error }, 'loose ends could not be removed'),
    )
  }

  /** One network after the other: the one that comes first in the map goes to its end. */
  const tick = (): void => {
    considerFreshness()
    void sweep()
    sweepStrayLinks()
    const [id, next] = lanes.entries().next().value ?? []
    if (id !== undefined && next !== undefined) {
      lanes.delete(id)
      if (next.network.facts().namespace !== undefined || next.lane.status().state !== 'idle') {
        lanes.set(id, next)
        next.network.audit()
        next.lane.poke()
      }
    }
    timer = setTimeout(tick, auditPause(lanes.size))
  }
  const auditPause = (networks: number): number => {
    const round = Math.max(auditMs, (networks * auditedMs) / auditShare)
    return round / Math.max(1, networks)
  }

  const stop = store.onChange((_, keys) => changed(keys))
  const stopFresh = store.onFresh(() => changed([]))
  let timer = setTimeout(tick, auditPause(lanes.size))
  reconsiderAll()
  considerFreshness()
  void sweep()

  return {
    settled(id, joining) {
      const { lane, network } = laneOf(id)
      if (joining !== undefined) network.expect(joining)
      return lane.settled(settleMs)
    },
    audit() {
      swept = false
      endsLookedAt = Number.NEGATIVE_INFINITY
      void sweep()
      sweepStrayLinks()
      for (const { network, lane } of lanes.values()) {
        network.audit()
        lane.poke()
      }
    },
    status: () =>
      new Map([...lanes].map(([id, { lane, network }]) => [id, { ...lane.status(), ...network.facts() }])),
    async close() {
      closed = true
      stop()
      stopFresh()
      clearTimeout(timer)
      for (const { again } of lanes.values()) clearTimeout(again)
      await Promise.all([sweeping, ...[...lanes.values()].map(({ lane }) => lane.close())])
    },
  }
}

function touchedBy(keys: readonly ChangedKey[]): Set<NetworkId> {
  const touched = new Set<NetworkId>()
  for (const { table, key } of keys) {
    if (table === 'networks') touched.add(key)
    if (table === 'endpoints') touched.add(networkOfKey(key))
  }
  return touched
}
