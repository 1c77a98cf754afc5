/**
 * A driver that takes part in the cluster: verbs and loops around one store, the kernel and the engine.
 *
 * Everything outside of the process comes in as an argument, so that tests run several members in one
 * process. Closing leaves the kernel as it is.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { type ControlParts, controlApp } from '../control/app.ts'
import { type CheckParts, check } from '../control/check.ts'
import { createMetrics, type Metrics } from '../control/metrics.ts'
import { type Status, type StatusParts, statusOf } from '../control/status.ts'
import { namespaceOf } from '../core/datapath/desired.ts'
import { DriverError } from '../core/errors.ts'
import type { Liveness } from '../core/liveness.ts'
import type { NetworkId } from '../core/records.ts'
import { localIdOf, restOf } from '../core/snapshot.ts'
import { type Dialect, startDialect } from '../dialect/start-in-daemon.ts'
import type { Underlay } from '../kernel/kernel.ts'
import { startDatapath } from '../loops/datapath/loop.ts'
import type { HostClaim } from '../loops/host/claim.ts'
import { createPeerEndpoints, type PeerEndpoints } from '../loops/tunnels/peer-endpoints/receive.ts'
import { type Call, pluginApp } from '../protocol/app.ts'
import { countFailures } from '../store/count-failures.ts'
import { type JournaledStore, withJournal } from '../store/journal.ts'
import { openJournalFile } from '../store/journal-file.ts'
import type { Store } from '../store/store.ts'
import type { VerbContext } from '../verbs/context.ts'
import { createVerbs } from '../verbs/create-verbs.ts'
import { evict } from '../verbs/evict-host.ts'
import { createInFlight, type InFlight } from '../verbs/in-flight.ts'
import { steadyNow } from '../verbs/steady-now.ts'
import type { Verbs } from '../verbs/verbs.ts'
import { createStartingContainer } from './container-of-request.ts'
import type { DriverOptions, Setup } from './dependencies.ts'
import { engineHas } from './engine-of-request.ts'
import { type Loops, startLoops } from './loops.ts'
import { memberStore } from './member-store.ts'
import type { Apps } from './sockets.ts'
import { type UnderlayWatch, watchUnderlay } from './underlay.ts'

export interface MemberOptions extends Omit<DriverOptions, 'prepare' | 'answering'> {
  setup: Setup
  startedAt: string
  /** Nothing is written until it is held: the host loop renews it. */
  claim: HostClaim
  onCall(call: Call): void
  /** Aborted when the driver stops, before its sockets are closed. */
  stopping: AbortSignal
}

export interface Member {
  apps: Apps
  status(): Status
  /** No container is started from now on. Resolves when those that are being started have started or failed. */
  endStarts(): Promise<void>
  close(): Promise<void>
}

/** The running parts that `status` and `check` read. */
interface Parts {
  options: MemberOptions
  store: JournaledStore
  underlay(): Underlay
  underlayProblem(): string | undefined
  localNamespaceOf(network: NetworkId): string | undefined
  context: VerbContext
  peerEndpoints: PeerEndpoints
  datapath: ReturnType<typeof startDatapath>
  dialect: Dialect
  loops: Loops
}

