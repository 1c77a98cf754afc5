/**
 * What must happen so that the store's endpoints of this host are those that its engine has. Pure; loop.ts
 * does it.
 *
 * Which state an endpoint is in decides its step: an unrecorded one is adopted, asks for its address or is
 * reported, a missing one is removed (core/endpoints/life.ts). Grows with the endpoints of this host.
 */
import { defined } from '../../core/defined.ts'
import { adoptions, lostLeases } from '../../core/endpoints/adoption.ts'
import { type AddressConflict, addressConflicts } from '../../core/endpoints/conflicts.ts'
import { recordedAliases, recordedContainer, recordedHostname } from '../../core/endpoints/description.ts'
import { type DockerNetwork, type DockerState, endpointsIn } from '../../core/endpoints/docker-state.ts'
import { type EndpointCall, lifeOf } from '../../core/endpoints/life.ts'
import type { Change, Endpoint, EndpointId, HostName, Snapshot } from '../../core/records.ts'
import { wantKey } from '../../core/reserve.ts'
import { endpointsOnHost, keyIn, recordName } from '../../core/snapshot.ts'
import type { EngineContainer } from '../../engine/engine.ts'
import { type DriverStart, type Leftover, untakenOn, unused } from './leftovers.ts'

export type Step =
  /** The endpoint lost its record or its leases and gets them back. */
  | { step: 'adopt'; endpoint: EndpointId; changes: Change[] }
  /** The record gets the container's id, name and aliases, and whether its interface lacks IPv6. */
  | { step: 'describe'; endpoint: EndpointId; change: Change }
  /** The engine does not know the endpoint. To be done after a grace period, and from a consistent read. */
  | { step: 'remove'; endpoint: EndpointId }
  /** The pool was left by a creation that failed. */
  | { step: 'release'; change: Change }
  /**
   * The endpoint's addresses lie unused in other hosts' reserves. Asks for them; `message`: the problem where
   * they are not returned.
   */
  | { step: 'want'; endpoint: EndpointId; changes: Change[]; message: string }
  /** Only a person can help. */
  | { step: 'report'; endpoint: EndpointId; message: string }

export interface View extends DockerState {
  /** Docker's calls that the engine may not show yet, or may still show the opposite of. */
  calls: ReadonlyMap<EndpointId, EndpointCall>
  /** Endpoints that the engine need not show yet. */
  arriving: ReadonlySet<EndpointId>
  start: DriverStart
}

export function planEndpoints(view: View): Step[] {
  const { snapshot, host, networks, calls } = view
  const adopted = new Map([...lostLeases(view, calls), ...adoptions(view, calls)])
  const touched = new Set([...adopted.values()].flat().map(recordName))
  const released = unused(untakenBy(view), new Date(view.now), view.start)
  return [
    ...[...adopted].map(([endpoint, changes]): Step => ({ step: 'adopt', endpoint, changes })),
    ...[...addressConflicts(view, calls)].map(([endpoint, conflict]) => stepFor(view, endpoint, conflict)),
    ...networks.flatMap((network) => planDescriptions(snapshot, host, describedByNetwork(network))),
    ...missing(view).map((endpoint): Step => ({ step: 'remove', endpoint })),
    ...released
      .filter((change) => !touched.has(recordName(change)))
      .map((change): Step => ({ step: 'release', change })),
  ]
}

/** An address that is asked for already is not asked for again. */
function stepFor(
  { snapshot, host, now }: View,
  endpoint: EndpointId,
  { network, message, unused }: AddressConflict,
): Step {
  if (unused.length === 0) return { step: 'report', endpoint, message }
  const changes = unused.flatMap((ip): Change[] => {
    const key = wantKey(network, host, ip)
    if (snapshot.wanted.has(key)) return []
    return [{ op: 'create', table: 'wanted', key, value: { host, ip, since: now } }]
  })
  return { step: 'want', endpoint, changes, message }
}

/** What no record uses, and no endpoint that Docker shows or makes. */
export function untakenBy({ snapshot, host, networks, arriving }: View): Leftover[] {
  const shown = new Set(networks.flatMap(({ endpoints }) => endpoints.map(({ id }) => id)))
  const isOfDocker = (id: EndpointId | undefined): boolean =>
    id !== undefined && (shown.has(id) || arriving.has(id))
  return untakenOn(snapshot, host).filter(
    ({ change: { table, key } }) =>
      table !== 'addresses' || !isOfDocker(snapshot.addresses.get(key)?.value.endpoint),
  )
}

function missing(view: View): EndpointId[] {
  const known = new Map(endpointsIn(view).map(([, { id, container }]) => [id, container !== undefined]))
  const engineOf = (id: EndpointId) => {
    const isInContainer = known.get(id)
    if (isInContainer === undefined) return 'absent'
    return isInContainer ? 'in-container' : 'in-no-container'
  }
  return endpointsOnHost(view.snapshot, view.host)
    .filter(({ value }) => {
      // The engine has never shown it in a container, and need not yet.
      if (value.container === undefined && view.arriving.has(value.id)) return false
      const facts = { record: value, call: view.calls.get(value.id), engine: engineOf(value.id) } as const
      return lifeOf(facts) === 'missing'
    })
    .map(({ value }) => value.id)
}

/**
 * What the engine says of an endpoint, as its record can hold it. All but `container` only when it was asked
 * about the container.
 */
export interface Described extends Pick<Endpoint, 'container'>, Partial<Pick<Endpoint, 'aliases'>> {
  hostname?: string | undefined
  withoutIpv6?: true | undefined
}

export function describedByContainers(containers: readonly EngineContainer[]): Map<EndpointId, Described> {
  return new Map(
    containers.flatMap(({ id, name, hostname, attachments }) => {
      const container = recordedContainer({ id, name })
      const own = recordedHostname({ id }, hostname)
      return attachments.map(({ endpoint, aliases, withoutIpv6 }) => {
        const described = { container, aliases: recordedAliases(aliases), hostname: own, withoutIpv6 }
        return [endpoint, described] as const
      })
    }),
  )
}

/** The network answers while a container is starting; the container does not. */
export function describedByNetwork(network: DockerNetwork | undefined): Map<EndpointId, Described> {
  const described = network?.endpoints.flatMap(({ id, container }) =>
    container === undefined ? [] : [[id, { container: recordedContainer(container) }] as const],
  )
  return new Map(described)
}

/** A step per endpoint of this host whose record differs from the description. */
export function planDescriptions(
  snapshot: Snapshot,
  host: HostName,
  described: ReadonlyMap<EndpointId, Described>,
): Step[] {
  return endpointsOnHost(snapshot, host).flatMap(({ value: before, index }): Step[] => {
    const value: Endpoint = defined({ ...before, ...described.get(before.id) })
    if (hasSameDescription(before, value)) return []
    const key = keyIn(before.network, before.id)
    return [
      {
        step: 'describe',
        endpoint: before.id,
        change: { op: 'update', table: 'endpoints', key, value, index },
      },
    ]
  })
}

function hasSameDescription(a: Endpoint, b: Endpoint): boolean {
  return (
    a.container?.id === b.container?.id &&
    a.container?.name === b.container?.name &&
    a.hostname === b.hostname &&
    a.withoutIpv6 === b.withoutIpv6 &&
    a.aliases.join('\n') === b.aliases.join('\n')
  )
}
