/**
 * The loops that keep store, Docker and names together, and the events that wake them.
 */

import type { Dialect } from '../dialect/start-in-daemon.ts'
import type { Engine, EngineEvent } from '../engine/engine.ts'
import type { Kernel } from '../kernel/kernel.ts'
import { type AddressesLoop, startAddresses } from '../loops/addresses/loop.ts'
import { type EndpointsLoop, startEndpoints } from '../loops/endpoints/loop.ts'
import { type RestartsLoop, startRestarts } from '../loops/endpoints/restarts.ts'
import { type FilterLoop, startFilter } from '../loops/filter/loop.ts'
import { type HostLoop, type HostOptions, startHost } from '../loops/host/loop.ts'
import { followEvents } from '../loops/kit/engine-events.ts'
import type { LoopRun } from '../loops/kit/loop.ts'
import { type NetworksLoop, startNetworks } from '../loops/networks/loop.ts'
import { startTunnels, type TunnelsLoop, type TunnelsOptions } from '../loops/tunnels/loop.ts'
import { blankHost, type VerbContext } from '../verbs/context.ts'
import { finishRemoval } from '../verbs/network.ts'
import type { NamesOptions } from './dependencies.ts'
import { type Naming, startNaming } from './hosts-files-and-dns.ts'
import type { Intervals } from './intervals.ts'

export interface LoopsOptions {
  context: VerbContext
  engine: Engine
  kernel: Pick<Kernel, 'addresses' | 'redirect' | 'tunnelFilter' | 'watchRules'>
  /** False: no filter of tunnel packets. */
  filterIsOn: boolean
  dialect: Pick<Dialect, 'poke' | 'withdraw'>
  claim: HostOptions['claim']
  resolvers: HostOptions['resolvers']
  underlay: TunnelsOptions['underlay']
  openTunnel: TunnelsOptions['openTunnel']
  peerEndpoints: TunnelsOptions['peerEndpoints']
  replicas: HostOptions['replicas']
  onEvent(event: EngineEvent): void
  /** The verb. */
  deleteNetwork(local: string, signal: AbortSignal): Promise<void>
  onRun(run: LoopRun): void
  names: NamesOptions
  intervals: Intervals
}

export interface Loops {
  hosts: HostLoop
  tunnels: TunnelsLoop
  networks: NetworksLoop
  endpoints: EndpointsLoop
  addresses: AddressesLoop
  restarts: RestartsLoop
  naming: Naming
  filter: FilterLoop
  /** Makes every loop look at everything. */
  poke(): void
  close(): Promise<void>
}

export function startLoops(options: LoopsOptions): Loops {
  const { context, engine, kernel, dialect, onRun, claim, names, filterIsOn } = options
  const { everyMs, graceMs, refusedAfterMs } = options.intervals
  const { host, store, log, inFlight } = context
  const common = { store, engine, host, blank: () => blankHost(context), log, onRun }
  const never = new AbortController().signal
  const { underlay, openTunnel, peerEndpoints } = options
  const tunnels = startTunnels({
    ...{ store, host, underlay, openTunnel, peerEndpoints, log },
    everyMs: everyMs.tunnels,
    onChange: () => hosts.poke(),
    onAway: () => naming.awayChanged(),
  })
  const hosts: HostLoop = startHost({
    ...common,
    claim,
    tunnel: tunnels.published,
    routes: context.routes,
    foreignVxlans: context.foreignVxlans,
    resolvers: options.resolvers,
    replicas: options.replicas,
    everyMs: everyMs.host,
  })
  const networks = startNetworks({
    ...common,
    everyMs: everyMs.networks,
    graceMs,
    changing: () => [...inFlight.newNetworks.all(), ...store.journal.removedNetworks.all()],
    shown: inFlight.newNetworks.remove,
    removing: dialect.withdraw,
    discard: (local) => options.deleteNetwork(local, never),
    finish: (network) => finishRemoval(store, network),
  })
  const endpoints = startEndpoints({ ...common, ...options.intervals, everyMs: everyMs.endpoints, inFlight })
  const addresses = startAddresses({ ...common, everyMs: everyMs.addresses, addresses: inFlight.addresses })
  const vtep = (): string => context.underlay().address
  const restarts = startRestarts({ store, engine, host, log, everyMs: everyMs.restarts, refusedAfterMs })
  const naming = startNaming({ ...common, names, kernel, underlay: vtep, away: tunnels.away, everyMs })
  const filter = startFilter({ store, kernel, vtep, filterIsOn, log, everyMs: everyMs.filter, onRun })
  const rules = watchRules(kernel, { filter, naming })
  const all = { hosts, networks, endpoints, addresses, restarts, naming, filter }
  const poke = (): void => {
    for (const loop of [...Object.values(all), dialect]) loop.poke()
  }
  const events = followEngine(all, options, poke)
  // `onChange` tells of changed records only, and a store that answers again may have none.
  const stopFresh = store.onFresh(poke)
  return {
    ...all,
    tunnels,
    poke,
    async close() {
      stopFresh()
      await Promise.all([events, tunnels, rules, ...Object.values(all)].map((it) => it.close()))
    },
  }
}

