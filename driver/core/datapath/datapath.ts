/**
 * The wanted content of a host's kernel for one network, as plain data, and the operations that lead there.
 * The wanted state is derived from the store (desired.ts) and compared with what was observed (plan.ts);
 * driver/kernel applies the difference. All of it can be printed as the `ip` and `bridge` commands it stands
 * for.
 */
import type { Proof } from '../knowledge.ts'
import type { DatapathKind, EndpointId, Ip, Mac, NetworkId, Vni } from '../records.ts'

/** One network on one host. An undefined wanted state means: nothing of this network may be on the host. */
export interface Datapath {
  network: NetworkId
  /** `/var/run/docker/netns/<first 12 digits of the network's id on this host>` (the local Docker id). */
  namespace: string
  /**
   * Whether vxlan1 is a port of br0 and containers have veths there, or containers have macvlan children of
   * vxlan1.
   */
  kind: DatapathKind
  vxlan: { vni: Vni; port: number; local: Ip; mtuBytes: number }
  /** One per endpoint of this host. */
  veths: Veth[]
  /** One per joined endpoint of another host. */
  peers: Peer[]
}

/** A veth pair, or a macvlan child: its only end is the container end, which counts as its port too. */
export interface Veth {
  endpoint: EndpointId
  /** End in the network's namespace, a port of br0: `veth<first 8 of the endpoint id>`. */
  port: string
  /** End that Docker moves into the container and renames: `vxc<first 8 of the endpoint id>`. */
  container: string
  mac: Mac
}

/** FDB entry mac → vtep, and a permanent neighbour entry per address → mac. */
export interface Peer {
  mac: Mac
  vtep: Ip
  addresses: Ip[]
}

/** A flag of a port of br0 that stops frames, or lets too many pass. */
export interface AlteredFlag {
  /** As `ip` names it: `isolated`. */
  flag: string
  /** `on` */
  is: string
  /** The value to set, as `ip` takes it: `off`. */
  usual: string
}

/** The observed content; missing parts are absent. */
export interface Observed {
  /** The namespace carries the driver's mark. */
  marked: boolean
  /** br0 exists and is up. */
  bridge: boolean
  /** br0 has `mcast_snooping 1`. */
  snoops?: boolean
  /** `master`: it is a port of br0, with the `altered` flags. */
  vxlan?: Datapath['vxlan'] & { master: boolean; up: boolean; altered?: AlteredFlag[] }
  /**
   * Links with our port names; `up` when it is up and a port of br0. A closed port has no `altered` flag: it
   * learns no MAC, and gets no frame for a MAC that br0 does not know. `macs`: those that br0 has for it. A
   * `child` of vxlan1 is seen by its container alone: it is remembered, and goes when vxlan1 goes. The MTU is
   * that of both ends of a pair.
   */
  ports: {
    name: string
    up: boolean
    altered?: AlteredFlag[]
    macs?: string[]
    mtuBytes?: number
    child?: true
  }[]
  /** Entries of br0 that the driver does not make, without those of the ports' own MACs. */
  strays: { port: string; mac: string }[]
  /** Entries of vxlan1 with a VTEP. An entry with a port or VNI of its own does not count as permanent. */
  fdb: { mac: string; vtep: Ip; permanent: boolean }[]
  neighbours: { ip: Ip; mac: string; permanent: boolean }[]
}

/** Every operation can be applied twice. The comment gives the equivalent command inside the namespace. */
export type Op =
  /** `unshare --net=<namespace> ip link set lo alias multihost`, which is the driver's mark */
  | { op: 'namespace-add'; namespace: string }
  | { op: 'namespace-del'; namespace: string }
  /** `ip link add name br0 type bridge`, `ip link set br0 type bridge mcast_snooping 0`, up */
  | { op: 'bridge-add'; namespace: string }
  /**
   * `ip link add vxlan1 netns <namespace> type vxlan …` from the host's namespace, then up, with a bridge its
   * port, which learns nothing
   */
  | { op: 'vxlan-add'; namespace: string; vxlan: Datapath['vxlan']; kind: DatapathKind }
  /**
   * `ip link set vxlan1 mtu <mtu>` and `… type vxlan local <local>`: what can be changed on a device that is
   * there
   */
  | { op: 'vxlan-set'; namespace: string; vxlan: Datapath['vxlan'] }
  | { op: 'vxlan-del'; namespace: string }
  /**
   * `ip link add <port> master br0 type veth peer name <container> netns <host> address <mac>`, then
   * `bridge fdb replace <mac> dev <port> master static` and
   * `bridge link set dev <port> learning off flood off`
   */
  | { op: 'veth-add'; namespace: string; veth: Veth; mtuBytes: number }
  /** `ip link set <container end> mtu <mtu>` in the containers' namespaces, then `ip link set <port> mtu <mtu>` */
  | { op: 'veth-mtu'; namespace: string; veths: Veth[]; mtuBytes: number }
  | { op: 'veth-del'; namespace: string; port: string }
  /** `ip link set <port> type bridge_slave <flag> <usual>`, for each flag; the port is vxlan1, too */
  | { op: 'port-set'; namespace: string; port: string; flags: AlteredFlag[] }
  /**
   * `bridge fdb del <mac> dev <port> master`: the MAC is on another host, and the link that its endpoint had
   * here stays for a moment, or a person has made the entry
   */
  | { op: 'port-forget'; namespace: string; port: string; mac: Mac }
  /** `ip link add link vxlan1 name <container> netns <host> address <mac> type macvlan mode bridge` */
  | { op: 'child-add'; namespace: string; veth: Veth; mtuBytes: number }
  /** `ip link del <container>` in the host's namespace, where Docker has put it back; nothing when it is not there */
  | { op: 'child-del'; namespace: string; port: string }
  /** `bridge fdb replace <mac> dev vxlan1 dst <vtep> self permanent` */
  | { op: 'fdb-replace'; namespace: string; mac: Mac; vtep: Ip }
  | { op: 'fdb-del'; namespace: string; mac: Mac; vtep: Ip }
  /** `ip neigh replace <ip> lladdr <mac> dev vxlan1 nud permanent` */
  | { op: 'neighbour-replace'; namespace: string; ip: Ip; mac: Mac }
  | { op: 'neighbour-del'; namespace: string; ip: Ip }

type Removal = 'namespace-del' | 'veth-del' | 'child-del' | 'fdb-del' | 'neighbour-del'

/** An operation as the kernel takes it: a removal carries the proof that what it removes is gone. */
export type ProvenOp = Proven<Op>

type Proven<T extends Op> = T extends { op: Removal } ? T & { proof: Proof } : T

/** The operations with their proofs. A removal without a proof is left out. */
export function withProofs(
  ops: readonly Op[],
  proofOf: (removal: Extract<Op, { op: Removal }>) => Proof | undefined,
): ProvenOp[] {
  return ops.flatMap((op): ProvenOp[] => {
    if (!isRemoval(op)) return [op]
    const proof = proofOf(op)
    return proof === undefined ? [] : [{ ...op, proof }]
  })
}

const removals: readonly string[] = [
  'namespace-del',
  'veth-del',
  'child-del',
  'fdb-del',
  'neighbour-del',
] satisfies Removal[]

function isRemoval(op: Op): op is Extract<Op, { op: Removal }> {
  return removals.includes(op.op)
}

/** An operation on one entry of vxlan1's tables. */
export function isEntryOp({ op }: Op): boolean {
  return op === 'fdb-replace' || op === 'fdb-del' || op === 'neighbour-replace' || op === 'neighbour-del'
}
