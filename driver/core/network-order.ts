/**
 * The order in which the engine's own DNS asks a container's networks for a name. The first network that
 * knows the name answers alone: where it has no address of the family that is asked for, the answer is empty.
 * An engine before 28 asks the next network in that case, and a program may reach one container by IPv4 and
 * another container by IPv6.
 *
 * Source: libnetwork's Endpoint.Less (sandbox.go), compared in engines 20.10, 26 and 28. They differ in the
 * order of two networks that both have gateways, and a network of this driver has none. Priorities exist from
 * engine 28 on.
 */
export interface OrderedNetwork {
  name: string
  /** An `overlay` network of Swarm's: in swarm mode the engine asks these first (libnetwork's ByNetworkType). */
  isSwarms: boolean
  /** `--internal` */
  internal: boolean
  /** The network's driver gave the container a gateway or the default route, of IPv4 or IPv6. */
  hasGateway: boolean
  /** `gw-priority` of the container's connection; 0 unless a person chose one. */
  priority: number
}

/** For `sort`: the network that is asked first comes first. */
export function compareNetworks(a: OrderedNetwork, b: OrderedNetwork): number {
  if (a.isSwarms !== b.isSwarms) return a.isSwarms ? -1 : 1
  if (a.priority !== b.priority) return b.priority - a.priority
  if (a.internal !== b.internal) return a.internal ? 1 : -1
  if (a.hasGateway !== b.hasGateway) return a.hasGateway ? -1 : 1
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0
}
