/**
 * What the engine says of the networks of this host's containers: their order, and the names on networks of
 * other drivers (a bridge of the project's own). The engine's own DNS knows those names, and nothing of ours
 * may hide them.
 *
 * A change costs as much as the changed container's networks of other drivers are large.
 */
import { compareNetworks, type OrderedNetwork } from '../../core/network-order.ts'
import type { HostName, NetworkId } from '../../core/records.ts'
import { networkById, networkIdOnHost } from '../../core/snapshot.ts'
import type { Engine, EngineContainer } from '../../engine/engine.ts'
import type { Store } from '../../store/store.ts'

export interface ClientNetworks {
  /**
   * Learns a running container's networks. Asks the engine about networks of other drivers that are new.
   * Returns the containers whose hosts files may have to change, besides this one.
   */
  learn(container: EngineContainer): Promise<string[]>
  /** For a container that has ended. Returns as `learn` does. */
  forget(container: string): string[]
  /**
   * The container's networks, in the order of `compareNetworks`: the cluster's (`ours`), and those of other
   * drivers. A container that is not learnt has no priorities and no other networks.
   */
  inOrder(container: string, ours: readonly NetworkId[]): ClientNetwork[]
  /**
   * The network of another driver that has the container's default route. Undefined where packets to other
   * networks reach this host first: by a bridge of the engine's, or by docker_gwbridge.
   */
  wayOut(container: string): WayOut | undefined
}

/** A network's name and its driver. */
export interface WayOut {
  network: string
  driver: string
}

export type ClientNetwork = { id: NetworkId } | OtherNames

/** What the engine's DNS answers the container on a network of another driver, in lower case. */
export interface OtherNames {
  /** The names of this host's containers there, without the aliases of the container's links. */
  names: ReadonlySet<string>
  /** Aliases of its links to containers that are there: tried before the names of all networks. */
  aliases: ReadonlySet<string>
}

type Attachment = EngineContainer['attachments'][number]

interface OtherNetwork {
  driver: string
  internal: boolean
  /**
   * Its driver gives containers the default route, also without a gateway: ipvlan in mode l3, and networks
   * without `--gateway` in late engines.
   */
  isWayOut: boolean
  /** The names of each of this host's containers. */
  members: Map<string, readonly string[]>
  /** All of them; undefined after a change. */
  names?: ReadonlySet<string> | undefined
}

interface State {
  store: Pick<Store, 'snapshot'>
  engine: Pick<Engine, 'network'>
  host: HostName
  /** By container id. */
  attachments: Map<string, readonly Attachment[]>
  /** Networks of other drivers that a container is on, by Docker's id. */
  others: Map<string, OtherNetwork>
  /** Questions to the engine that it has not answered yet, by Docker's id of the network. */
  looks: Map<string, Promise<OtherNetwork | undefined>>
}

export function createClientNetworks(options: Pick<State, 'store' | 'engine' | 'host'>): ClientNetworks {
  const state: State = { ...options, attachments: new Map(), others: new Map(), looks: new Map() }
  return {
    learn: (container) => learn(state, container),
    forget(id) {
      const changed = replaceNames(state, id, [])
      state.attachments.delete(id)
      return clientsOn(state, changed)
    },
    inOrder: (id, ours) => inOrder(state, id, ours),
    wayOut: (id) => wayOut(state, id),
  }
}

async function learn(state: State, { id, attachments }: EngineContainer): Promise<string[]> {
  const found = await Promise.all(
    attachments.map(async (at) => ({ at, other: await otherNetwork(state, at) })),
  )
  const changed = replaceNames(state, id, found)
  state.attachments.set(id, attachments)
  return clientsOn(state, changed).filter((client) => client !== id)
}

/** Undefined for a network of the cluster, and for one that the container is not connected to yet. */
async function otherNetwork(
  { store, engine, host, others, looks }: State,
  { network, endpoint }: Attachment,
): Promise<OtherNetwork | undefined> {
  if (endpoint === '' || networkIdOnHost(store.snapshot(), host, network) !== undefined) return undefined
  const known = others.get(network)
  if (known !== undefined) return known
  const look = looks.get(network) ?? lookAt(engine, network).finally(() => looks.delete(network))
  looks.set(network, look)
  return look
}