function watchRules(
  kernel: Pick<Kernel, 'watchRules'>,
  { filter, naming }: Pick<Loops, 'filter' | 'naming'>,
) {
  return kernel.watchRules(() => {
    filter.poke()
    naming.pokeRedirect()
  })
}

type Poked = Omit<Loops, 'poke' | 'close' | 'tunnels' | 'filter'>

function followEngine(all: Poked, { engine, context, dialect, onEvent }: LoopsOptions, poke: () => void) {
  return followEvents({
    engine,
    log: context.log,
    // What happened meanwhile was not told.
    onGap() {
      all.hosts.engineRestarted()
      all.addresses.containersChanged()
      poke()
    },
    onEvent(event) {
      onEvent(event)
      eventHappened(all, dialect, event)
    },
  })
}

function eventHappened(
  { hosts, networks, endpoints, addresses, restarts, naming }: Poked,
  dialect: LoopsOptions['dialect'],
  event: EngineEvent,
): void {
  naming.onEvent(event)
  if (isOfNetworkList(event)) {
    networks.poke()
    dialect.poke()
    // A network that is back may be the one of a container that Docker gave up. A bridge is not.
    if (event.attributes.type !== 'bridge') restarts.poke()
    // The engine's bridges are routes of this host.
    hosts.engineNetworkChanged(event.attributes.name)
  }
  if (isOfUses(event)) {
    networks.pokeUses()
    addresses.containersChanged()
  }
  if (isOfEndpoints(event)) endpoints.compareSoon()
  describeContainer(endpoints, event)
}

/** The engine has made or removed a network. */
function isOfNetworkList({ type, action }: EngineEvent): boolean {
  return type === 'network' && /create|destroy|remove/.test(action)
}

/** A container was made or removed, or connected to a network or disconnected. */
function isOfUses({ type, action }: EngineEvent): boolean {
  return type === 'container' ? /^(create|destroy)$/.test(action) : /^(dis)?connect$/.test(action)
}

/** The engine may have another endpoint than before, or one less. */
function isOfEndpoints({ type, action }: EngineEvent): boolean {
  return type === 'container' ? /^(start|die|destroy)$/.test(action) : action !== 'update'
}

/** The endpoints loop learns the container's name from its network at once, and its aliases when it runs. */
function describeContainer(endpoints: EndpointsLoop, { type, action, id, attributes }: EngineEvent): void {
  const container = type === 'container' ? id : attributes.container
  if (container === undefined) return
  if (type === 'network' && action === 'connect' && attributes.type === 'vxlan') endpoints.connected(id)
  if (/^(start|rename|connect|update)$/.test(action)) endpoints.look(container)
}
