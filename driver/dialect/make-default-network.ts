/**
 * Makes the default network, or the network of `--publish-service`, when the first container needs it. Then
 * waits until the engine here has the cluster's network of that name: two hosts may make it at the same
 * moment.
 *
 * The subnet is named and not left to the engine. Only with a named subnet the engine gives containers fixed
 * addresses, which services need (docs/decisions/service-addresses.md).
 */
import { DriverError, isCode } from '../core/errors.ts'
import type { DockerCommands } from '../engine/docker-commands.ts'
import { type DriverCalls, type ReadyNetwork, waitForNetworkMs } from './driver-calls.ts'
import { createBody } from './network-create-body.ts'

export interface NetworkTools {
  calls: DriverCalls
  docker: DockerCommands
}

/** A pool is chosen so often, when another host takes the chosen one first. */
export const attempts = 5

export async function ensureNetwork(tools: NetworkTools, name: string): Promise<ReadyNetwork> {
  if (!(await isInCluster(tools, name))) await make(tools, name)
  const ready = await tools.calls.waitForNetwork(name)
  if (ready !== undefined) return ready
  const seconds = waitForNetworkMs / 1000
  throw new DriverError('unavailable', `network ${name} did not appear on this host within ${seconds} s`, {
    hint: "'multihost status' shows why",
  })
}

async function make(tools: NetworkTools, name: string): Promise<void> {
  const refused: string[] = []
  for (;;) {
    const pool = await tools.calls.choosePool(refused)
    try {
      await tools.docker.createNetwork(createBody(name, [], pool) ?? {})
      return
    } catch (error) {
      if (await isOnThisHost(tools, name)) return
      refused.push(pool)
      if (refused.length === attempts || isCode(error, 'invalid')) throw error
      // Another host took the pool meanwhile, perhaps for this very network.
      if (await isInCluster(tools, name)) return
    }
  }
}

async function isInCluster({ calls }: NetworkTools, name: string): Promise<boolean> {
  return (await calls.clusterNetworks()).networks.some((it) => it.name === name)
}

/** Another command of this host made it. Throws `invalid` when it is not a network of the cluster. */
async function isOnThisHost({ docker }: NetworkTools, name: string): Promise<boolean> {
  const network = await docker.network(name)
  if (network === undefined) return false
  if (network.Driver === 'vxlan') return true
  const message = `network ${name} of this host has the driver ${network.Driver}, not vxlan`
  throw new DriverError('invalid', message, {
    hint: 'remove it, or use another name: the network must be the same on all hosts',
  })
}
