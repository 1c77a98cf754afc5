/**
 * The engine as the loops see it: dockerd's API over its socket.
 *
 * Never called from a handler of the plugin protocol: dockerd holds locks while it waits for us
 * (projectcalico/libnetwork-plugin#49).
 */
import type { Proof } from '../core/knowledge.ts'
import type { Cidr, EndpointId, Ip, Mac } from '../core/records.ts'

export interface Engine {
  /** Ends the calls that are under way; they and all later ones throw `unavailable`. */
  close(): void
  version(): Promise<string>
  inSwarmMode(): Promise<boolean>
  /**
   * Blocks of the engine's bridges, where a person chose them (`default-address-pools`). Starts processes in
   * the engine.
   */
  addressPools(): Promise<Cidr[]>
  /** Where the engine keeps its containers' files. Starts processes in the engine. */
  containersFolder(): Promise<string>
  /** All networks of driver `vxlan` on this host. */
  networks(): Promise<EngineNetwork[]>
  /** Waits for no container. */
  network(id: string): Promise<EngineNetwork | undefined>
  createNetwork(network: NewEngineNetwork): Promise<string>
  /** Throws `in-use` when containers are attached; resolves when the network is gone already. */
  removeNetwork(id: string, proof: Proof): Promise<void>
  /** Ids of the running containers. Waits for no container. */
  running(): Promise<string[]>
  /**
   * Networks of the running containers by the containers' own records. The engine keeps them when it has lost
   * its networks: with `live-restore` the containers run on (moby's sandboxRestore finds no sandbox, and goes
   * on). Waits for no container.
   */
  attached(): Promise<Attached[]>
  /** The engine's bridges on this host, without their endpoints. */
  bridges(): Promise<EngineNetwork[]>
  /** Waits while the engine starts the container, stops it or connects it to a network. */
  container(id: string): Promise<EngineContainer | undefined>
  /** Whether the container exists, running or not. Waits for no container. */
  has(id: string): Promise<boolean>
  /** All containers, stopped ones included, with the networks that they are configured for. */
  configuredContainers(): Promise<ConfiguredContainer[]>
  /** Waits for no container. */
  configuredContainer(id: string): Promise<ConfiguredContainer | undefined>
  /**
   * Containers that do not run: those on networks of driver `vxlan`, or all. One that is locked (a long
   * `docker cp`) is left out.
   */
  stoppedContainers(which?: { onAnyNetwork: boolean }): Promise<StoppedContainer[]>
  /** Undefined for a container that runs, or is gone. */
  stoppedContainer(id: string): Promise<StoppedContainer | undefined>
  startContainer(id: string): Promise<void>
  /**
   * Connects a container that does not run. Its entry for a network of the same name is replaced if the
   * engine does not have the network of that entry any more, and stays otherwise: the engine decides it in
   * one step. `network`: a name. An id that the engine does not have would become the name of an entry.
   */
  connect(network: string, container: string, connection: Connection): Promise<void>
  /** Events of networks and containers from now on; ends with `unavailable` when dockerd goes away. */
  events(signal: AbortSignal): AsyncIterable<EngineEvent>
}

export interface Attached {
  /** The container's. */
  name: string
  /** Ids of network and endpoint. */
  network: string
  endpoint: EndpointId
}

export interface EngineNetwork {
  id: string
  name: string
  driver: string
  internal: boolean
  attachable: boolean
  options: Record<string, string>
  ipamDriver: string
  ipamOptions: Record<string, string>
  labels: Record<string, string>
  pools: { subnet: string; range?: string; gateway?: string; aux?: Record<string, string> }[]
  /** Containers on it that run or are being started, as `GET /networks/<id>` tells. */
  endpoints: { id: string; container: string; name: string; mac: Mac; v4: Ip; v6?: Ip }[]
}

export interface NewEngineNetwork {
  name: string
  driver: string
  internal: boolean
  attachable: boolean
  ipv6: boolean
  options: Record<string, string>
  labels: Record<string, string>
  ipamDriver: string
  ipamOptions: Record<string, string>
  pools: { subnet: string; range?: string; gateway?: string; aux?: Record<string, string> }[]
}

export interface EngineContainer {
  id: string
  name: string
  running: boolean
  hostname: string
  /** The file that is bind-mounted as /etc/hosts; absent for host-network containers. */
  hostsPath?: string
  /** Likewise, as /etc/resolv.conf. */
  resolvConfPath?: string
  mounts: { destination: string; source: string }[]
  /** The DNS servers of `--dns`, in their order. Empty: the engine's. */
  dns: Ip[]
  attachments: Attachment[]
}

export interface Attachment {
  /** Docker's id of the network, and its name. */
  network: string
  name: string
  /** Empty while the container is not connected. */
  endpoint: EndpointId
  v4: Ip
  mac: Mac
  aliases: string[]
  /** `--link TARGET:ALIAS` */
  links: { target: string; alias: string }[]
  /** The names that the engine's own DNS has for the container on the network. */
  dnsNames: string[]
  hasGateway: boolean
  /** `gw-priority`, from engine 28 on; 0 unless a person chose one. */
  priority: number
  /** A sysctl disables IPv6 on the interface: it does not have the IPv6 address that the engine gave it. */
  withoutIpv6?: true
}

export interface ConfiguredContainer {
  name: string
  /**
   * `id` is Docker's id of the network: empty before the first start, and that of an earlier network of the
   * name. `addresses`: those that the container names (`--ip`, `--ip6`), canonical.
   */
  networks: { name: string; id: string; addresses: Ip[] }[]
}

export interface StoppedContainer {
  id: string
  name: string
  /** Why the last start failed; empty when it did not. */
  error: string
  /** The container has a restart policy. */
  hasPolicy: boolean
  hasRun: boolean
  /** The network of its creation: a name, or an id; `host`, `none`, `container:ID`. */
  mode: string
  /** The networks that it is configured for, of any driver. `id`: as in `ConfiguredContainer`. */
  networks: { name: string; id: string; connection: Connection }[]
}

/** What people chose when they connected a container to a network. */
export interface Connection {
  aliases: string[]
  /** `CONTAINER:ALIAS` */
  links: string[]
  /** Of the driver. */
  options: Record<string, string>
  v4?: Ip
  v6?: Ip
  linkLocal: Ip[]
  mac?: Mac
  /** Of the networks of a container, the one with the highest priority has the default gateway. */
  gatewayPriority?: number
}

export interface EngineEvent {
  type: 'network' | 'container'
  action: string
  id: string
  attributes: Record<string, string>
}
