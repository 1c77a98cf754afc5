/** Two hosts with whole drivers, and what `multihost docker` has on each: the control socket and the engine. */
import { callsOverSocket } from '../../../../driver/dialect/calls-over-socket.ts'
import type { NetworkTools } from '../../../../driver/dialect/make-default-network.ts'
import type { FakeDockerCommands } from '../../../fixtures/docker-commands.ts'
import { fakeKernel } from '../../../fixtures/fake-kernel.ts'
import { startHost, type TestHost } from '../../../fixtures/host.ts'
import { createMemoryCluster, type MemoryCluster } from '../../../fixtures/memory-store.ts'

export interface CommandHost extends NetworkTools, AsyncDisposable {
  host: TestHost
  docker: FakeDockerCommands
}

export async function twoHosts(): Promise<readonly [CommandHost, CommandHost]> {
  const memory = createMemoryCluster()
  return [await commandHost(memory, 1), await commandHost(memory, 2)]
}

async function commandHost(memory: MemoryCluster, number: number): Promise<CommandHost> {
  const name = `net-${number}`
  const underlay = { device: 'eth1', address: `192.168.33.1${number}`, mtuBytes: 1500 }
  const kernel = fakeKernel({ interfaces: [underlay] })
  const host = await startHost({ name, kernel, underlay, openStore: () => memory.open(name) })
  return {
    host,
    docker: host.commands,
    calls: callsOverSocket(host.controlSocket),
    [Symbol.asyncDispose]: () => host[Symbol.asyncDispose](),
  }
}
