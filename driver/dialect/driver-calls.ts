/**
 * What the words of 2015 ask of the driver. In the daemon these are functions on its store
 * (calls-in-daemon.ts); in `multihost docker` and `multihost service` they are requests on the control socket
 * (calls-over-socket.ts).
 */
import type { Cidr, HostName, NetworkId } from '../core/records.ts'
import type { ServiceVerbs } from '../verbs/service.ts'

export interface DriverCalls {
  clusterNetworks(): Promise<ClusterNetworks>
  /**
   * Resolves when the engine here has the cluster's network of that name; undefined when it has not within
   * `waitMs`.
   */
  waitForNetwork(name: string, waitMs?: number): Promise<ReadyNetwork | undefined>
  /** A pool that no network has and that this host does not route; none of `refused`. */
  choosePool(refused: readonly Cidr[]): Promise<Cidr>
  services: Asked<ServiceVerbs>
}

/** The same functions; each may be asynchronous. */
type Asked<Functions> = {
  [name in keyof Functions]: Functions[name] extends (...args: infer Args) => infer Result
    ? (...args: Args) => Result | Promise<Awaited<Result>>
    : never
}

export interface ClusterNetworks {
  /** Name of the network of containers that name none. */
  defaultNetwork: string
  networks: NetworkView[]
  /** Pools of all networks, also of those that are being made. */
  claimed: Cidr[]
}

export interface NetworkView {
  id: NetworkId
  /** Absent while the network is being made. */
  name?: string
  /** Docker's id of the network on this host; absent while the network is not here yet. */
  localId?: string
  users: { host: HostName; container?: { id: string; name: string } }[]
  /** Other hosts whose containers for the network do not run. `names`: some of them. */
  stopped: { host: HostName; names: string[] }[]
  /** Names of the services that are published on the network. */
  services: string[]
}

export interface ReadyNetwork {
  id: NetworkId
  localId: string
}

export const waitForNetworkMs = 10_000
