/**
 * What the verbs are given: the store, this host's place in the cluster, and a way to wait for the kernel.
 */

import type { PoolSource } from '../core/pools.ts'
import type { Cidr, EndpointId, HostName, HostRecord, Ip, NetworkId } from '../core/records.ts'
import type { Log } from '../log.ts'
import type { Store } from '../store/store.ts'
import type { Owed } from './deferred.ts'
import type { Recent } from './ttl-set.ts'

export interface VerbContext {
  host: HostName
  store: Store
  /** This host's tunnel end, as it is now. */
  underlay(): { device: string; address: Ip; mtuBytes: number }
  /** Where pools are chosen from when the creator named none. */
  pools: readonly PoolSource[]
  /** Destinations that this host routes. */
  routes(): Promise<Cidr[]>
  /** Resolves when the kernel has what the store wants for the network, this endpoint's veth too. */
  settled(network: NetworkId, joining: EndpointId): Promise<void>
  owed: Owed
  /** Endpoints between CreateEndpoint and Join: the engine may not show them yet. */
  making: Recent<EndpointId>
  /** Endpoints from Leave on: the engine may still show them. */
  leaving: Recent<EndpointId>
  /** Networks, by Docker's ids, from CreateNetwork on: a slow engine shows them seconds later. */
  creating: Recent<string>
  log: Log
  version: string
  now(): Date
}

/** The record of a host that is not in the store yet. */
export function blankHost({ underlay, version }: Pick<VerbContext, 'underlay' | 'version'>): HostRecord {
  return { vtep: underlay().address, driverVersion: version }
}
