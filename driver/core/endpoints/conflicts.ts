/**
 * Containers here whose address is somebody else's now: this host was taken out of the cluster while it was away, and
 * came back. They stay cut off, since two with one address would be worse; a person must hear of it.
 */

import type { EndpointId, Snapshot } from '../records.ts'
import { endpoint, keyIn, networkOfKey } from '../snapshot.ts'
import { adoption } from './adoption.ts'
import { type DockerState, endpointsIn } from './docker-state.ts'

/** Endpoint → a sentence with the way out. Those that are just leaving, or get their records back, are not named. */
export function displaced(
  state: DockerState,
  leaving: ReadonlySet<EndpointId>,
): ReadonlyMap<EndpointId, string> {
  const { snapshot } = state
  const found = endpointsIn(state).flatMap(([network, at]): [EndpointId, string][] => {
    if (at.container === undefined || leaving.has(at.id) || endpoint(snapshot, network, at.id)) return []
    if (adoption(state, network, at) !== undefined) return []
    const by = [at.v4, at.v6].map((ip) => holderOf(snapshot, keyIn(network, ip ?? ''), at.id))
    const holder = by.find((it) => it !== undefined)
    if (holder === undefined) return []
    const name = snapshot.networks.get(network)?.value.name ?? network.slice(0, 12)
    const what = `container ${at.container.name} is cut off from network ${name}: its address ${at.v4} went to ${holder}`
    const way = `docker network disconnect ${name} ${at.container.name}, and connect it again`
    return [[at.id, `${what}; ${way}`]]
  })
  return new Map(found)
}

function holderOf(snapshot: Snapshot, key: string, id: EndpointId): string | undefined {
  const lease = snapshot.addresses.get(key)?.value
  if (lease === undefined || lease.endpoint === id) return undefined
  const network = networkOfKey(key)
  const holder = lease.endpoint && endpoint(snapshot, network, lease.endpoint)?.value.container
  const what = lease.service === undefined ? [] : [`service ${lease.service}`]
  const who = holder ? [`container ${holder.name}`] : []
  return `${[...what, ...who].join(' and ') || 'a container'} on ${lease.host}`
}
