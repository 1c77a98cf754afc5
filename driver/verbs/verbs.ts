/**
 * What Docker can request of the driver, in the driver's own terms.
 *
 * The protocol turns JSON into these calls and their results into JSON; the verbs do not know the protocol.
 * Every verb can be called twice, changes only the store, and stops before its next step when `signal` is
 * aborted, because the protocol has then answered with an error.
 */
import type { Cidr, EndpointId, Ip, Mac, NetworkId } from '../core/records.ts'

export interface Verbs {
  requestPool(ask: PoolAsk, signal: AbortSignal): Promise<Cidr>
  releasePool(pool: string, signal: AbortSignal): Promise<void>
  /** The address with the pool's prefix length, as Docker expects it. */
  requestAddress(ask: AddressAsk, signal: AbortSignal): Promise<string>
  releaseAddress(ask: { pool: string; address: string }, signal: AbortSignal): Promise<void>
  createNetwork(ask: NetworkAsk, signal: AbortSignal): Promise<void>
  deleteNetwork(localId: string, signal: AbortSignal): Promise<void>
  /** Returns the endpoint's MAC: the requested one, or the one derived from its address. */
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

/** What the IPAM driver has given Docker for one subnet. Addresses may have a prefix length. */
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
  /** A person's name for the interface inside the container. */
  interfaceName?: string
}

export interface JoinAnswer {
  /** The interface that Docker moves into the container. */
  device: string
  /** Its name there. Docker chooses one when absent. */
  interfaceName?: string
  /** The container gets no route out of the network. */
  internal: boolean
}

/** The IPAM driver's only address space, for both of Docker's kinds (local and global). */
export const addressSpace = 'multihost'
