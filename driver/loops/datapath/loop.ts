/**
 * Makes this host's kernel what the store wants: desired(snapshot) → plan(have, want) → apply(ops), per
 * network.
 *
 * A change of the store touches the networks of the changed keys; each network is serialised, a few run at
 * once. The kernel reports changes made by hand. An audit checks the networks in turn for changes that were
 * not reported; with many networks it slows down, so that it takes at most a tenth of a processor. At the
 * start the namespaces that are there are adopted. Nothing is removed until the store has been fresh once:
 * the copy on disk may be old. Closing leaves the kernel as it is.
 */
import type { UnderWay } from '../../core/endpoints/life.ts'
import { DriverError, isCode } from '../../core/errors.ts'
import type { EndpointId, HostName, NetworkId, Snapshot } from '../../core/records.ts'
import {
  endpoint as endpointRecord,
  endpointsAt,
  isReplicaOn,
  keyIn,
  labelOf,
  networkOfKey,
  networksUsedBy,
  restOf,
} from '../../core/snapshot.ts'
import type { Engine } from '../../engine/engine.ts'
import type { Kernel, Underlay } from '../../kernel/kernel.ts'
import type { KernelWatch } from '../../kernel/watch.ts'
import type { Log } from '../../log.ts'
import type { ChangedKey, Store } from '../../store/store.ts'
import { changedNetworks } from '../kit/changed-networks.ts'
import { createRunAgain, type RunAgain } from '../kit/run-again.ts'
import { mayRemove } from '../kit/store-trust.ts'
import {
  createWorkQueue,
  type Limit,
  limitOf,
  type WorkQueue,
  type WorkQueueStatus,
} from '../kit/work-queue.ts'
import type { NoticeMs } from './namespace-watch.ts'
import { type NetworkDatapath, type NetworkFacts, networkDatapath } from './network.ts'
import { removeStrayLinks } from './stray-links.ts'
import { createStrayNamespaces, type StrayNamespaces } from './stray-namespaces.ts'

export interface DatapathOptions extends UnderWay {
  store: Pick<Store, 'snapshot' | 'lookup' | 'onChange' | 'onFresh' | 'status'>
  kernel: Kernel
  engine: Pick<Engine, 'networks' | 'network' | 'attached'>
  host: HostName
  /** The device that carries this host's VTEP address, as it is now. */
  underlay(): Underlay
  log: Log
  /** Full path of the network's namespace here (`namespaceOf`), from the replicas. */
  localNamespaceOf(network: NetworkId): string | undefined
  /** Links or addresses in the host's namespace may have changed. */
  onHostLinks?(): void
  /** Each network is looked at this often, while they are few, where the kernel does not tell of changes. */
  auditMs: number
  /** And where it does. */
  slowAuditMs: number
  /** Links and namespaces go this long after their last user. */
  removalDelayMs: number
  noticeMs: NoticeMs
  /** How long Docker must not show an endpoint before its link goes without Leave. */
  graceMs: number
  /** Bound of `settled`. */
  settleMs: number
}

export interface DatapathLoop {
  /**
   * Resolves when the kernel has everything that the present snapshot wants for that network. Join calls it
   * after its commit and names its endpoint, whose link is made if it is not there. Rejects with the last
   * error after a bound.
   */
  settled(network: NetworkId, joining?: EndpointId): Promise<void>
  /** Looks at every network's namespace now. */
  audit(): void
  /** This host's underlay has changed. */
  replan(): void
  /** By network. A network that has nothing on this host is left out. */
  status(): Map<NetworkId, WorkQueueStatus & NetworkFacts>
  /** One sentence each, for `multihost status`. */
  problems(): string[]
  close(): Promise<void>
}

/** Share of one processor that looking may take. */
const auditShare = 0.1
const concurrentNetworks = 4
/** Hosts change many times a second when many of them start. */
const replanPauseMs = 1000
/** One look serves the changes of this time. */
const hostLinksPauseMs = 250

