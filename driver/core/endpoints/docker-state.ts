/**
 * This host's networks and endpoints as its engine has them, beside what the store says: what comparisons start from.
 */
import type { Cidr, EndpointId, HostName, Ip, Mac, NetworkId, Snapshot } from '../records.ts'

/** A network of our driver in this host's engine. */
export interface DockerNetwork {
  /** The cluster's id of it; absent when it is not one of the cluster's. */
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

/** Of the cluster's networks alone. */
export function endpointsIn({ networks }: DockerState): [NetworkId, DockerEndpoint][] {
  return networks.flatMap(({ network, endpoints }) =>
    network === undefined ? [] : endpoints.map((it) => [network, it] as [NetworkId, DockerEndpoint]),
  )
}
