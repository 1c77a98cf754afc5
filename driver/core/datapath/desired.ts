/**
 * The wanted content of this host's kernel for one network, derived from the store.
 *
 * A host takes part in a network while it has an endpoint there, joined or not: CreateEndpoint starts what
 * Join waits for. Other hosts get entries only for joined endpoints. The content is one namespace with one
 * VXLAN device, a veth (or macvlan child) per endpoint on this host, and per endpoint on another host one FDB
 * entry (mac → vtep) and one permanent neighbour per address (ip → mac). It grows with the network's
 * endpoints, not with traffic or other networks. MTU: docs/datapath.md.
 */

import { DriverError } from '../errors.ts'
import { familyOf } from '../ip.ts'
import {
  type DatapathKind,
  datapathKinds,
  type Endpoint,
  type EndpointId,
  type HostName,
  type Ip,
  type Mac,
  type Network,
  type NetworkId,
  type Snapshot,
} from '../records.ts'
import { endpointsOf, endpointsOnHost, interfaceAddressesOf, keyIn, usesOfNetwork } from '../snapshot.ts'
import type { Datapath, Peer, Veth } from './datapath.ts'
import { innerMtu, smallestMtu } from './mtu.ts'
import type { Scope } from './scope.ts'

/**
 * Docker's folder of namespaces, so that the documented `ip netns` commands find ours beside the containers'.
 */
export const namespaceFolder = '/var/run/docker/netns'

/** This host's part: its VTEP, the MTU of the VTEP's interface, and the network's namespace. */
export interface Place {
  vtep: Ip
  mtuBytes: number
  /** Full path: `namespaceOf(the network's Docker id on this host)`. */
  namespace: string
}

/** `undefined`: nothing of this network may be on the host. With a scope, only the peers in it. */
export function desiredFor(
  snapshot: Snapshot,
  host: HostName,
  networkId: NetworkId,
  place: Place,
  scope?: Scope,
): Datapath | undefined {
  const network = snapshot.networks.get(networkId)?.value
  if (network === undefined) return undefined
  const here = endpointsHere(snapshot, host, networkId)
  if (here.length === 0) return undefined
  const kind = datapathOf(network)
  const endpoints = scope?.endpoints ?? endpointsOf(snapshot, networkId).map(({ value }) => value)
  return {
    network: networkId,
    namespace: place.namespace,
    kind,
    vxlan: {
      vni: network.vni,
      port: network.port,
      local: place.vtep,
      mtuBytes: mtuOf(snapshot, network, host, place),
    },
    veths: here.map((endpoint) => vethOf(endpoint, kind)),
    peers: peersOf(snapshot, endpoints, host, place.vtep),
  }
}

/**
 * What fits through the underlay of every host that uses the network, as the hosts publish it: a host with a
 * smaller MTU could not receive what another one sends. At most the network's own (`-o mtu=`). With IPv6 at
 * least IPv6's smallest: the underlay fragments what is longer.
 */
function mtuOf(snapshot: Snapshot, { id, v6, mtuBytes }: Network, host: HostName, place: Place): number {
  const users = [...usesOfNetwork(snapshot, id).keys()].filter((name) => name !== host)
  const others = users.flatMap((name) => snapshot.hosts.get(name)?.value.tunnel?.mtuBytes ?? [])
  const fits = innerMtu(Math.min(place.mtuBytes, ...others), place.vtep)
  const allowed = Math.min(mtuBytes ?? fits, fits)
  return v6 === undefined ? allowed : Math.max(allowed, smallestMtu.v6)
}

/** Throws `unavailable` for a kind that only a later version knows: then the datapath stays as it is. */
function datapathOf({ datapath = 'bridge' }: Network): DatapathKind {
  const kind = datapathKinds.find((known) => known === datapath)
  if (kind !== undefined) return kind
  throw new DriverError('unavailable', `this driver does not know the datapath ${datapath}`, {
    hint: `it knows ${datapathKinds.join(' and ')}; install the driver version of the other hosts`,
  })
}

export function endpointsHere(snapshot: Snapshot, host: HostName, network: NetworkId): Endpoint[] {
  return endpointsOnHost(snapshot, host)
    .map(({ value }) => value)
    .filter((endpoint) => endpoint.network === network)
}

/** `<folder>/<first 12 digits of the network's Docker id on this host>`. */
export function namespaceOf(localId: string, folder: string = namespaceFolder): string {
  return `${folder}/${localId.slice(0, 12)}`
}

/** The end in the network's namespace. */
export function portName(endpoint: EndpointId): string {
  return `veth${endpoint.slice(0, 8)}`
}

/** The end that Docker moves into the container: `InterfaceName.SrcName` of Join. */
export function containerEndName(endpoint: EndpointId): string {
  return `vxc${endpoint.slice(0, 8)}`
}

function vethOf({ id, mac }: Endpoint, kind: DatapathKind): Veth {
  const container = containerEndName(id)
  return { endpoint: id, port: kind === 'bridge' ? portName(id) : container, container, mac }
}

/**
 * A MAC has one VTEP, and an address one MAC. When two endpoints have the same one, the one whose address is
 * leased to it wins on every host; of two such, the lower endpoint id. An entry with our own VTEP would loop.
 */
function peersOf(snapshot: Snapshot, endpoints: readonly Endpoint[], host: HostName, vtep: Ip): Peer[] {
  // One device sends to one family: the kernel refuses an entry with a VTEP of the other one.
  const away = endpoints.filter(
    (it) => it.joined && it.host !== host && it.vtep !== vtep && familyOf(it.vtep) === familyOf(vtep),
  )
  const owners = new Map<Mac | Ip, Endpoint>()
  for (const endpoint of away) {
    for (const place of [endpoint.mac, ...interfaceAddressesOf(endpoint)]) {
      const rival = owners.get(place)
      if (rival === undefined || precedes(snapshot, endpoint, rival)) owners.set(place, endpoint)
    }
  }
  return away
    .filter((it) => owners.get(it.mac) === it)
    .map((it) => {
      const addresses = interfaceAddressesOf(it).filter((ip) => owners.get(ip) === it)
      return { mac: it.mac, vtep: it.vtep, addresses }
    })
}

function precedes(snapshot: Snapshot, a: Endpoint, b: Endpoint): boolean {
  const [ofA, ofB] = [hasLease(snapshot, a), hasLease(snapshot, b)]
  return ofA === ofB ? a.id < b.id : ofA
}

function hasLease(snapshot: Snapshot, { network, id, v4 }: Endpoint): boolean {
  return snapshot.addresses.get(keyIn(network, v4))?.value.endpoint === id
}