interface Entry {
  readonly network: NetworkDatapath
  readonly queue: WorkQueue
  readonly again: RunAgain
}

/** What the loop knows of all networks. */
interface State {
  readonly options: DatapathOptions
  /** In the order of the next audits. */
  readonly networks: Map<NetworkId, Entry>
  readonly limit: Limit
  readonly mayRemove: () => boolean
  /** When it was considered last, what the store lacked proved nothing. */
  wasInDoubt: boolean
  readonly strayNamespaces: StrayNamespaces
  /** What one audit of a network takes, on average. */
  auditedMs: number
  readonly strayLinksAgain: RunAgain
  readonly hostLinksAgain: RunAgain
  readonly replanAgain: RunAgain
  hostWatch: KernelWatch | undefined
  /** When stray links were looked for, by performance.now(). */
  strayLinksLookedAt: number
  timer: NodeJS.Timeout | undefined
  closed: boolean
}

export function startDatapath(options: DatapathOptions): DatapathLoop {
  const { store, auditMs, settleMs } = options
  const state: State = {
    options,
    networks: new Map(),
    limit: limitOf(concurrentNetworks),
    mayRemove: () => mayRemove(store),
    wasInDoubt: true,
    strayNamespaces: createStrayNamespaces({
      ...options,
      mayRemove: () => mayRemove(store),
      isHeld: (namespace) => isHeld(state, namespace),
      adopt: (id, namespace) => adopt(state, id, namespace),
      retryMs: auditMs,
    }),
    auditedMs: 10,
    strayLinksAgain: createRunAgain(() => sweepStrayLinks(state)),
    hostLinksAgain: createRunAgain(() => options.onHostLinks?.()),
    replanAgain: createRunAgain(() => reconsiderAll(state)),
    hostWatch: undefined,
    strayLinksLookedAt: Number.NEGATIVE_INFINITY,
    timer: undefined,
    closed: false,
  }
  const stops = [store.onChange((_, keys) => changed(state, keys)), store.onFresh(() => changed(state, []))]
  scheduleTick(state)
  reconsiderAll(state)
  considerDoubt(state)
  state.strayNamespaces.look()
  return {
    async settled(id, joining) {
      if (state.closed) throw new DriverError('unavailable', 'the driver is stopping', { hint: 'try again' })
      const { queue, network } = entryOf(state, id)
      if (joining !== undefined) network.expect(joining)
      return queue.settled(settleMs)
    },
    audit: () => auditAll(state),
    replan: () => reconsiderAll(state),
    status: () =>
      new Map(
        [...state.networks].map(([id, { queue, network }]) => [
          id,
          { ...queue.status(), ...network.facts() },
        ]),
      ),
    problems: () => problemsOf(state),
    async close() {
      state.closed = true
      for (const stop of stops) stop()
      clearTimeout(state.timer)
      for (const again of [state.strayLinksAgain, state.hostLinksAgain, state.replanAgain]) again.cancel()
      await Promise.all([state.strayNamespaces.close(), ...[...state.networks.values()].map(end)])
      await state.hostWatch?.close()
    },
  }
}

function entryOf(state: State, id: NetworkId): Entry {
  const existing = state.networks.get(id)
  if (existing !== undefined) return existing
  const { store, host, kernel, engine, calls, ended, arriving, log, underlay, localNamespaceOf } =
    state.options
  const { removalDelayMs, noticeMs, graceMs } = state.options
  const network = networkDatapath({
    network: id,
    host,
    kernel,
    log,
    snapshot: () => store.snapshot(),
    underlay,
    localNamespaceOf,
    mayRemove: state.mayRemove,
    record: () => store.lookup('networks', id),
    hasUnreadable: () => hasUnreadableEndpoint(store, id),
    engine,
    calls,
    ended,
    arriving,
    graceMs,
    removalDelayMs,
    noticeMs,
    again: (afterMs) => again.after(afterMs),
    lookPauseMs: () => state.auditedMs / auditShare,
    onAudited: (durationMs) => {
      state.auditedMs += (durationMs - state.auditedMs) / 8
    },
  })
  const queue = createWorkQueue({
    name: `network ${id.slice(0, 12)}`,
    work: network.step,
    limit: state.limit,
    onFailure: (error, attempt) => failed(state, id, error, attempt),
  })
  const again = createRunAgain(queue.poke)
  const entry = { network, queue, again }
  state.networks.set(id, entry)
  return entry
}

