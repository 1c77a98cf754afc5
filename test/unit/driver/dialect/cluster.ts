/** Two hosts with whole drivers, and what `multihost docker` has on each: the control socket and the engine. */
import { afterEach, beforeEach } from 'vitest'
import { callsOverSocket } from '../../../../driver/dialect/calls-over-socket.ts'
import type { NetworkTools } from '../../../../driver/dialect/make-default-network.ts'
import type { FakeDockerCommands } from '../../../fixtures/docker-commands.ts'
import { hostInMemory, type TestHost } from '../../../fixtures/host.ts'
import { createMemoryCluster, type MemoryCluster } from '../../../fixtures/memory-store.ts'

export interface CommandHost extends NetworkTools, AsyncDisposable {
  host: TestHost
  docker: FakeDockerCommands
}

export let net1: CommandHost
export let net2: CommandHost

/** Two hosts, made anew for each test of the file or group that calls it. */
export function useTwoHosts(): void {
  beforeEach(async () => {
    const memory = createMemoryCluster()
    net1 = await commandHost(memory, 1)
    net2 = await commandHost(memory, 2)
  })
  afterEach(async () => {
    await Promise.all([net1[Symbol.asyncDispose](), net2[Symbol.asyncDispose]()])
  })
}

async function commandHost(memory: MemoryCluster, number: number): Promise<CommandHost> {
  const host = await hostInMemory(memory, number)
  return {
    host,
    docker: host.commands,
    calls: callsOverSocket(host.controlSocket),
    [Symbol.asyncDispose]: () => host[Symbol.asyncDispose](),
  }
}
