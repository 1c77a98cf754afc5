/**
 * Makes a network of the cluster for a container that needs it, and waits until the engine here has the one that
 * won: two hosts may make it at the same moment.
 *
 * The subnet is named and not left to the engine, because only then the engine gives fixed addresses on this host,
 * which services need (docs/decisions/service-addresses.md).
 */

import { ask } from '../control/client.ts'
import { DriverError, isCode } from '../core/errors.ts'
import { createBody } from './create-network.ts'
import type { Dockerd } from './dockerd.ts'
import type { Networks, ReadyNetwork } from './routes.ts'

export interface NetworkTools {
  controlSocket: string
  dockerd: Dockerd
}

/** So often a pool is chosen anew when another host was faster. */
export const attempts = 5

export async function ensureNetwork(tools: NetworkTools, name: string): Promise<ReadyNetwork> {
  const { networks } = await clusterNetworks(tools)
  if (!networks.some((it) => it.name === name)) await make(tools, name)
  const ready = await waitUntilReady(tools, name)
  if (ready !== undefined) return ready
  throw new DriverError('unavailable', `network ${name} did not come up on this host within 10 s`, {
    hint: "'multihost status' tells why",
  })
}

export function clusterNetworks({ controlSocket }: NetworkTools): Promise<Networks> {
  return ask(controlSocket, 'GET', '/networks')
}

export async function waitUntilReady(
  { controlSocket }: NetworkTools,
  name: string,
): Promise<ReadyNetwork | undefined> {
  const path = `/networks/${encodeURIComponent(name)}/ready`
  return (await ask<ReadyNetwork | null>(controlSocket, 'POST', path, {})) ?? undefined
}

export async function choosePool({ controlSocket }: NetworkTools, refused: string[]): Promise<string> {
  return (await ask<{ pool: string }>(controlSocket, 'POST', '/pools/choose', { refused })).pool
}

async function make(tools: NetworkTools, name: string): Promise<void> {
  const refused: string[] = []
  for (;;) {
    const pool = await choosePool(tools, refused)
    try {
      await tools.dockerd.createNetwork(createBody(name, [], pool) ?? {})
      return
    } catch (error) {
      if (await isThere(tools, name)) return
      refused.push(pool)
      // Another host took the pool in the meantime, perhaps for the very same network.
      if (refused.length === attempts || isCode(error, 'invalid')) throw error
      if ((await clusterNetworks(tools)).networks.some((it) => it.name === name)) return
    }
  }
}

/** Made by another command of this host. Throws `invalid` when it is not a network of the cluster. */
async function isThere({ dockerd }: NetworkTools, name: string): Promise<boolean> {
  const network = await dockerd.network(name)
  if (network === undefined) return false
  if (network.Driver === 'vxlan') return true
  throw new DriverError(
    'invalid',
    `network ${name} of this host has the driver ${network.Driver}, not vxlan`,
    {
      hint: 'remove it, or choose another name: the network is wanted on all hosts',
    },
  )
}
