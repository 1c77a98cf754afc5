/**
 * What the driver of one host is given. Everything outside of the process is an argument.
 */
import type { PoolSource } from '../core/pools.ts'
import type { HostName, Ip, NetworkId } from '../core/records.ts'
import type { DockerCommands } from '../engine/docker-commands.ts'
import type { Engine } from '../engine/engine.ts'
import type { Kernel, Underlay } from '../kernel/kernel.ts'
import type { Log } from '../log.ts'
import type { OpenTunnel } from '../loops/tunnels/prober.ts'
import type { Store } from '../store/store.ts'
import type { Intervals } from './intervals.ts'
import type { SocketPaths } from './sockets.ts'
import type { FindUnderlay } from './underlay.ts'

export interface DriverOptions {
  /** Called until it succeeds: what a member needs of the machine. */
  prepare(): Promise<Setup>
  /** The VTEP's device and address as they are now. Called now and then, since an address can change. */
  findUnderlay: FindUnderlay
  kernel: Kernel
  engine: Engine
  /** What the docker wrapper's commands do at the engine. */
  docker: DockerCommands
  /** Opens the sockets of tunnel probes. Undefined: tunnels are not probed. */
  openTunnel: OpenTunnel | undefined
  pools: readonly PoolSource[]
  /** Name servers that this host or its containers may ask, as they are now. Undefined: they cannot be read. */
  resolvers(): Promise<Ip[] | undefined>
  /** For the docker wrapper, which makes this network when a container names none. */
  defaultNetwork: { driver: string; name: string }
  sockets: SocketPaths
  namespaceFolder: string
  names: NamesOptions
  /** Time limit of Docker's calls. The kernel gets what the store's limit leaves of it. */
  answerWithinMs: number
  /** False: tunnel packets are not filtered. */
  filterIsOn: boolean
  intervals: Intervals
  /** Where the endpoints are kept that the store does not have yet. Undefined: in memory. */
  journalPath: string | undefined
  /** Right before Docker is answered. */
  answering(method: string): void
  version: string
  log: Log
}

/** Where containers find each other's names. */
export interface NamesOptions {
  /** Where DNS answers the names of containers. Undefined: nowhere. */
  dnsListen: DnsAddress | undefined
  /** Named endpoints of a network, above which its names are DNS's alone. */
  hostsFileLimit: number
  /**
   * Where the driver finds the file system that the engine sees, for hosts files; empty when it is the
   * driver's own.
   */
  fileRoot: string
}

export interface DnsAddress {
  /** Where clients ask. */
  address: Ip
  port: number
  /** An address of the driver's own, and where the driver listens on it: port 53 of the host stays free. */
  ownPort?: number
}

export interface Setup {
  /** This host's name in the cluster. */
  host: HostName
  /** This host's id, kept in its state folder. */
  id: string
  /** The machine's hostname where it is not `host`. */
  hostname?: string | undefined
  underlay: Underlay
  store: Store
  /**
   * Docker's id of a network on this host -> the network, as the copy on disk has it: a host that was removed
   * meanwhile writes them again.
   */
  replicas?: ReadonlyMap<string, NetworkId> | undefined
  /** This host holds its name: it may be kept on disk. */
  claimed?(): Promise<void>
}