export async function startMember(options: MemberOptions): Promise<Member> {
  const { setup, log } = options
  const metrics = createMetrics()
  const member = memberStore(countFailures(setup.store, metrics.onStoreError), options.claim.isHeld)
  const file = await openJournalFile(options.journalPath, log)
  const store = withJournal(member, file, { host: setup.host, log })
  const { findUnderlay, intervals } = options
  const place = watchUnderlay(setup, { findUnderlay, log, everyMs: intervals.everyMs.underlay })
  const localNamespaceOf = namespacesOf(store, options)
  const inFlight = createInFlight({ store, log, now: steadyNow })
  const peerEndpoints = createPeerEndpoints({ store, host: setup.host, log })
  const onHostLinks = () => [place.look(), loops.naming.hostLinksChanged(), loops.hosts.linksChanged()]
  const datapath = datapathOf(options, {
    ...{ store: peerEndpoints.store, place, onHostLinks, localNamespaceOf, inFlight },
  })
  const starting = createStartingContainer(options.engine, steadyNow)
  const { settled } = datapath
  const context = contextOf(options, { store, underlay: place.now, settled, inFlight, starting })
  const { verbs, plain, dialect } = verbsOf(options, context, metrics)
  repeatRemovals(store, plain)
  const { engine, kernel, openTunnel, names, filterIsOn } = options
  const loops = startLoops({
    ...{ context, engine, kernel, openTunnel, names, filterIsOn, intervals, dialect, peerEndpoints },
    replicas: setup.replicas,
    resolvers: options.resolvers,
    underlay: place.now,
    onEvent: starting.happened,
    deleteNetwork: plain.deleteNetwork,
    onRun: metrics.onRun,
    claim: options.claim,
  })
  place.onChange(() => {
    datapath.replan()
    loops.hosts.poke()
  })
  const parts: Parts = {
    options,
    store,
    underlay: place.now,
    underlayProblem: place.problem,
    localNamespaceOf,
    context,
    peerEndpoints,
    datapath,
    dialect,
    loops,
  }
  return memberOf(parts, metrics, verbs, place.close)
}

/** Docker does not repeat a DeleteNetwork whose removal the store did not have when the driver ended. */
function repeatRemovals({ journal }: JournaledStore, { deleteNetwork }: Verbs): void {
  for (const localId of journal.removedNetworks.all()) {
    void deleteNetwork(localId, new AbortController().signal).catch(
      () => 'the networks loop compares the store with Docker',
    )
  }
}

/** Of a call's time limit: for all but the kernel. A Join waits for the store and the kernel at the same time. */
const ownShareMs = 1000

function datapathOf(
  { setup, kernel, engine, log, intervals, answerWithinMs }: MemberOptions,
  made: {
    store: PeerEndpoints['store']
    place: UnderlayWatch
    onHostLinks(): unknown
    localNamespaceOf: Parts['localNamespaceOf']
    inFlight: InFlight
  },
): Parts['datapath'] {
  const { store, place, onHostLinks, localNamespaceOf, inFlight } = made
  return startDatapath({
    store,
    kernel,
    engine,
    host: setup.host,
    underlay: place.now,
    log,
    localNamespaceOf,
    calls: inFlight.calls,
    ended: inFlight.ended,
    arriving: inFlight.arriving,
    onHostLinks,
    ...intervals.datapath,
    graceMs: intervals.graceMs,
    settleMs: answerWithinMs - ownShareMs,
  })
}

function memberOf(parts: Parts, metrics: Metrics, verbs: Verbs, stopLooking: () => void): Member {
  const { options, dialect, loops, datapath } = parts
  const onCall = (call: Call): void => {
    metrics.onCall(call)
    options.onCall(call)
    if (call.outcome !== 'ok' && startsContainer(call.method)) loops.restarts.refused()
  }
  return {
    apps: {
      plugin: pluginApp({ verbs, onCall, limitMs: options.answerWithinMs }),
      control: controlApp(controlParts(parts, metrics), dialect.routes),
    },
    status: () => statusOf(statusParts(parts)),
    endStarts: loops.restarts.close,
    async close() {
      stopLooking()
      await Promise.all([dialect.close(), loops.close()])
      await datapath.close()
      parts.peerEndpoints.stop()
      await parts.store.journal.stop()
    },
  }
}

function startsContainer(method: string): boolean {
  return ['IpamDriver.RequestAddress', 'NetworkDriver.CreateEndpoint', 'NetworkDriver.Join'].includes(method)
}

function contextOf(
  { setup, engine, kernel, pools, log, version }: MemberOptions,
  made: Pick<VerbContext, 'store' | 'underlay' | 'settled' | 'inFlight' | 'starting'>,
): VerbContext {
  return {
    ...made,
    host: setup.host,
    pools,
    routes: () => kernel.routes(),
    foreignVxlans: () => kernel.foreignVxlans(),
    engineHas: engineHas(engine),
    log,
    version,
    now: () => new Date(),
    returnedWithinMs: 1500,
  }
}

