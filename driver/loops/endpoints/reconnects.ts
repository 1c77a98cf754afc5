/**
 * Containers that do not run, and whose network this host's engine has under a new id. Pure.
 *
 * Docker starts a container by the id of its network. After a `docker network prune`, or when Docker has lost
 * its database of networks, the copy is back under another id, and the container does not start:
 * `network ID not found`.
 */
import type { Known } from '../../core/knowledge.ts'
import {
  type HostName,
  type Network,
  type NetworkId,
  replicaOption,
  type Snapshot,
} from '../../core/records.ts'
import { endpointsOf, leasesOnHost, networkIdOnHost, networkOfKey } from '../../core/snapshot.ts'
import type { Connection, EngineNetwork, StoppedContainer } from '../../engine/engine.ts'
import { networkOf } from '../kit/configured-network.ts'

export interface ReconnectsView {
  snapshot: Snapshot
  host: HostName
  stopped: readonly StoppedContainer[]
  /** The engine's networks, asked after the containers. */
  here: readonly EngineNetwork[]
  lookup(network: NetworkId): Known<Network>
}

export interface Reconnect {
  container: StoppedContainer
  /** The network's name. */
  network: string
  /**
   * The id that the container is configured for. The list of networks does not have it. Undefined where the
   * container is not configured for the network any more (taken-networks.ts).
   */
  lost?: string
  connection: Connection
  /**
   * The network with the lost id was this one, and `connection` is what people chose. Without proof it may
   * have been another network of the name, such as a bridge that was removed: a person decides.
   */
  isProven: boolean
}

export function planReconnects(view: ReconnectsView): Reconnect[] {
  return view.stopped.flatMap((container) =>
    container.networks.flatMap(({ name, id, connection }) => {
      if (id === '' || view.here.some((it) => it.id === id)) return []
      const network = copyOf(view, { name, id })
      if (network === undefined) return []
      const isProven =
        networkIdOnHost(view.snapshot, view.host, id) === network || wasOn(view, network, container)
      return [{ container, network: name, lost: id, connection, isProven }]
    }),
  )
}

/** The cluster's network with that name, where this host's engine has a copy of it. */
function copyOf(
  { snapshot, host, here, lookup }: ReconnectsView,
  at: { name: string; id: string },
): NetworkId | undefined {
  const network = networkOf(snapshot, host, at, new Set())
  if (network === undefined || lookup(network).is !== 'known') return undefined
  const clusterId = ({ id, options }: EngineNetwork) =>
    networkIdOnHost(snapshot, host, id) ?? options[replicaOption]
  return here.some((it) => it.name === at.name && clusterId(it) === network) ? network : undefined
}

/** A lease of the network says that the container had its address last, or an endpoint that it has it. */
function wasOn({ snapshot, host }: ReconnectsView, network: NetworkId, { id }: StoppedContainer): boolean {
  const leases = [...leasesOnHost(snapshot, host)].filter(([key]) => networkOfKey(key) === network)
  return (
    leases.some(([, { value }]) => value.left?.container === id) ||
    endpointsOf(snapshot, network).some(({ value }) => value.container?.id === id)
  )
}
