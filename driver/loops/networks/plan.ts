/**
 * What must happen so that this host's engine has the cluster's networks. Compares the networks of the store
 * with those of the engine. Pure; loop.ts applies the steps.
 *
 * A copy carries the network's id as an option, so that it is recognized also when all else was lost.
 * Removals come before creations: a network may have come back under the name of a removed one. A copy is
 * removed only with a proof. A network that the store does not show, without saying that it is gone, keeps
 * its copy.
 */
import { defined } from '../../core/defined.ts'
import { type Known, type Proof, recordSays } from '../../core/knowledge.ts'
import { isOneWord } from '../../core/names.ts'
import { neededBy, networkRivals, networkWithId, type Rival } from '../../core/network-rivals.ts'
import {
  type HostName,
  type Network,
  type NetworkId,
  replicaOption,
  type Snapshot,
  type Table,
} from '../../core/records.ts'
import { endpointsOf, recordName, replicasOn } from '../../core/snapshot.ts'
import type { EngineNetwork, NewEngineNetwork } from '../../engine/engine.ts'
import type { ChangedKey } from '../../store/store.ts'

export type Step =
  /** What the engine alone knows goes into the store. */
  | ({ step: 'learn'; local: string; network: NetworkId } & Pick<
      EngineNetwork,
      'name' | 'labels' | 'attachable'
    >)
  | { step: 'map'; local: string; network: NetworkId }
  /** The engine's network is removed. */
  | { step: 'remove'; local: string; name: string; proof: Proof }
  | { step: 'create'; network: NetworkId; name: string }
  /** The store has a replica on this host that the engine does not have. */
  | { step: 'forget'; local: string }
  /** A network that was made here and has no name: its creation failed on the way back to the engine. */
  | { step: 'discard'; local: string }
  /** No host has or needs it, and another network has its name, VNI or pool: it is removed. */
  | { step: 'yield'; network: NetworkId; to: NetworkId }
  /** A removal was begun and not finished. */
  | { step: 'finish'; network: NetworkId }
  /** Only a person can help. */
  | { step: 'report'; key: string; message: string }

export interface View {
  snapshot: Snapshot
  host: HostName
  /** The engine's networks. */
  here: readonly EngineNetwork[]
  /**
   * Networks that the engine is making, or has just made: it may not show them yet. And those whose removal
   * the store does not have yet.
   */
  changing: readonly string[]
  /** The network's record, or why it is missing. */
  lookup(network: NetworkId): Known<Network>
  /** Records whose values cannot be read (`StoreStatus.corrupt`). */
  corrupt: readonly ChangedKey[]
  /** Why a missing record proves nothing at present (`StoreStatus.doubt`). Then the plan only reports. */
  doubt?: string | undefined
}

export function planNetworks(view: View): Step[] {
  const { placed, steps } = stepsForCopies(view)
  const all = [...steps, ...stepsForReplicas(view), ...stepsForCluster(view, placed)]
  const allowed = view.doubt === undefined ? all : all.filter(({ step }) => step === 'report')
  return allowed.sort((a, b) => order.indexOf(a.step) - order.indexOf(b.step))
}

/** Each network of the engine. `placed`: the networks of the cluster that have a copy. */
function stepsForCopies(view: View): { placed: ReadonlySet<NetworkId>; steps: Step[] } {
  const { snapshot, host, here } = view
  const mapped = replicasOn(snapshot, host)
  const placed = new Map<NetworkId, EngineNetwork>()
  const steps: Step[] = []
  // Of two copies the mapped one is kept.
  for (const local of [...here].sort((a, b) => rank(mapped, b) - rank(mapped, a))) {
    const id = mapped.get(local.id) ?? local.options[replicaOption] ?? ownId(view, local)
    const first = id === undefined ? undefined : placed.get(id)
    if (id === undefined) steps.push(notInStore(local))
    else if (first !== undefined)
      steps.push(removal(local, recordSays(`it is a second copy of ${first.name}`)))
    else {
      placed.set(id, local)
      steps.push(...stepsFor(view, local, id, mapped.has(local.id)))
    }
  }
  return { placed: new Set(placed.keys()), steps }
}

/** A network that was made on this host has the cluster's id, also while its record cannot be read. */
function ownId({ lookup }: View, { id }: EngineNetwork): NetworkId | undefined {
  return lookup(id).is === 'gone' ? undefined : id
}

/** Replicas of this host that the engine does not have. */
function stepsForReplicas({ snapshot, host, here, changing, lookup }: View): Step[] {
  return [...replicasOn(snapshot, host)].flatMap(([local, id]): Step[] => {
    if (changing.includes(local) || here.some((it) => it.id === local)) return []
    const network = lookup(id)
    if (network.is === 'unknown') return []
    const isUnfinished = local === id && network.is === 'known' && network.value.name === undefined
    return [{ step: isUnfinished ? 'discard' : 'forget', local }]
  })
}

