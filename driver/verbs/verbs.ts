/**
 * What Docker can ask of the driver, in the driver's own words.
 *
 * The protocol turns JSON into these calls and their answers back into JSON; the verbs know nothing of it. Every
 * verb can be called twice, changes the store alone, and stops at the next step once `signal` is aborted, which is
 * when the protocol has given up waiting.
 */
import type { Cidr, EndpointId, Ip, Mac, NetworkId } from '../core/records.ts'

export interface Verbs {
  requestPool(ask: PoolAsk, signal: AbortSignal): Promise<Cidr>
  releasePool(pool: string, signal: AbortSignal): Promise<void>
  /** The address with the pool's prefix length, as Docker wants it. */
  requestAddress(ask: AddressAsk, signal: AbortSignal): Promise<string>
  releaseAddress(ask: { pool: string; address: string }, signal: AbortSignal): Promise<void>
  createNetwork(ask: NetworkAsk, signal: AbortSignal): Promise<void>
  deleteNetwork(localId: string, signal: AbortSignal): Promise<void>
  /** The endpoint's MAC: the one asked for, or the one that belongs to its address. */
  createEndpoint(ask: EndpointAsk, signal: AbortSignal): Promise<Mac>
  deleteEndpoint(ask: EndpointRef, signal: AbortSignal): Promise<void>
  join(ask: EndpointRef, signal: AbortSignal): Promise<JoinAnswer>
  leave(ask: EndpointRef, signal: AbortSignal): Promise<void>
}

export interface PoolAsk {
  /** `--subnet` */
  pool?: string
  /** `--ip-range` */
  range?: string
  /** `--ipam-opt` */
  options: Record<string, string>
  v6: boolean
}

export interface AddressAsk {
  pool: string
  /** `--ip`, `--gateway` or `--aux-address` */
  address?: string
  gateway: boolean
}

export interface NetworkAsk {
  /** The network's id on this host. */
  localId: NetworkId
  v4: PoolData[]
  v6: PoolData[]
  /** `-o` */
  options: Record<string, string>
  internal: boolean
}

/** What Docker has got from the IPAM driver for one subnet; addresses may carry a prefix length. */
export interface PoolData {
  addressSpace: string
  pool: string
  gateway?: string
  aux: Record<string, string>
}

export interface EndpointRef {
  /** The network's id on this host. */
  network: string
  endpoint: EndpointId
}

export interface EndpointAsk extends EndpointRef {
  v4?: Ip
  v6?: Ip
  mac?: Mac
}

export interface JoinAnswer {
  /** Name of the interface that Docker moves into the container. */
  device: string
  /** The container has no way out by itself. */
  internal: boolean
}

/** The IPAM driver's one address space: what Docker calls local and what it calls global. */
export const addressSpace = 'multihost'

/** Option of networks and their IPAM: this is the network of that cluster-wide id, made by a loop. */
export const replicaOption = 'multihost.id'
