/**
 * The driver of one host, put together: verbs and loops around one store, behind two sockets.
 *
 * Whatever is outside comes in as an argument, so that tests run two of these in one process. The plugin socket is
 * opened last, and closed first; the kernel is left as it is.
 */

import { type ControlParts, controlApp } from '../control/app.ts'
import { check } from '../control/check.ts'
import { createMetrics } from '../control/metrics.ts'
import { type Status, statusOf } from '../control/status.ts'
import { namespaceOf } from '../core/datapath/desired.ts'
import type { Liveness } from '../core/liveness.ts'
import type { PoolSource } from '../core/pools.ts'
import type { HostName, NetworkId } from '../core/records.ts'
import { localIdOf } from '../core/snapshot.ts'
import { type Dialect, startDialect } from '../dialect/start-in-daemon.ts'
import type { DockerCommands } from '../engine/docker-commands.ts'
import type { Engine, EngineEvent } from '../engine/engine.ts'
import type { Kernel, Underlay } from '../kernel/kernel.ts'
import type { Log } from '../log.ts'
import { startDatapath } from '../loops/datapath/loop.ts'
import { type EndpointsLoop, startEndpoints } from '../loops/endpoints/loop.ts'
import { startHost } from '../loops/host/loop.ts'
import { followEvents } from '../loops/kit/engine-events.ts'
import type { WorkQueueStatus } from '../loops/kit/work-queue.ts'
import { startNetworks } from '../loops/networks/loop.ts'
import { answerWithinS } from '../protocol/answer-timeout.ts'
import { type Call, pluginApp } from '../protocol/app.ts'
import { listenOn } from '../protocol/socket.ts'
import { storeAnswersWithinMs } from '../store/consul/store.ts'
import { countFailures } from '../store/count-failures.ts'
import type { Store } from '../store/store.ts'
import { blankHost, type VerbContext } from '../verbs/context.ts'
import { createVerbs } from '../verbs/create-verbs.ts'
import { evict } from '../verbs/evict-host.ts'
import { createInFlight } from '../verbs/in-flight.ts'
import { finishRemoval } from '../verbs/network.ts'
import type { Verbs } from '../verbs/verbs.ts'
import { type DnsAddress, startNaming } from './hosts-files-and-dns.ts'
import { giveToGroup } from './socket-group.ts'

export interface DriverOptions {
  host: HostName
  store: Store
  kernel: Kernel
  engine: Engine
  /** As it is at the start. */
  underlay: Underlay
  /** Where it is now. Asked now and then: an address can change. */
  findUnderlay(): Promise<Underlay>
  pools: readonly PoolSource[]
  /** Told to the docker wrapper, which makes it when a container names no network. */
  defaultNetwork: { driver: string; name: string }
  /** What the docker wrapper's commands do at the engine. */
  docker: DockerCommands
  socket: string
  controlSocket: string
  namespaceFolder: string
  /** Where DNS answers the names of containers; nowhere when absent. */
  dnsListen?: DnsAddress | undefined
  /** Named endpoints of a network, above which its names are DNS's alone. */
  hostsFileLimit?: number
  /** No call of Docker's takes longer; the kernel is waited for as long as that leaves after the store's bound. */
  answerWithinMs?: number
  version: string
  log: Log
  /** Right before Docker is answered. */
  answering?(method: string): void
  /** For tests: how often the loops look by themselves, and how long they wait before they believe. */
  everyMs?: number
  /** Longer than the pause before Docker repeats a call to a driver that was away for up to 3 s (1 s, then 2 s). */
  graceMs?: number
}

export interface Driver {
  status(): Status
  /** Answers what is under way, then stops. */
  close(): Promise<void>
}

export async function startDriver(options: DriverOptions): Promise<Driver> {
  const { host, kernel, log, version, namespaceFolder, answerWithinMs = 1000 * answerWithinS.usual } = options
  const startedAt = new Date().toISOString()
  const metrics = createMetrics(() => status())
  const store = countFailures(options.store, metrics.onStoreError)
  const place = await watchUnderlay(options)
  const inFlight = createInFlight({ store, log, now: () => new Date() })
  const localNamespaceOf = (network: NetworkId): string | undefined => {
    const localId = localIdOf(store.snapshot(), host, network)
    return localId === undefined ? undefined : namespaceOf(localId, namespaceFolder)
  }
  const datapath = startDatapath({
    ...{ store, kernel, host, underlay: place.now, log, localNamespaceOf },
    engine: options.engine,
    calls: inFlight.calls,
    graceMs: options.graceMs ?? 3000,
    settleMs: answerWithinMs - storeAnswersWithinMs,
  })
  const context: VerbContext = {
    host,
    store,
    underlay: place.now,
    pools: options.pools,
    routes: () => kernel.routes(),
    settled: datapath.settled,
    inFlight,
    log,
    version,
    now: () => new Date(),
  }
  const made = createVerbs(context)
  const verbs: Verbs = {
    ...made,
    async deleteNetwork(localId, signal) {
      await dialect.withdraw()
      return made.deleteNetwork(localId, signal)
    },
  }
  const dialect = startDialect({
    ...{ context, verbs, engine: options.engine, docker: options.docker, onRun: metrics.onRun },
    ...{ defaultNetwork: options.defaultNetwork, controlSocket: options.controlSocket },
  })
  const loops = startLoops(options, store, context, made.deleteNetwork, metrics.onRun, dialect)
  const laneStates = (): Record<string, WorkQueueStatus> => ({
    host: loops.hosts.status(),
    networks: loops.networks.status(),
    endpoints: loops.endpoints.status(),
    'default network': dialect.status(),
    names: loops.naming.createWorkQueue(),
  })
  const parts = {
    defaultNetwork: options.defaultNetwork,
    ...{ version, host, startedAt, underlay: place.now, datapath: datapath.status, loops: laneStates },
    ...{ snapshot: () => store.snapshot(), store: () => store.status(), deferred: inFlight.deferred.names },
    loopProblems: () => [
      ...loops.networks.status().problems,
      ...loops.endpoints.status().problems,
      ...datapath.problems(),
    ],
    names: loops.naming.status,
  }
  const status = (): Status => statusOf(parts)
  const control: ControlParts = {
    // Asking a store that is away would cost whoever looks its timeout.
    status: async () => statusOf(parts, store.status().fresh ? await livenessOf(store) : undefined),
    metrics: metrics.text,
    check: (how) =>
      check(
        {
          ...{ store, kernel, engine: options.engine, host, underlay: place.now, localNamespaceOf, log },
          ...{ calls: inFlight.calls, containersMisnamed: loops.naming.differing },
          pokeAll() {
            loops.poke()
            datapath.audit()
          },
        },
        how,
      ),
    evict: (name) => evict(store, name),
  }
  const controls = await listenOn(options.controlSocket, controlApp(control, dialect.app), 0o660)
  await giveToGroup(options.controlSocket, 'docker', log)
  const onCall = (call: Call): void => {
    metrics.onCall(call)
    logCall(log, call)
    options.answering?.(call.method)
  }
  const plugin = await listenOn(options.socket, pluginApp({ verbs, onCall, limitMs: answerWithinMs })).catch(
    async (error: unknown) => {
      await controls.close()
      throw error
    },
  )
  return {
    status,
    async close() {
      await plugin.close()
      await Promise.all([controls.close(), dialect.close(), loops.close(), place.close()])
      await datapath.close()
    },
  }
}