/** Networks of the cluster that this host lacks, that are being removed, or that another one excludes. */
function stepsForCluster({ snapshot, host, corrupt }: View, placed: ReadonlySet<NetworkId>): Step[] {
  const expected = new Set(replicasOn(snapshot, host).values())
  const rivals = networkRivals(snapshot)
  // One of them may say that the network is needed.
  const unread = corrupt.filter(({ table }) => saysWhoNeeds.has(table)).map(recordName)
  return [...snapshot.networks].flatMap(([id, { value }]): Step[] => {
    if (value.removing) return [{ step: 'finish', network: id }]
    const rival = rivals.get(id)
    if (rival !== undefined) return [rivalStep(value, rival, [...neededBy(snapshot, id), ...unread])]
    if (value.name === undefined || placed.has(id) || expected.has(id)) return []
    return [{ step: 'create', network: id, name: value.name }]
  })
}

const saysWhoNeeds: ReadonlySet<Table> = new Set<Table>(['endpoints', 'replicas', 'services', 'uses'])

/** Both are named while a host has or needs the network that cannot be beside the other one. */
function rivalStep(network: Network, rival: Rival, needed: readonly string[]): Step {
  if (needed.length === 0) return { step: 'yield', network: network.id, to: rival.network.id }
  const [one, other] = [network, rival.network].map(networkWithId)
  const problem = `networks ${one} and ${other} both have ${rival.shared}: ${one} is made on no further host`
  const hint = `remove it where it is (${needed.join(', ')}), or a host that does not come back (multihost host rm)`
  return { step: 'report', key: `rival/${network.id}`, message: `${problem}; ${hint}` }
}

const order: Step['step'][] = [
  'report',
  'learn',
  'map',
  'forget',
  'discard',
  'yield',
  'finish',
  'remove',
  'create',
]

function stepsFor(view: View, local: EngineNetwork, id: NetworkId, isMapped: boolean): Step[] {
  const known = view.lookup(id)
  if (known.is === 'unknown') return [stays(local, known.why)]
  if (known.is === 'gone') return [removal(local, known.proof)]
  const network = known.value
  if (network.removing) return []
  const steps: Step[] = isMapped ? [] : [{ step: 'map', local: local.id, network: id }]
  if (network.name !== undefined || network.createdBy !== view.host || local.id !== id) return steps
  return [...steps, ...nameSteps(view, network, local)]
}

/**
 * The name becomes this network's, unless another network had it first. Then this network is removed if it
 * has no endpoint. The name of a network that is being removed is free in a moment.
 */
function nameSteps({ snapshot, lookup }: View, network: Network, local: EngineNetwork): Step[] {
  const { id } = network
  if (!isOneWord(local.name)) {
    const why = 'its name is not one word of at most 255 characters'
    const message = `network '${local.name}' stays on this host alone: ${why}; remove it, and choose another name`
    return [{ step: 'report', key: id, message }]
  }
  const claim = snapshot['network-names'].get(local.name)?.value
  const known = claim === undefined || claim === id ? undefined : lookup(claim)
  if (known?.is === 'unknown') {
    const why = `another network has the name, and its record is not known (${known.why})`
    return [{ step: 'report', key: id, message: `network ${local.name} stays on this host alone: ${why}` }]
  }
  const holder = known?.is === 'known' ? known.value : undefined
  if (holder === undefined) {
    const { name, labels, attachable } = local
    return [{ step: 'learn', local: id, network: id, name, labels, attachable }]
  }
  if (holder.removing) return []
  const first = `${holder.createdBy} made a network ${local.name} first`
  if (endpointsOf(snapshot, id).length === 0) return [removal(local, recordSays(first))]
  const message = `network ${local.name} stays on this host alone: ${first}; remove it, then the other one appears`
  return [{ step: 'report', key: id, message }]
}

function rank(mapped: ReadonlyMap<string, NetworkId>, { id, endpoints }: EngineNetwork): number {
  return (mapped.has(id) ? 2 : 0) + (endpoints.length > 0 ? 1 : 0)
}

function removal({ id, name }: EngineNetwork, proof: Proof): Step {
  return { step: 'remove', local: id, name, proof }
}

function stays({ id, name }: EngineNetwork, why: string): Step {
  const key = `networks/${id.slice(0, 12)}`
  const message = `network ${name} stays on this host: its record is not known (${why})`
  return { step: 'report', key, message }
}

function notInStore({ id, name }: EngineNetwork): Step {
  const message = `network ${name} (${id.slice(0, 12)}) of this host is not in the store; remove it and make it again`
  return { step: 'report', key: id, message }
}

/** What the engine is asked to make: the network as on its creator's host, and its id as an option. */
export function replicaOf(network: Network): NewEngineNetwork {
  const { id, name = id, v4, v6, internal, attachable = false, options, labels } = network
  const mark = { [replicaOption]: id }
  return {
    name,
    driver: 'vxlan',
    internal,
    attachable: Boolean(attachable),
    ipv6: v6 !== undefined,
    options: { ...options, ...mark },
    labels,
    ipamDriver: 'vxlan',
    ipamOptions: mark,
    pools: (v6 === undefined ? [v4] : [v4, v6]).map(({ cidr, range, gateway, aux }) =>
      defined({ subnet: cidr, range, gateway, aux }),
    ),
  }
}
