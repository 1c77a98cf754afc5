/**
 * The records of the store, as types.
 *
 * Each table is one folder of keys in Consul (docs/consul.md). A rule per table says which host writes a
 * record; all hosts read all records, through a Snapshot.
 */
import type { Map as PersistentMap } from 'immutable'

/** 64 lower-case hex digits: the id that Docker gave the network on the host that created it. */
export type NetworkId = string
/** 64 lower-case hex digits: Docker's id of an endpoint, unique in the cluster. */
export type EndpointId = string
/** The host's name in the cluster: its hostname, or `--host-name`. */
export type HostName = string
/** An IPv4 or IPv6 address in its canonical text form, without a prefix length. */
export type Ip = string
/** `address/length`, the address being the block's first. */
export type Cidr = string
/** Six lower-case hex pairs with colons. */
export type Mac = string
/** 24-bit network identifier, 1 … 16777215; multihost assigns from 256. RFC 7348 §5. */
export type Vni = number

/**
 * How containers are connected to a network's VXLAN device: by a veth on a bridge, or as macvlan children.
 * docs/datapath.md.
 */
export const datapathKinds = ['bridge', 'macvlan'] as const
export type DatapathKind = (typeof datapathKinds)[number]

/**
 * Option of a network and of its IPAM on a host: the network is the replica of the cluster's network with
 * that id. The networks loop sets the option.
 */
export const replicaOption = 'multihost.id'

/** One address block of a network. */
export interface Pool {
  cidr: Cidr
  /** The last usable address unless the creator chose another. Never leased to a container. */
  gateway: Ip
  /** The block from which addresses are handed out (`--ip-range`); the whole pool when absent. */
  range?: Cidr
  /** `--aux-address`: name → address that is never handed out. */
  aux: Record<string, Ip>
}

export interface Network {
  id: NetworkId
  /**
   * Absent until the creator's networks loop has learnt it from the engine: the plugin protocol does not pass
   * it.
   */
  name?: string
  vni: Vni
  v4: Pool
  v6?: Pool
  /** Inner MTU in bytes, from `-o mtu=`; otherwise each host uses its underlay's minus the encapsulation. */
  mtuBytes?: number
  /**
   * From `-o datapath=`; the bridge when absent. A later version may know more kinds: `datapathOf`
   * (core/datapath/desired.ts).
   */
  datapath?: string
  /** UDP port of the tunnel; 4789 (RFC 7348 §5) unless `-o port=`. */
  port: number
  /** `--internal`: no route out through docker_gwbridge. */
  internal: boolean
  /** `--attachable`, which says nothing of such a network: tools compare it. Learnt from the engine with the name. */
  attachable?: true
  /** The creator's other `-o` options and labels, passed unchanged to the engines of the other hosts. */
  options: Record<string, string>
  labels: Record<string, string>
  createdBy: HostName
  /** ISO 8601, the creator's clock; for people only. */
  createdAt: string
  /** Set while the network is being removed: no endpoint may be added. */
  removing?: true
}

/** The host that holds a pool. Made by RequestPool, before the network has an id. */
export interface PoolClaim {
  host: HostName
  /** Absent until CreateNetwork. */
  network?: NetworkId
  /** From RequestPool, and from the RequestAddress calls before CreateNetwork. */
  range?: Cidr
  gateway?: Ip
  /** The driver chose the pool: the creator gave no --subnet. */
  chosen?: true
  /** Addresses requested before the network had an id: `--aux-address`. */
  reserved: Ip[]
  /** ISO 8601. A claim without a network that is older than three minutes is left from a failed create. */
  claimedAt: string
}

export interface Lease {
  host: HostName
  /** Absent while the address is in its host's reserve (reserve.ts). */
  endpoint?: EndpointId
  /** Set when a published service holds the address, with or without an endpoint. */
  service?: string
  /** ISO 8601. */
  leasedAt: string
  /** A person requested the address (`--ip`): while such a container exists, no request without `--ip` gets it. */
  asked?: true
  /**
   * The endpoint that had the address last. The address that was left last is given first. `container`: the
   * id of that endpoint's container, which gets the address again (verbs/from-reserve.ts).
   */
  left?: { endpoint: EndpointId; at: string; container?: string }
}

export interface Endpoint {
  network: NetworkId
  id: EndpointId
  v4: Ip
  v6?: Ip
  mac: Mac
  host: HostName
  /** The host's VTEP: its underlay address. */
  vtep: Ip
  /** True from Join to Leave: only then do other hosts have entries for it. */
  joined: boolean
  /** Learnt from the engine after the container has joined. */
  container?: { id: string; name: string }
  aliases: string[]
  /** The container's hostname, where it is not the first twelve digits of the container's id. */
  hostname?: string
  service?: string
  /** The name that a person gave the interface, kept from CreateEndpoint to Join. */
  interfaceName?: string
  /**
   * The interface does not have `v6`, since a sysctl disables IPv6 on it. Learnt when the container is
   * inspected. Absent in the record of an older driver.
   */
  withoutIpv6?: true
}