/** Unknown when the store goes away at this moment. */
async function livenessOf(store: Store): Promise<Liveness | undefined> {
  return store.liveness().catch(() => undefined)
}

function startLoops(
  options: DriverOptions,
  store: Store,
  context: VerbContext,
  deleteNetwork: (id: string, signal: AbortSignal) => Promise<void>,
  onRun: NonNullable<Parameters<typeof startNetworks>[0]['onRun']>,
  dialect: Pick<Dialect, 'poke' | 'withdraw'>,
) {
  const { host, engine, log, everyMs = 5000, graceMs = 3000, dnsListen, hostsFileLimit = 500 } = options
  const blank = () => blankHost(context)
  const common = { store, engine, host, blank, log, onRun }
  const never = new AbortController().signal
  const hosts = startHost({ ...common, everyMs: 2 * everyMs })
  const networks = startNetworks({
    ...common,
    ...{
      everyMs: 2 * everyMs,
      graceMs,
      creating: context.inFlight.newNetworks.all,
      shown: context.inFlight.newNetworks.remove,
      removing: dialect.withdraw,
    },
    discard: (local) => deleteNetwork(local, never),
    finish: (network) => finishRemoval(store, network),
  })
  const endpoints = startEndpoints({
    ...common,
    everyMs,
    graceMs,
    inFlight: context.inFlight,
  })
  const naming = startNaming({ ...common, dnsListen, hostsFileLimit, everyMs: 0.4 * everyMs })
  const onEvent = (event: EngineEvent): void => {
    naming.onEvent(event)
    if (isOfNetworkList(event)) {
      networks.poke()
      dialect.poke()
    }
    if (isOfUses(event)) networks.pokeUses()
    describeContainer(endpoints, event)
  }
  const onGap = (): void => {
    for (const loop of [hosts, networks, endpoints, naming]) loop.poke()
  }
  const events = followEvents({ engine, onGap, onEvent, log })
  // A store that answers again has not changed by that, so `onChange` does not say it.
  const stopFresh = store.onFresh(onGap)
  return {
    hosts,
    networks,
    endpoints,
    naming,
    poke: onGap,
    async close() {
      stopFresh()
      await Promise.all([events, hosts, networks, endpoints, naming].map((it) => it.close()))
    },
  }
}

/** The engine has made or removed a network. */
function isOfNetworkList({ type, action }: EngineEvent): boolean {
  return type === 'network' && /create|destroy|remove/.test(action)
}

/** A container was made or removed, or connected to a network or disconnected. */
function isOfUses({ type, action }: EngineEvent): boolean {
  return type === 'container' ? /^(create|destroy)$/.test(action) : /^(dis)?connect$/.test(action)
}

/** The endpoints loop learns the container's name from its network at once, and its aliases when it runs. */
function describeContainer(endpoints: EndpointsLoop, { type, action, id, attributes }: EngineEvent): void {
  const container = type === 'container' ? id : attributes.container
  if (container === undefined) return
  if (type === 'network' && action === 'connect' && attributes.type === 'vxlan') endpoints.connected(id)
  if (/^(start|rename|connect|update)$/.test(action)) endpoints.look(container)
}

async function watchUnderlay({ underlay, findUnderlay, log, everyMs = 5000 }: DriverOptions) {
  let now = underlay
  const look = async (): Promise<void> => {
    try {
      now = await findUnderlay()
    } catch (err) {
      log.debug({ err }, 'the underlay cannot be found at this moment, kept as it was')
    }
  }
  const timer = setInterval(look, 2 * everyMs)
  return { now: () => now, close: async () => clearInterval(timer) }
}

function logCall(log: Log, { method, outcome, durationMs, error }: Call): void {
  const fields = { method, outcome, ms: Math.round(durationMs) }
  if (error === undefined) log.debug(fields, 'answered')
  else log[error.code === 'internal' ? 'error' : 'warn']({ ...fields, err: error }, 'refused')
}
