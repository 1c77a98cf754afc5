/**
 * Containers here whose address another endpoint or a service holds now: this host was evicted while it was
 * away, and came back. Such a container stays cut off, since two containers with one address would be worse.
 * And services whose address went elsewhere: a backup of the store brought them back. `multihost status`
 * names both.
 */
import type { EndpointId, Ip, NetworkId, Service, Snapshot } from '../records.ts'
import { isIdle } from '../reserve.ts'
import { addressesOf, endpoint, keyIn, labelOf, networkOfKey } from '../snapshot.ts'
import { adoption, unusedElsewhere } from './adoption.ts'
import { type DockerState, unrecordedIn } from './docker-state.ts'
import type { EndpointCall } from './life.ts'

export interface AddressConflict {
  network: NetworkId
  /** The problem and its hint. */
  message: string
  /** When other hosts have returned these, there is no conflict (`unusedElsewhere`). */
  unused: readonly Ip[]
}

/** For each unrecorded endpoint (life.ts) that cannot have its records again. */
export function addressConflicts(
  state: DockerState,
  calls: ReadonlyMap<EndpointId, EndpointCall>,
): ReadonlyMap<EndpointId, AddressConflict> {
  const { snapshot } = state
  const found = unrecordedIn(state, calls).flatMap(([network, at]): [EndpointId, AddressConflict][] => {
    if (at.container === undefined || adoption(state, network, at) !== undefined) return []
    const holders = [at.v4, at.v6].map((ip) => holderOf(snapshot, keyIn(network, ip ?? ''), at.id))
    const holder = holders.find((it) => it !== undefined)
    if (holder === undefined) return []
    const name = labelOf(snapshot, network)
    const problem = `container ${at.container.name} is cut off from network ${name}: its address ${at.v4} went to ${holder}`
    const hint = `docker network disconnect ${name} ${at.container.name}, and connect it again`
    const unused = unusedElsewhere(state, network, at)
    return [[at.id, { network, message: `${problem}; ${hint}`, unused }]]
  })
  return new Map(found)
}

/** Per published service whose address another one holds: the problem and its hint. */
export function serviceConflicts(snapshot: Snapshot): string[] {
  return [...snapshot.services.values()].flatMap(({ value }) =>
    addressesOf(value).flatMap((ip) => {
      const holder = holderInsteadOf(snapshot, value, ip)
      if (holder === undefined) return []
      const who = `service ${value.name} of network ${labelOf(snapshot, value.network)}`
      return [`${who} has no address: ${ip} went to ${holder}; ${serviceHint}`]
    }),
  )
}

export const serviceHint = 'unpublish the service and publish it again'

/** The holder of a service's address, for people. Undefined where the service holds it, or the address is free. */
export function holderInsteadOf(snapshot: Snapshot, { network, name }: Service, ip: Ip): string | undefined {
  const key = keyIn(network, ip)
  return snapshot.addresses.get(key)?.value.service === name ? undefined : holderOf(snapshot, key)
}

/** Who has the address, for people. Undefined where the endpoint `id` has it, and where it is free. */
export function holderOf(snapshot: Snapshot, key: string, id?: EndpointId): string | undefined {
  const lease = snapshot.addresses.get(key)?.value
  if (lease === undefined || (id !== undefined && lease.endpoint === id)) return undefined
  if (isIdle(lease)) return `the reserve of ${lease.host}`
  const network = networkOfKey(key)
  const holder = lease.endpoint && endpoint(snapshot, network, lease.endpoint)?.value.container
  const what = lease.service === undefined ? [] : [`service ${lease.service}`]
  const who = holder ? [`container ${holder.name}`] : []
  return `${[...what, ...who].join(' and ') || 'a container'} on ${lease.host}`
}
