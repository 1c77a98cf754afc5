/**
 * This host's networks and endpoints as its engine has them, together with the store's records: the input of
 * every comparison of Docker with the store.
 */
import type { Cidr, EndpointId, HostName, Ip, Mac, NetworkId, Snapshot } from '../records.ts'
import { endpoint } from '../snapshot.ts'
import { type EndpointCall, lifeOf } from './life.ts'

/** A network of our driver in this host's engine. */
export interface DockerNetwork {
  /** The network's id in the cluster; absent when the cluster does not have the network. */
  network?: NetworkId
  localId: string
  name: string
  pools: readonly Cidr[]
  endpoints: readonly DockerEndpoint[]
}

export interface DockerEndpoint {
  id: EndpointId
  v4: Ip
  v6?: Ip
  mac: Mac
  /** Absent while the endpoint is in no container. */
  container?: { id: string; name: string }
}

export interface DockerState {
  snapshot: Snapshot
  host: HostName
  vtep: Ip
  networks: readonly DockerNetwork[]
  /** ISO 8601, for records that are made again. */
  now: string
}

/** The endpoints of the cluster's networks; networks that only the engine has are left out. */
export function endpointsIn({ networks }: Pick<DockerState, 'networks'>): [NetworkId, DockerEndpoint][] {
  return networks.flatMap(({ network, endpoints }) =>
    network === undefined ? [] : endpoints.map((it) => [network, it] as [NetworkId, DockerEndpoint]),
  )
}

/** Endpoints that a container has and the store does not: `unrecorded` (life.ts). */
export function unrecordedIn(
  state: DockerState,
  calls: ReadonlyMap<EndpointId, EndpointCall>,
): [NetworkId, DockerEndpoint][] {
  return endpointsIn(state).filter(([network, { id, container }]) => {
    const record = endpoint(state.snapshot, network, id)?.value
    const engine = container === undefined ? 'in-no-container' : 'in-container'
    return lifeOf({ record, call: calls.get(id), engine }) === 'unrecorded'
  })
}
