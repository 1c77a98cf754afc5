/**
 * The clients of the DNS server, by address, and the names that each may see.
 *
 * The engine's DNS forwards a container's query from the container's own namespace. So the query comes from
 * the container's address on docker_gwbridge, or on another bridge that leads out of the container. No NAT
 * rule changes that address on the way to an address of this host.
 *
 * A container sees the names of its networks and no others. This host sees all names. A client on a bridge of
 * this host that is not in the engine's list of containers (an image that is being built) sees no names, and
 * its queries are forwarded. All other clients are refused, before the engine is asked.
 *
 * The engine is asked for its networks and never for a container: an inspection waits while the container is
 * locked (a long `docker cp`, a stop that hangs). A client that is known is answered at once, while the
 * engine is asked beside. A look asks for the bridges that events or unknown clients tell of, and for
 * docker_gwbridge, which has no events: a host may have hundreds of bridges.
 */
import { contains, isCidr } from '../../core/ip.ts'
import { type Link, linkedZones, linksOn } from '../../core/links.ts'
import { type Zone, zoneOf } from '../../core/names.ts'
import type { Cidr, HostName, Ip, NetworkId, Snapshot } from '../../core/records.ts'
import { endpointsOnHost } from '../../core/snapshot.ts'
import type { View } from '../../dns/lookup.ts'
import type { Engine, EngineNetwork } from '../../engine/engine.ts'
import { ownInterfaces } from '../../kernel/own-interfaces.ts'
import type { Store } from '../../store/store.ts'
import { within } from '../../within.ts'
import type { ClientNetworks } from './client-networks.ts'

export interface DnsClients {
  viewOf(address: string): Promise<View | undefined>
  /**
   * To be called when the container has started, stopped, connected or disconnected; without one when any may
   * have. `network`: Docker's id of the network that it was connected to or disconnected from.
   */
  forget(container?: string, network?: string): void
}

export interface DnsClientsOptions {
  store: Pick<Store, 'snapshot'>
  engine: Pick<Engine, 'bridges' | 'network'>
  host: HostName
  networks: Pick<ClientNetworks, 'inOrder'>
  /** Hosts that cannot be reached. */
  away(): ReadonlySet<HostName>
  /** Of a container's `--link`. */
  linksOf(container: string): readonly Link[]
  /** Addresses of this host whose links other machines share. Clients from there are refused. */
  shared(): Ip[]
  /** This host's addresses. Undefined when the system does not say. */
  links?(): Cidr[] | undefined
  /** For an address that the engine has not listed, it is asked again after this time at the earliest. */
  pauseMs?: number
  /** A question waits this long for the engine. */
  waitMs?: number
}

interface ClientsState {
  options: DnsClientsOptions
  /** On each of the engine's bridges, by Docker's id. */
  containers: Map<string, Map<Ip, string>>
  /** Subnets of the engine's bridges. */
  bridges: readonly Cidr[]
  links: readonly Cidr[]
  linksAt: number
  /** Something has changed since the last look. */
  isStale: boolean
  /** Which bridges have: those with these ids, and of these addresses; or any. */
  changed: { ids: Set<string>; addresses: Set<Ip> } | 'any'
  /** Any address may be another container's by now. */
  isDoubtful: boolean
  lookedAt: number
  looking: Promise<void> | undefined
}

const mostChanged = 1000
/** Interfaces are listed again after this time. */
const linksForMs = 1000

export function createDnsClients(options: DnsClientsOptions): DnsClients {
  const state: ClientsState = {
    options,
    containers: new Map(),
    bridges: [],
    links: [],
    linksAt: Number.NEGATIVE_INFINITY,
    isStale: true,
    changed: 'any',
    isDoubtful: true,
    lookedAt: Number.NEGATIVE_INFINITY,
    looking: undefined,
  }
  return {
    forget(container, network) {
      state.isStale = true
      // The container may be the first one on a bridge that the engine has just made.
      state.linksAt = Number.NEGATIVE_INFINITY
      state.lookedAt = Number.NEGATIVE_INFINITY
      if (container === undefined) Object.assign(state, { isDoubtful: true, changed: 'any' })
      if (network !== undefined && state.changed !== 'any') state.changed.ids.add(network)
      // No client has asked for long.
      if (state.changed !== 'any' && state.changed.ids.size > mostChanged) state.changed = 'any'
      for (const on of state.containers.values())
        for (const [ip, owner] of on) if (owner === container) on.delete(ip)
    },
    viewOf: (text) => viewOf(state, plain(text)),
  }
}