async function end({ network, queue, again }: Entry): Promise<void> {
  await queue.close()
  await network.close()
  again.cancel()
}

function hasUnreadableEndpoint(store: DatapathOptions['store'], network: NetworkId): boolean {
  const { endpoints } = store.snapshot()
  return store
    .status()
    .corrupt.some(
      ({ table, key }) => table === 'endpoints' && key.startsWith(`${network}/`) && !endpoints.has(key),
    )
}

function failed(state: State, id: NetworkId, error: unknown, attempt: number): void {
  const { log } = state.options
  log[attempt === 1 ? 'error' : 'debug'](
    { network: id, attempt, err: error },
    'datapath could not be applied',
  )
  if (!isCode(error, 'kernel')) return
  // The namespace of a network that was removed may hold the VNI.
  state.strayNamespaces.lookAnew()
}

function reconsider(state: State, ids: Iterable<NetworkId>): void {
  const local = new Set(networksUsedBy(state.options.store.snapshot(), state.options.host))
  for (const id of ids) if (state.networks.has(id) || local.has(id)) entryOf(state, id).queue.poke()
}

function reconsiderAll(state: State): void {
  reconsider(state, networksHere(state))
}

/** Networks that are programmed here, or should be. */
function networksHere({ networks, options }: State): Set<NetworkId> {
  return new Set([...networks.keys(), ...networksUsedBy(options.store.snapshot(), options.host)])
}

/** Removals were withheld, and the end of the doubt need not change a record. */
function considerDoubt(state: State): void {
  const isInDoubt = !state.mayRemove()
  if (state.wasInDoubt && !isInDoubt) reconsiderAll(state)
  state.wasInDoubt = isInDoubt
}

function changed(state: State, records: readonly ChangedKey[]): void {
  considerDoubt(state)
  const keys = [...records, ...sharingAddress(state.options.store.snapshot(), records)]
  for (const { table, key } of keys) {
    if (table === 'endpoints') state.networks.get(networkOfKey(key))?.network.changed(key)
  }
  reconsider(state, changedNetworks(keys, ['networks', 'endpoints']))
  // The hosts of a network and their underlays decide its MTU.
  if (keys.some(({ table }) => table === 'hosts' || table === 'uses')) state.replanAgain.after(replanPauseMs)
  if (keys.some((key) => isReplicaOn(key, state.options.host))) {
    reconsider(state, remapped(state))
    // A namespace that no record explained may be of this network.
    state.strayNamespaces.recordsChanged()
  }
  state.strayNamespaces.look()
}

/** The endpoints that have one address whose lease has changed: it says which of them gets the frames. */
function sharingAddress(snapshot: Snapshot, records: readonly ChangedKey[]): ChangedKey[] {
  const leases = records.filter(({ table }) => table === 'addresses')
  return leases.flatMap(({ key }): ChangedKey[] => {
    const found = endpointsAt(snapshot, networkOfKey(key), restOf(key))
    if (found.length < 2) return []
    return found.map(({ value }) => ({ table: 'endpoints', key: keyIn(value.network, value.id) }))
  })
}

/** Networks whose namespace belongs at another path now. */
function remapped(state: State): NetworkId[] {
  return [...networksHere(state)].filter(
    (id) => state.options.localNamespaceOf(id) !== state.networks.get(id)?.network.facts().namespace,
  )
}

function isHeld({ networks }: State, namespace: string): boolean {
  return [...networks.values()].some(({ network }) => network.facts().namespace === namespace)
}

function adopt(state: State, id: NetworkId, namespace: string): void {
  // Its work would not end, and would go by records that do not change any more.
  if (state.closed) return
  const { network, queue } = entryOf(state, id)
  if (network.facts().namespace !== undefined) return
  network.adopt(namespace)
  queue.poke()
}

