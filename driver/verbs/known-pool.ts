/** From a pool's id, as Docker has it, to the pool. */
import { DriverError } from '../core/errors.ts'
import { canonicalCidr, isCidr } from '../core/ip.ts'
import type { Cidr, Network, Pool } from '../core/records.ts'

export function poolAt(network: Network, cidr: Cidr): Pool {
  const pool = network.v6?.cidr === cidr ? network.v6 : network.v4
  if (pool.cidr !== cidr) throw unknownPool(cidr)
  return pool
}

/** A pool's id is its block. */
export function knownPool(pool: string): Cidr {
  if (!isCidr(pool)) throw unknownPool(pool)
  return canonicalCidr(pool)
}

export function unknownPool(pool: string): DriverError {
  return new DriverError('not-found', `there is no pool ${pool.slice(0, 100)}`, {
    hint: `'multihost status' lists the networks; ${ownNetworksAlone}`,
  })
}

/** A bridge or macvlan network with this IPAM driver can be made: Docker asks for a pool and names no driver. */
export const ownNetworksAlone =
  'the vxlan IPAM driver serves networks of driver vxlan: docker network create -d vxlan --ipam-driver vxlan NAME'