async function viewOf(state: ClientsState, address: Ip): Promise<View | undefined> {
  const { store, away, waitMs = 1000 } = state.options
  const links = linksOf(state)
  if (isLoopback(address) || links.some((link) => link.split('/')[0] === address)) {
    const all = [...store.snapshot().networks.keys()].map((id) => zoneOf(store.snapshot(), id, away()))
    return { zones: all.filter((it) => it !== undefined), onlyUnambiguous: true }
  }
  const shared = state.options.shared()
  const isNear = links.some((link) => contains(link, address) && !shared.some((own) => contains(link, own)))
  if (!isNear) return undefined
  const isKnown = containerAt(state, address) !== undefined
  if (!isKnown && state.changed !== 'any') state.changed.addresses.add(address)
  if (state.isStale || !isKnown) {
    const looked = lookAgain(state)
    if (state.isDoubtful || !isKnown) await within(looked, waitMs)
  }
  const container = containerAt(state, address)
  if (container === undefined) {
    return state.bridges.some((it) => contains(it, address))
      ? { zones: [], onlyUnambiguous: true }
      : undefined
  }
  return { zones: zonesOfContainer(state.options, container), onlyUnambiguous: false }
}

function containerAt({ containers }: ClientsState, address: Ip): string | undefined {
  for (const on of containers.values()) {
    const container = on.get(address)
    if (container !== undefined) return container
  }
  return undefined
}

function zonesOfContainer(
  { store, host, networks, away, linksOf }: DnsClientsOptions,
  container: string,
): Zone[] {
  const snapshot = store.snapshot()
  const links = linksOf(container)
  const ordered = networks.inOrder(container, [...networksOf(snapshot, host, container)])
  const ids = ordered.flatMap((it) => ('id' in it ? it.id : []))
  const zones = ids.flatMap((id) => {
    const zone = zoneOf(snapshot, id, away())
    return zone === undefined ? [] : [{ zone, links: linksOn(snapshot, id, links) }]
  })
  return links.length === 0 ? zones.map(({ zone }) => zone) : linkedZones(zones)
}

async function lookAgain(state: ClientsState): Promise<void> {
  const { pauseMs = 1000 } = state.options
  if (state.looking === undefined && performance.now() - state.lookedAt < pauseMs) return
  state.looking ??= look(state).finally(() => {
    state.looking = undefined
  })
  await state.looking
}

/** Looks once more when something has changed meanwhile: the answer may be from before the change. */
async function look(state: ClientsState): Promise<void> {
  const isMore = (): boolean => state.isStale || state.changed === 'any' || state.changed.addresses.size > 0
  if ((await lookOnce(state)) && isMore()) await lookOnce(state)
}

/** False when the engine did not answer. */
async function lookOnce(state: ClientsState): Promise<boolean> {
  const { engine } = state.options
  const { changed } = state
  Object.assign(state, { isStale: false, lookedAt: performance.now() })
  state.changed = { ids: new Set(), addresses: new Set() }
  try {
    const bridges = await engine.bridges()
    const due = bridges.filter((it) => !state.containers.has(it.id) || isDue(it, changed))
    const found = await Promise.all(due.map(({ id }) => engine.network(id)))
    const looked = new Map(found.flatMap((it) => (it === undefined ? [] : [[it.id, containersOn(it)]])))
    const onBridge = ({ id }: EngineNetwork) => looked.get(id) ?? state.containers.get(id) ?? new Map()
    state.containers = new Map(bridges.map((it) => [it.id, onBridge(it)]))
    state.bridges = bridges.flatMap(subnetsOf)
    state.isDoubtful = isAny(state)
    return true
  } catch {
    // The engine is away: the old addresses are used until it answers again.
    Object.assign(state, { isStale: true, isDoubtful: true, changed: 'any' })
    return false
  }
}

/** Everything may have changed since the look began. */
function isAny({ changed }: ClientsState): boolean {
  return changed === 'any'
}

function isDue(bridge: EngineNetwork, changed: ClientsState['changed']): boolean {
  if (changed === 'any' || bridge.name === 'docker_gwbridge' || changed.ids.has(bridge.id)) return true
  return [...changed.addresses].some((ip) => subnetsOf(bridge).some((subnet) => contains(subnet, ip)))
}

function containersOn({ endpoints }: EngineNetwork): Map<Ip, string> {
  const addresses = endpoints.flatMap(({ v4, v6 = '', container }) =>
    [v4, v6].map((ip): [Ip, string] => [ip, container]),
  )
  return new Map(addresses.filter(([ip]) => ip !== ''))
}

function subnetsOf({ pools }: EngineNetwork): Cidr[] {
  return pools.map(({ subnet }) => subnet).filter(isCidr)
}

function networksOf(snapshot: Snapshot, host: HostName, container: string): Set<NetworkId> {
  const own = endpointsOnHost(snapshot, host).filter(({ value }) => value.container?.id === container)
  return new Set(own.map(({ value }) => value.network))
}

function linksOf(state: ClientsState): readonly Cidr[] {
  const { links = ownLinks } = state.options
  if (performance.now() - state.linksAt < linksForMs) return state.links
  state.links = links() ?? state.links
  state.linksAt = performance.now()
  return state.links
}

function ownLinks(): Cidr[] | undefined {
  return ownInterfaces()?.flatMap(({ cidr }) => cidr ?? [])
}

/** A dual-stack socket reports IPv4 addresses as ::ffff:…; link-local addresses have a `%scope`. */
function plain(address: string): Ip {
  return address.replace(/^::ffff:(?=\d+\.)/, '').replace(/%.*$/, '')
}

function isLoopback(address: Ip): boolean {
  return address === '::1' || address.startsWith('127.')
}