/** Links appear in the host's namespace when containers start and end. */
function watchHost(state: State): void {
  const { kernel, auditMs } = state.options
  if (state.closed || isWatched(state)) return
  state.hostWatch = kernel.watch('host', () => {
    state.strayLinksAgain.after(auditMs)
    state.hostLinksAgain.after(hostLinksPauseMs)
    if (!isWatched(state)) scheduleTick(state)
  })
  state.options.onHostLinks?.()
}

function isWatched({ hostWatch }: State): boolean {
  return hostWatch?.isAlive() ?? false
}

function sweepStrayLinks(state: State): void {
  const { kernel, store, host, arriving, log, auditMs } = state.options
  if (state.closed || !state.mayRemove()) return
  const waitMs = state.strayLinksLookedAt + auditMs - performance.now()
  if (waitMs > 0) {
    state.strayLinksAgain.after(waitMs)
    return
  }
  state.strayLinksLookedAt = performance.now()
  removeStrayLinks({ kernel, store, host, arriving, log }).catch((error: unknown) =>
    log.error({ err: error }, 'stray links could not be removed'),
  )
}

/** Audits the network that waits longest; it goes to the end of the map, or out of it when nothing of it is here. */
function tick(state: State): void {
  const { networks } = state
  considerDoubt(state)
  state.strayNamespaces.look()
  watchHost(state)
  // With many networks there is a tick often, and the kernel tells of links.
  const strayLinksPauseMs = isWatched(state) ? state.options.slowAuditMs : state.options.auditMs
  if (performance.now() - state.strayLinksLookedAt >= strayLinksPauseMs) sweepStrayLinks(state)
  const [id, next] = networks.entries().next().value ?? []
  if (id !== undefined && next !== undefined) {
    networks.delete(id)
    if (next.network.facts().namespace !== undefined || next.queue.status().state !== 'idle') {
      networks.set(id, next)
      next.network.audit()
      next.queue.poke()
    } else void end(next) // a question to Docker that is under way would go on with it, beside the next entry
  }
  scheduleTick(state)
}

function scheduleTick(state: State): void {
  clearTimeout(state.timer)
  if (!state.closed) state.timer = setTimeout(() => tick(state), auditPauseMs(state))
}

function auditPauseMs(state: State): number {
  const { networks, options, auditedMs } = state
  const isTold =
    state.strayNamespaces.areGone() &&
    !state.wasInDoubt &&
    isWatched(state) &&
    [...networks.values()].every(({ network }) => network.isWatched())
  const auditMs = isTold ? options.slowAuditMs : options.auditMs
  const roundMs = Math.max(auditMs, (networks.size * auditedMs) / auditShare)
  return roundMs / Math.max(1, networks.size)
}

function auditAll(state: State): void {
  state.strayLinksLookedAt = Number.NEGATIVE_INFINITY
  state.strayNamespaces.lookAnew()
  sweepStrayLinks(state)
  for (const { network, queue } of state.networks.values()) {
    network.audit()
    queue.poke()
  }
}

function problemsOf({ networks, options, strayNamespaces }: State): string[] {
  const snapshot = options.store.snapshot()
  return [
    ...[...networks].flatMap(([id, { network }]) => networkProblems(snapshot, id, network.facts())),
    ...strayNamespaces.problems(),
  ]
}

function networkProblems(snapshot: Snapshot, id: NetworkId, { lost, kept, refused }: NetworkFacts): string[] {
  const name = labelOf(snapshot, id)
  const lostLinks = lost.map((it) => {
    const container = endpointRecord(snapshot, id, it)?.value.container?.name ?? 'CONTAINER'
    const hint = `docker network disconnect ${name} ${container}, and connect it again`
    return `container ${container} has lost its link to network ${name}; ${hint}`
  })
  return [...lostLinks, ...[...kept, ...refused].map((clause) => `network ${name}: ${clause}`)]
}
