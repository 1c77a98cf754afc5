/**
 * What the driver of one host is given. Everything outside of the process is an argument.
 */
import type { PoolSource } from '../core/pools.ts'
import type { HostName, Ip, NetworkId } from '../core/records.ts'
import type { DockerCommands } from '../engine/docker-commands.ts'
import type { Engine } from '../engine/engine.ts'
import type { Kernel, Underlay } from '../kernel/kernel.ts'
import type { TunnelSocket } from '../kernel/tunnel-socket.ts'
import type { Log } from '../log.ts'
import type { Store } from '../store/store.ts'
import type { DnsAddress } from './hosts-files-and-dns.ts'

export interface DriverOptions {
  /** Called until it succeeds: what a member needs of the machine. */
  prepare(): Promise<Setup>
  /** The VTEP's device and address as they are now. Called now and then, since an address can change. */
  findUnderlay(): Promise<Underlay>
  kernel: Kernel
  engine: Engine
  pools: readonly PoolSource[]
  /** For the docker wrapper, which makes this network when a container names none. */
  defaultNetwork: { driver: string; name: string }
  /** What the docker wrapper's commands do at the engine. */
  docker: DockerCommands
  socket: string
  controlSocket: string
  namespaceFolder: string
  /** Where DNS answers the names of containers; nowhere when absent. */
  dnsListen?: DnsAddress | undefined
  /** Named endpoints of a network, above which its names are DNS's alone. */
  hostsFileLimit?: number
  /** Where the driver finds the file system that the engine sees, for hosts files; absent: the driver's own. */
  fileRoot?: string
  /** Time limit of Docker's calls. The kernel gets what the store's limit leaves of it. */
  answerWithinMs?: number
  /** False: tunnel packets are not filtered. */
  filterIsOn?: boolean
  version: string
  log: Log
  /** Where the endpoints are kept that the store does not have yet; in memory when absent. */
  journalPath?: string | undefined
  /** Opens the sockets of tunnel probes; without it, tunnels are not probed. */
  openTunnel?(vtep: Ip, port: number): Promise<TunnelSocket>
  /** Right before Docker is answered. */
  answering?(method: string): void
  /** For tests: how often the loops look by themselves, and how long they wait before they believe. */
  everyMs?: number
  /** Longer than the pause before Docker repeats a call to a driver that was away for up to 3 s (1 s, then 2 s). */
  graceMs?: number
  /** For tests: the pause between two attempts to take part. */
  attemptEveryMs?: number
  /** For tests: how long the sockets wait for the first decision. */
  openWithinMs?: number
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
  /** Docker's id of a network on this host -> the network, as the copy on disk has it: a host that was removed meanwhile writes them again. */
  replicas?: ReadonlyMap<string, NetworkId> | undefined
  /** This host holds its name: it may be kept on disk. */
  claimed?(): Promise<void>
}
