/**
 * What must happen so that this host's engine has the cluster's networks: the networks of the store beside those of
 * the engine. Pure; networks.ts does it.
 *
 * A copy is known by an option that carries the network's id, so that it is found again whatever was lost. Removals
 * come before creations, since a network may have come back under the name of one that went.
 */
import type { HostName, Network, NetworkId, Snapshot } from '../../core/records.ts'
import { endpointsOf, replicasOn } from '../../core/snapshot.ts'
import type { EngineNetwork, NewEngineNetwork } from '../../engine/engine.ts'

/** Option of a network and of its IPAM; the verbs know it too. */
export const replicaOption = 'multihost.id'

export type Step =
  /** The engine's name and labels go into the store. */
  | { step: 'learn'; local: string; network: NetworkId; name: string; labels: Record<string, string> }
  | { step: 'map'; local: string; network: NetworkId }
  /** The engine's network goes. */
  | { step: 'remove'; local: string; name: string; why: string }
  | { step: 'create'; network: NetworkId; name: string }
  /** The store says that the engine has it, and it has not. */
  | { step: 'forget'; local: string }
  /** A network that was made here and never got a name: its creation failed on the way back to the engine. */
  | { step: 'discard'; local: string }
  /** Somebody's removal was not finished. */
  | { step: 'finish'; network: NetworkId }
  /** Nothing can be done but to say so. */
  | { step: 'report'; key: string; message: string }

/** `creating`: networks that the engine is making, or has just made; it may not show them yet. */
export function planNetworks(
  snapshot: Snapshot,
  host: HostName,
  here: readonly EngineNetwork[],
  creating: readonly string[] = [],
): Step[] {
  const mapped = replicasOn(snapshot, host)
  const placed = new Map<NetworkId, EngineNetwork>()
  const steps: Step[] = []
  // The mapped one of two is kept.
  for (const local of [...here].sort((a, b) => rank(mapped, b) - rank(mapped, a))) {
    const id =
      mapped.get(local.id) ??
      local.options[replicaOption] ??
      (snapshot.networks.has(local.id) ? local.id : undefined)
    if (id === undefined) steps.push(notInStore(local))
    else if (placed.has(id)) steps.push(removal(local, `it is a second copy of ${placed.get(id)?.name}`))
    else {
      placed.set(id, local)
      steps.push(...stepsFor(snapshot, host, local, id, mapped.has(local.id)))
    }
  }
  for (const [local, id] of mapped) {
    if (creating.includes(local) || here.some((it) => it.id === local)) continue
    const network = snapshot.networks.get(id)?.value
    const unfinished = local === id && network !== undefined && network.name === undefined
    steps.push(unfinished ? { step: 'discard', local } : { step: 'forget', local })
  }
  const expected = new Set(mapped.values())
  for (const [id, { value }] of snapshot.networks) {
    if (value.removing) steps.push({ step: 'finish', network: id })
    else if (value.name !== undefined && !placed.has(id) && !expected.has(id)) {
      steps.push({ step: 'create', network: id, name: value.name })
    }
  }
  return steps.sort((a, b) => order.indexOf(a.step) - order.indexOf(b.step))
}

const order: Step['step'][] = ['report', 'learn', 'map', 'forget', 'discard', 'finish', 'remove', 'create']

function stepsFor(
  snapshot: Snapshot,
  host: HostName,
  local: EngineNetwork,
  id: NetworkId,
  isMapped: boolean,
): Step[] {
  const network = snapshot.networks.get(id)?.value
  if (network === undefined) return [removal(local, 'it is gone from the cluster')]
  if (network.removing) return []
  const steps: Step[] = isMapped ? [] : [{ step: 'map', local: local.id, network: id }]
  if (network.name !== undefined || network.createdBy !== host || local.id !== id) return steps
  return [...steps, ...nameSteps(snapshot, network, local)]
}

/**
 * The name is ours, or it was another network's first: then ours gives way if nobody uses it. That of a network which
 * is being removed is free in a moment.
 */
function nameSteps(snapshot: Snapshot, network: Network, local: EngineNetwork): Step[] {
  const { id } = network
  const claim = snapshot['network-names'].get(local.name)?.value
  const holder = claim === undefined || claim === id ? undefined : snapshot.networks.get(claim)?.value
  if (holder === undefined)
    return [{ step: 'learn', local: id, network: id, name: local.name, labels: local.labels }]
  if (holder.removing) return []
  const first = `${holder.createdBy} made a network ${local.name} first`
  if (endpointsOf(snapshot, id).length === 0) return [removal(local, first)]
  const message = `network ${local.name} stays on this host alone: ${first}; remove it, then the other one appears`
  return [{ step: 'report', key: id, message }]
}

function rank(mapped: ReadonlyMap<string, NetworkId>, { id, endpoints }: EngineNetwork): number {
  return (mapped.has(id) ? 2 : 0) + (endpoints.length > 0 ? 1 : 0)
}

function removal({ id, name }: EngineNetwork, why: string): Step {
  return { step: 'remove', local: id, name, why }
}

function notInStore({ id, name }: EngineNetwork): Step {
  const message = `network ${name} (${id.slice(0, 12)}) of this host is not in the store; remove it and make it again`
  return { step: 'report', key: id, message }
}

/** The engine's call that makes this host's copy: as on the host where it was made, and with its id. */
export function replicaOf(network: Network): NewEngineNetwork {
  const { id, name = id, v4, v6, internal, options, labels } = network
  const mark = { [replicaOption]: id }
  return {
    name,
    driver: 'vxlan',
    internal,
    ipv6: v6 !== undefined,
    options: { ...options, ...mark },
    labels,
    ipamDriver: 'vxlan',
    ipamOptions: mark,
    pools: (v6 === undefined ? [v4] : [v4, v6]).map(({ cidr, range, gateway, aux }) => ({
      subnet: cidr,
      ...(range === undefined ? {} : { range }),
      gateway,
      aux,
    })),
  }
}
