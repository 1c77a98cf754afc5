/**
 * What multihost knows: the records of the store, as types.
 *
 * Each table below is one folder of keys in Consul (docs/consul.md). A record is written by one host by rule;
 * all hosts read all of them, through a Snapshot.
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

/** How containers hang on a network's VXLAN device: by a veth on a bridge, or as its macvlan children. docs/datapath.md. */
export const datapathKinds = ['bridge', 'macvlan'] as const
export type DatapathKind = (typeof datapathKinds)[number]

/** One address block of a network. */
export interface Pool {
  cidr: Cidr
  /** The last usable address unless the creator said otherwise; answered by docker_gwbridge's host, leased to nobody. */
  gateway: Ip
  /** Where addresses are handed out from (`--ip-range`); the whole pool when absent. */
  range?: Cidr
  /** `--aux-address`: name → address that is never handed out. */
  aux: Record<string, Ip>
}

export interface Network {
  id: NetworkId
  /** Absent until the creator's loop has learnt it from the engine (the plugin protocol does not pass it). */
  name?: string
  vni: Vni
  v4: Pool
  v6?: Pool
  /** Inner MTU in bytes, from `-o mtu=`; otherwise each host uses its underlay's minus the encapsulation. */
  mtuBytes?: number
  /** From `-o datapath=`; the bridge when absent. */
  datapath?: DatapathKind
  /** UDP port of the tunnel; 4789 (RFC 7348 §5) unless `-o port=`. */
  port: number
  /** `--internal`: no way out through docker_gwbridge. */
  internal: boolean
  /** The creator's other `-o` options and labels, passed on to the other hosts' engines as they were given. */
  options: Record<string, string>
  labels: Record<string, string>
  createdBy: HostName
  /** ISO 8601, the creator's clock; for people only. */
  createdAt: string
  /** Set while the network is being removed: nobody may add an endpoint any more. */
  removing?: true
}

/** Who holds a pool. Claimed by RequestPool, before the network has an id. */
export interface PoolClaim {
  host: HostName
  /** The network that the pool belongs to, once CreateNetwork has come. */
  network?: NetworkId
  /** What RequestPool and the RequestAddress calls before CreateNetwork said. */
  range?: Cidr
  gateway?: Ip
  /** The driver chose it: the creator gave no --subnet. */
  chosen?: true
  /** Addresses that were asked for before the network had an id: `--aux-address`. */
  reserved: Ip[]
  /** ISO 8601; an unbound claim older than ten minutes belongs to a create that failed. */
  claimedAt: string
}

export interface Lease {
  host: HostName
  /** Absent between RequestAddress and CreateEndpoint. */
  endpoint?: EndpointId
  /** Set when the address is held by a published service, with or without a backend. */
  service?: string
  /** ISO 8601; a lease without endpoint or service older than ten minutes belongs to a create that failed. */
  leasedAt: string
}

export interface Endpoint {
  network: NetworkId
  id: EndpointId
  v4: Ip
  v6?: Ip
  mac: Mac
  host: HostName
  /** Underlay address of the host's tunnel end. */
  vtep: Ip
  /** True from Join to Leave: only then does the datapath lead to it. */
  joined: boolean
  /** Learnt from the engine, when the container has joined. */
  container?: { id: string; name: string }
  aliases: string[]
  service?: string
}

export interface HostRecord {
  vtep: Ip
  driverVersion: string
  engineVersion?: string
  /** Consul session that lives as long as the driver; tells that the host is alive, owns nothing. */
  session?: string
}

export interface Service {
  id: string
  network: NetworkId
  name: string
  v4: Ip
  v6?: Ip
  /** The one endpoint behind it in the whole cluster, if any. */
  endpoint?: EndpointId
  /** To whom it was attached last: only that host may give the service's address to an endpoint. */
  holder?: ServiceHolder
}

export interface ServiceHolder {
  host: HostName
  /** Absent when it was not made yet, as with `docker run --publish-service`. */
  container?: { id: string; name: string }
  /** ISO 8601; while the attach is under way, which keeps others from beginning one. */
  attachingSince?: string
}

/**
 * Table name → type of its records. Claims map a unique thing to the id of the network that has it, replicas the id
 * that a host's Docker gave a network to its id in the cluster.
 */
export interface Tables {
  hosts: HostRecord
  replicas: NetworkId
  networks: Network
  'network-names': NetworkId
  vnis: NetworkId
  pools: PoolClaim
  addresses: Lease
  endpoints: Endpoint
  services: Service
}
export type Table = keyof Tables

/** The record and its version; the version is what a later change is checked against. */
export interface Versioned<T> {
  value: T
  /** Consul's ModifyIndex of the key. */
  index: number
}

/**
 * All tables as one host last knew them. Immutable: a change makes a new snapshot, which shares with the old one
 * all but what changed (a table is a hash trie).
 *
 * Keys inside a table: hosts NAME; replicas HOST/DOCKER'S-ID; networks ID; network-names NAME; vnis VNI; pools CIDR (the
 * slash written as `-` in Consul only); addresses NETWORK/IP; endpoints NETWORK/ENDPOINT; services NETWORK/NAME.
 */
export type Snapshot = { readonly [T in Table]: PersistentMap<string, Versioned<Tables[T]>> }

/**
 * One step of a commit. A commit is all or nothing; several steps on different keys, each key once.
 * `create` demands that the key is absent; `update` that it is still at `index`; `remove` that it is still at `index`
 * or gone already; `expect` changes nothing and demands that it is still at `index`; `drop` removes whatever is there,
 * or nothing.
 */
export type Change = {
  [T in Table]:
    | { op: 'create'; table: T; key: string; value: Tables[T] }
    | { op: 'update'; table: T; key: string; value: Tables[T]; index: number }
    | { op: 'remove'; table: T; key: string; index: number }
    | { op: 'expect'; table: T; key: string; index: number }
    | { op: 'drop'; table: T; key: string }
}[Table]
