/**
 * The lab at one time, from three sources that can disagree: the store (what must be), the kernels (what is)
 * and the engines (what was asked for). A scenario's own expectations are not part of it. Grows with networks
 * and containers: some kilobytes in the lab.
 */
export interface Snapshot {
  /** Absent when the store did not answer, and for a driver without a store. */
  store?: StoreView
  hosts: HostView[]
}

export interface StoreView {
  networks: { id: string; name: string; vni: number; pools: string[] }[]
  endpoints: StoredEndpoint[]
  hosts: StoredHost[]
  services: { network: string; name: string; ip: string; endpoint?: string }[]
}

export interface StoredEndpoint {
  id: string
  network: string
  ips: string[]
  mac: string
  host: string
  vtep: string
  joined: boolean
  name?: string
}

export interface StoredHost {
  name: string
  vtep: string
  driver: string
  engine?: string
  /** Id of a network in this host's Docker → the network's id in the cluster. */
  networks: Record<string, string>
}

/** A host with Docker. */
export interface HostView {
  name: string
  address: string
  /** Why the host did not answer. */
  silent?: string
  containers: ContainerView[]
  /** The engine's networks whose driver spans hosts. */
  networks: { id: string; name: string }[]
  tunnels: Tunnel[]
  /** MAC → addresses, for every interface in a container's namespace. */
  interfaces: Record<string, string[]>
}

export interface ContainerView {
  id: string
  name: string
  state: string
  networks: { id: string; name: string; endpoint: string; ip: string; mac: string }[]
}

/** A network in a host's kernel: the namespace with the bridge, the VXLAN device and its entries. */
export interface Tunnel {
  namespace: string
  vni: number
  /** The VTEP on the underlay; absent when the kernel chooses the address. */
  local?: string
  port: number
  mtu: number
  /** Containers are attached to a bridge; false: to the VXLAN device itself (macvlan). */
  bridged: boolean
  /** Devices on the bridge, without the VXLAN device. */
  ports: string[]
  fdb: { mac: string; dst: string }[]
  neighbours: { ip: string; mac: string }[]
}
