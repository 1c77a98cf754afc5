/**
 * The lab at one moment, as three told it that can disagree: the store (what must be), the kernels (what is) and the
 * engines (what was asked for). Nothing here is what a scenario intended.
 * Grows with networks and containers: some kilobytes in the lab.
 */
export interface Picture {
  /** Absent when the store did not answer, or another driver keeps none. */
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
  /** The id of a network in this host's Docker → its id in the cluster. */
  networks: Record<string, string>
}

/** A host with Docker. */
export interface HostView {
  name: string
  address: string
  /** Why it did not answer. */
  silent?: string
  containers: ContainerView[]
  /** The engine's networks whose driver spans hosts. */
  networks: { id: string; name: string }[]
  tunnels: Tunnel[]
  /** MAC → addresses, of every interface in a namespace that is not a network's. */
  interfaces: Record<string, string[]>
}

export interface ContainerView {
  id: string
  name: string
  state: string
  networks: { id: string; name: string; endpoint: string; ip: string; mac: string }[]
}

/** A network in a host's kernel: the namespace with the bridge, the VXLAN device and what they lead to. */
export interface Tunnel {
  namespace: string
  vni: number
  /** The tunnel's end on the underlay; absent when the kernel chooses. */
  local?: string
  port: number
  mtu: number
  /** Whether there is a bridge; containers can hang on the VXLAN device itself. */
  bridged: boolean
  /** Devices on the bridge besides the VXLAN one. */
  ports: string[]
  fdb: { mac: string; dst: string }[]
  neighbours: { ip: string; mac: string }[]
}
