/** Two hosts with whole drivers, and the engine as commands see it: the same dockerd in memory behind other calls. */
import { randomBytes } from 'node:crypto'
import { DriverError } from '../../../../driver/core/errors.ts'
import type { Dockerd } from '../../../../driver/dialect/dockerd.ts'
import { fakeKernel } from '../../../../driver/kernel/fake.ts'
import { createMemoryCluster, type MemoryCluster } from '../../../../driver/store/memory.ts'
import { startHost, type TestHost } from '../../../fixtures/host.ts'

export interface CommandHost extends AsyncDisposable {
  host: TestHost
  dockerd: Dockerd
  controlSocket: string
  /** A container without a network. */
  create(name: string): void
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
  const idle = new Map<string, string>()
  return {
    host,
    dockerd: commandsOf(host, idle),
    controlSocket: host.controlSocket,
    create: (container) => void idle.set(container, randomBytes(32).toString('hex')),
    [Symbol.asyncDispose]: () => host[Symbol.asyncDispose](),
  }
}

function commandsOf({ docker }: TestHost, idle: ReadonlyMap<string, string>): Dockerd {
  const asSeen = async () =>
    (await docker.networks()).map(({ id, name, driver }) => ({
      Id: id,
      Name: name,
      Driver: driver,
      Scope: 'local',
    }))
  const find = async (ref: string) => {
    const found = (await asSeen()).find(({ Id, Name }) => Id === ref || Name === ref)
    if (found === undefined) throw new DriverError('not-found', `network ${ref} not found`)
    return found
  }
  return {
    async container(ref) {
      const running = (await docker.containers()).find(({ id, name }) => name === ref || id.startsWith(ref))
      if (running !== undefined) return { id: running.id, name: running.name, networks: [] }
      const id = idle.get(ref)
      if (id === undefined) throw new DriverError('not-found', `No such container: ${ref}`)
      return { id, name: ref, networks: [] }
    },
    network: (ref) => find(ref).catch(() => undefined),
    networks: asSeen,
    createNetwork(body) {
      const { Name, Internal, IPAM } = body as {
        Name: string
        Internal: boolean
        IPAM: { Config: { Subnet: string }[] }
      }
      const pools = IPAM.Config.map(({ Subnet }) => ({ subnet: Subnet, aux: {} }))
      return docker.create(Name, { internal: Internal, pools })
    },
    async removeNetwork(ref) {
      await docker.rm((await find(ref)).Name)
    },
    async connect(network, id, { v4 } = {}) {
      const name = [...idle].find(([, it]) => it === id)?.[0] ?? ''
      await docker.run(name, (await find(network)).Name, { id, ...(v4 === undefined ? {} : { ip: v4 }) })
    },
    async disconnect(_, container) {
      await docker.stop((await docker.containers()).find(({ id }) => id === container)?.name ?? container)
    },
  }
}