async function lookAt(engine: State['engine'], network: string): Promise<OtherNetwork | undefined> {
  const found = await engine.network(network)
  if (found === undefined || found.driver === 'vxlan') return undefined
  const { driver, internal, options } = found
  // Without a parent they are internal (parseNetworkOptions of moby's drivers/macvlan and drivers/ipvlan).
  const isWayOut = /^(macvlan|ipvlan)$/.test(driver) && !internal && options.parent !== undefined
  return { driver, internal, isWayOut, members: new Map() }
}

/** Ids of the networks of other drivers on which the container's names have changed. */
function replaceNames(
  { others }: State,
  container: string,
  found: readonly { at: Attachment; other: OtherNetwork | undefined }[],
): string[] {
  const changed: string[] = []
  const change = (id: string, other: OtherNetwork): void => {
    other.names = undefined
    changed.push(id)
  }
  const now = new Map(found.flatMap(({ at, other }) => (other ? [[at.network, { at, other }]] : [])))
  for (const [id, other] of others) {
    if (now.has(id)) continue
    if (namesIn(other, container).length > 0) change(id, other)
    other.members.delete(container)
    if (other.members.size === 0) others.delete(id)
  }
  for (const [id, { at, other: looked }] of now) {
    const other = others.get(id) ?? looked
    others.set(id, other)
    const names = at.dnsNames.map((name) => name.toLowerCase())
    if (namesIn(other, container).join() !== names.join()) change(id, other)
    other.members.set(container, names)
  }
  return changed
}

/** None for a container that is not on the network. On the default bridge no container has names. */
function namesIn({ members }: OtherNetwork, container: string): readonly string[] {
  return members.get(container) ?? []
}

/** The containers on these networks of other drivers that are on one of the cluster's, too. */
function clientsOn({ others, attachments }: State, networks: readonly string[]): string[] {
  const members = new Set(networks.flatMap((id) => [...(others.get(id)?.members.keys() ?? [])]))
  const isClient = (id: string): boolean =>
    attachments.get(id)?.some(({ network }) => !others.has(network)) === true
  return [...members].filter(isClient)
}

function inOrder(state: State, container: string, ours: readonly NetworkId[]): ClientNetwork[] {
  const { store, attachments } = state
  const own = attachments.get(container) ?? []
  const all: (OrderedNetwork & { is: ClientNetwork })[] = ours.map((id) => {
    const { name = id, internal = false } = networkById(store.snapshot(), id)?.value ?? {}
    const priority = own.find((at) => at.name === name)?.priority ?? 0
    return { name, isSwarms: false, internal, hasGateway: false, priority, is: { id } }
  })
  const rest = othersOf(state, container).map((it) => ({ ...it, is: namesFor(it.other, it.links) }))
  return [...all, ...rest].sort(compareNetworks).map(({ is }) => is)
}

/** The container's networks of other drivers. */
function othersOf(
  { attachments, others }: State,
  container: string,
): (OrderedNetwork & { other: OtherNetwork; links: Attachment['links'] })[] {
  return (attachments.get(container) ?? []).flatMap(({ network, name, priority, links, ...at }) => {
    const other = others.get(network)
    if (other === undefined) return []
    const hasGateway = at.hasGateway || other.isWayOut
    const isSwarms = other.driver === 'overlay'
    return [{ name, isSwarms, internal: other.internal, hasGateway, priority, other, links }]
  })
}

/** The engine takes the gateway of the first network that has one (libnetwork's getGatewayEndpoint). */
function wayOut(state: State, container: string): WayOut | undefined {
  const [first] = othersOf(state, container)
    .filter(({ hasGateway }) => hasGateway)
    .sort(compareNetworks)
  if (first === undefined || first.other.driver === 'bridge') return undefined
  return { network: first.name, driver: first.other.driver }
}

function namesFor(other: OtherNetwork, links: Attachment['links']): OtherNames {
  const names = namesOn(other)
  if (links.length === 0) return { names, aliases: new Set() }
  const targets = new Map(links.map(({ alias, target }) => [alias.toLowerCase(), target.toLowerCase()]))
  const found = [...targets].filter(([_, target]) => names.has(target))
  return {
    names: new Set([...names].filter((name) => !targets.has(name))),
    aliases: new Set(found.map(([alias]) => alias)),
  }
}

function namesOn(other: OtherNetwork): ReadonlySet<string> {
  other.names ??= new Set([...other.members.values()].flat())
  return other.names
}
