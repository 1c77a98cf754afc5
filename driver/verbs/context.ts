/**
 * What the verbs are given: the store, this host's place in the cluster, and a way to wait for the kernel.
 */

import type { PoolSource } from '../core/pools.ts'
import type { EndpointId, ForeignVxlan, HostName, HostRecord, Ip, NetworkId } from '../core/records.ts'
import type { Route } from '../core/routes.ts'
import type { Log } from '../log.ts'
import type { JournaledStore } from '../store/journal.ts'
import type { InFlight } from './in-flight.ts'

export interface VerbContext {
  host: HostName
  store: JournaledStore
  /** The device that carries this host's VTEP address, as it is now. */
  underlay(): { device: string; address: Ip; mtuBytes: number }
  /** The ranges from which a pool is chosen when the creator names no pool. */
  pools: readonly PoolSource[]
  /** Destinations in this host's routing table. */
  routes(): Promise<readonly Route[]>
  /** Other programs' VXLAN devices on this host. */
  foreignVxlans(): Promise<readonly ForeignVxlan[]>
  /** Resolves when the kernel has what the store wants for the network, this endpoint's veth too. */
  settled(network: NetworkId, joining: EndpointId): Promise<void>
  inFlight: InFlight
  starting: StartingContainer
  /**
   * Whether this driver's engine has the network of that id of Docker's. False for a network of another
   * engine on this host. Undefined: the engine does not say.
   */
  engineHas(network: string): Promise<boolean | undefined>
  log: Log
  version: string
  now(): Date
  /** How long other hosts have to return an idle address. They take milliseconds; a host that is away never does. */
  returnedWithinMs: number
}

/** Which container a RequestAddress is for, as far as it is known (daemon/container-of-request.ts). */
export interface StartingContainer {
  /** The container was removed. */
  isGone(container: string): boolean
  /**
   * Those of the containers that the engine is starting now. None of several when the engine does not say: it
   * describes none of them, as while it boots and starts all of them. An only container is then taken to be
   * the one, unless another one was created a moment ago.
   */
  among(containers: readonly string[]): Promise<ReadonlySet<string>>
}

/** The record of a host that is not in the store yet. */
export function blankHost({ underlay, version }: Pick<VerbContext, 'underlay' | 'version'>): HostRecord {
  return { vtep: underlay().address, driverVersion: version }
}