function namespacesOf(store: Store, { setup, namespaceFolder }: MemberOptions) {
  return (network: NetworkId): string | undefined => {
    const localId = localIdOf(store.snapshot(), setup.host, network)
    return localId === undefined ? undefined : namespaceOf(localId, namespaceFolder)
  }
}

/** `verbs` are Docker's: with them the docker wrapper knows before the engine that the default network goes. */
function verbsOf(options: MemberOptions, context: VerbContext, metrics: Metrics) {
  const { engine, docker, defaultNetwork, sockets, intervals } = options
  const plain = createVerbs(context)
  const dialect = startDialect({
    ...{ context, verbs: plain, engine, docker, defaultNetwork },
    controlSocket: sockets.controlSocket,
    everyMs: intervals.everyMs.defaultNetwork,
    onRun: metrics.onRun,
  })
  const verbs: Verbs = {
    ...plain,
    async deleteNetwork(localId, signal) {
      await dialect.withdraw()
      return plain.deleteNetwork(localId, signal)
    },
  }
  return { plain, verbs, dialect }
}

function statusParts(parts: Parts): StatusParts {
  const { options, store, underlay, underlayProblem, context, datapath, dialect, loops } = parts
  const { hosts, networks, endpoints, addresses, restarts, naming, filter } = loops
  const { setup, version, startedAt, defaultNetwork } = options
  return {
    version,
    host: setup.host,
    hostname: setup.hostname,
    startedAt,
    defaultNetwork,
    underlay,
    underlayProblem,
    snapshot: store.snapshot,
    store: store.status,
    datapath: datapath.status,
    loops: () => ({
      host: hosts.status(),
      networks: networks.status(),
      endpoints: endpoints.status(),
      addresses: addresses.status(),
      restarts: restarts.status(),
      'default network': dialect.status(),
      names: naming.workQueueStatus(),
    }),
    loopProblems: () => [
      ...hosts.problems(),
      ...networks.status().problems,
      ...endpoints.status().problems,
      ...restarts.problems(),
      ...datapath.problems(),
      ...filter.problems(),
      ...naming.problems(),
    ],
    names: naming.status,
    tunnels: loops.tunnels.status,
    filter: filter.counts,
    deferred: () => [...store.journal.waiting().map(waitingName), ...context.inFlight.deferred.names()],
  }
}

function waitingName(key: string): string {
  return `endpoint ${restOf(key).slice(0, 12)}`
}

/** Resolves when a live host would have claimed its name again. */
async function claimedAgain({ intervals, stopping }: MemberOptions): Promise<void> {
  await delay(intervals.claimedAgainMs, undefined, { signal: stopping }).catch(() => {
    throw new DriverError('unavailable', 'this driver is stopping', { hint: 'try again' })
  })
}

function controlParts(parts: Parts, metrics: Metrics): ControlParts {
  const { options, store, underlay, localNamespaceOf, context, peerEndpoints, datapath, loops } = parts
  const { kernel, engine, setup, log } = options
  const checked: CheckParts = {
    store,
    kernel,
    engine,
    host: setup.host,
    underlay,
    localNamespaceOf,
    arriving: context.inFlight.arriving,
    withPeerEndpoints: peerEndpoints.on,
    containersMisnamed: loops.naming.differing,
    tunnels: loops.tunnels.status,
    filter: loops.filter.counts,
    pokeAll() {
      loops.poke()
      datapath.audit()
    },
    log,
  }
  return {
    // A store that is away would let the person wait for its timeout.
    status: async () =>
      statusOf(statusParts(parts), store.status().fresh ? await livenessOf(store) : undefined),
    metrics: () => metrics.text(statusOf(statusParts(parts))),
    check: (how) => check(checked, how),
    tunnels: loops.tunnels.askAll,
    evict: (name) => evict(store, name, () => claimedAgain(options)),
  }
}

/** Undefined when the store goes away at this moment. */
async function livenessOf(store: Store): Promise<Liveness | undefined> {
  return store.liveness().catch(() => undefined)
}