export interface HostRecord {
  vtep: Ip
  driverVersion: string
  engineVersion?: string
  /** Consul session that lives as long as the driver. It shows that the host is alive and owns no keys. */
  session?: string
  /** Absent in the record of an older driver. */
  routes?: HostRoutes
  /** Name servers that the host or its containers may ask. Absent in the record of an older driver. */
  resolvers?: Ip[]
  /** Blocks that a person gave the host's engine for its bridges. Absent in the record of an older driver. */
  enginePools?: Cidr[]
  /** Absent in the record of an older driver. */
  foreignVxlans?: ForeignVxlan[]
  /**
   * Absent in the record of an older driver. `answers`: the driver answers probes through the tunnel, on UDP
   * 4789. `ports`: other ports on which it does so; absent without one, and in the record of an older driver.
   */
  tunnel?: { mtuBytes: number; answers: boolean; ports?: number[] }
}

/** Another program's VXLAN device. Its UDP socket is the host's, as those of this driver's devices are. */
export interface ForeignVxlan {
  vni: Vni
  port: number
}

/** Destinations in a host's main routing table, at most 100 of each, without the default route. */
export interface HostRoutes {
  /** Subnets of the host's own addresses. */
  connected: Cidr[]
  other: Cidr[]
}

export interface Service {
  id: string
  network: NetworkId
  name: string
  v4: Ip
  v6?: Ip
  /** The only endpoint behind the service in the whole cluster, if any. */
  endpoint?: EndpointId
  /** The host that attached it last: only that host may give the service's address to an endpoint. */
  holder?: ServiceHolder
}

export interface EarlierHolder {
  host: HostName
  /** Absent when the container does not exist yet, as with `docker run --publish-service`. */
  container?: { id: string; name: string }
}

export interface ServiceHolder extends EarlierHolder {
  /** ISO 8601. Set while an attach runs, so that no other host begins one. */
  attachingSince?: string
  /** While an attach runs: the holder that has the service again if the attach fails (service-holder.ts). */
  before?: EarlierHolder
}

/** What one host's containers need a network for, stopped containers included. Key: HOST/NETWORK. */
export interface Use {
  /** Containers on the host that are configured for the network; at least one. */
  containers: number
  /** Names of some of them, for messages. */
  names: string[]
}

/** A host has found no free address: the others return what lies idle. Removed by the host that has written it. */
export interface Want {
  host: HostName
  /** The address of `--ip`; any address when absent. */
  ip?: Ip
  /** ISO 8601, for people. */
  since: string
}

/**
 * Table name → type of its records. Claims map a unique value (name, VNI) to the network that has it. A MAC
 * that is not the one of its endpoint's address (`macOf`) is claimed by the endpoint, core/endpoints/macs.ts.
 * Replicas map Docker's id of a network on a host to the cluster's id.
 */
export interface Tables {
  hosts: HostRecord
  replicas: NetworkId
  uses: Use
  networks: Network
  'network-names': NetworkId
  vnis: NetworkId
  macs: EndpointId
  pools: PoolClaim
  addresses: Lease
  endpoints: Endpoint
  services: Service
  wanted: Want
}
export type Table = keyof Tables

/** A record and its version. A later change requires that version. */
export interface Versioned<T> {
  value: T
  /** Consul's ModifyIndex of the key. */
  index: number
}

/**
 * All tables as one host last knew them. Immutable: a change makes a new snapshot that shares what did not
 * change. Keys: hosts NAME; replicas HOST/DOCKER'S-ID; uses HOST/NETWORK; networks ID; network-names NAME;
 * vnis VNI; macs NETWORK/MAC; pools CIDR (in Consul with `-` for the slash); addresses NETWORK/IP; endpoints
 * NETWORK/ENDPOINT; services NETWORK/NAME; wanted NETWORK/HOST or NETWORK/HOST@IP.
 */
export type Snapshot = { readonly [T in Table]: PersistentMap<string, Versioned<Tables[T]>> }

/**
 * One change of a commit. A commit applies all its changes or none, and has each key once. `create` requires
 * that the key is absent; `update` that it is still at `index`; `remove` that it is still at `index` or
 * already deleted; `expect` changes nothing and requires that it is still at `index`; `absent` changes
 * nothing and requires that there is no such key; `drop` deletes the key in any version.
 */
export type Change = {
  [T in Table]:
    | { op: 'create'; table: T; key: string; value: Tables[T] }
    | { op: 'update'; table: T; key: string; value: Tables[T]; index: number }
    | { op: 'remove'; table: T; key: string; index: number }
    | { op: 'expect'; table: T; key: string; index: number }
    | { op: 'absent'; table: T; key: string }
    | { op: 'drop'; table: T; key: string }
}[Table]
