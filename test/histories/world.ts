/**
 * Three hosts around one Consul: whole members of the driver, an engine, a kernel and Consul in memory each.
 *
 * The world watches its two invariants all the time: no operation takes the link of a container that its engine runs,
 * and no two running containers of a network have one address.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Op } from '../../driver/core/datapath/datapath.ts'
import { containerEndName } from '../../driver/core/datapath/desired.ts'
import { type Member, startMember } from '../../driver/daemon/member.ts'
import { silentLog } from '../../driver/log.ts'
import { openConsulStore } from '../../driver/store/consul/store.ts'
import type { Store } from '../../driver/store/store.ts'
import { type ConsulInMemory, consulInMemory } from '../fixtures/consul-in-memory.ts'
import { dockerCommandsOn } from '../fixtures/docker-commands.ts'
import { type Attachment, type Dockerd, dockerd } from '../fixtures/dockerd.ts'
import { type FakeKernel, fakeKernel } from '../fixtures/fake-kernel.ts'
import { type Faults, faultyClient, noFaults } from './faulty-client.ts'
import type { Random } from './random.ts'

export interface World {
  consul: ConsulInMemory
  hosts: WorldHost[]
  /** The server at the store's address: `consul`, or another cluster's. */
  server: ConsulInMemory
  /** What broke an invariant, each as a sentence. */
  violations: string[]
  close(): Promise<void>
}

export interface WorldHost {
  name: string
  docker: Dockerd
  kernel: FakeKernel
  faults: Faults
  /** Undefined while the driver is stopped. */
  member: Member | undefined
  store: Store
  /** Containers between the end of `docker run` and the begin of `docker stop`. */
  running: Map<string, Attachment>
  run(name: string, network: string): Promise<void>
  stop(name: string): Promise<void>
  startDriver(): Promise<void>
  stopDriver(): Promise<void>
}

export async function makeWorld(hostCount: number, random: Random): Promise<World> {
  const folder = mkdtempSync(join(tmpdir(), 'multihost-history-'))
  const consul = consulInMemory()
  const world: World = {
    ...{ consul, hosts: [], server: consul, violations: [] },
    async close() {
      await Promise.all(world.hosts.map((host) => host.stopDriver()))
      rmSync(folder, { recursive: true, force: true })
    },
  }
  for (let number = 1; number <= hostCount; number += 1)
    world.hosts.push(makeHost(world, number, folder, random))
  await Promise.all(world.hosts.map((host) => host.startDriver()))
  return world
}

function makeHost(world: World, number: number, folder: string, random: Random): WorldHost {
  const name = `net-${number}`
  const underlay = { device: 'eth1', address: `192.168.33.1${number}`, mtuBytes: 1500 }
  const running = new Map<string, Attachment>()
  const kernel = fakeKernel({
    interfaces: [underlay],
    before: async (op) => void world.violations.push(...takenLinks(name, running, op)),
  })
  const docker = dockerd({
    socket: '',
    call: (method, body) => callMember(host, method, body),
    plug: async (_, { endpoint }) => kernel.take(containerEndName(endpoint)),
  })
  const openStore = (): Promise<Store> =>
    openConsulStore({
      ...{
        url: 'consul://consul',
        host: name,
        client: faultyClient(() => world.server.client(), host.faults, random),
      },
      ...{
        diskPath: join(folder, `${name}.json`),
        saveEveryMs: 100,
        pauseMs: 5,
        resyncMs: 4000,
        retentionMs: 2000,
      },
    })
  const host: WorldHost = {
    ...{ name, docker, kernel, faults: noFaults(), member: undefined, running },
    store: undefined as unknown as Store,
    async run(container, network) {
      const at = await docker.run(container, network)
      // Two lines that nothing can come between: from now on the container counts.
      running.set(container, at)
      world.violations.push(...sharedAddresses(world))
    },
    async stop(container) {
      running.delete(container)
      await docker.stop(container)
    },
    async startDriver() {
      host.store = await openStore()
      host.member = await startMember({
        setup: { host: name, id: `id-of-${name}`, underlay, store: host.store },
        ...{ kernel, engine: docker, docker: dockerCommandsOn(docker), findUnderlay: async () => underlay },
        ...{
          pools: ['172.21.0.0/24', '172.22.0.0/24'],
          defaultNetwork: { driver: 'overlay', name: 'multihost' },
        },
        ...{ socket: '', controlSocket: '', namespaceFolder: join(folder, name), version: '0.1.0' },
        journalPath: join(folder, `${name}-journal.json`),
        ...{ log: silentLog, startedAt: new Date().toISOString(), claimed: false },
        ...{ everyMs: 4000, graceMs: 100, answerWithinMs: 60_000 },
        ...{ onClaimed: () => undefined, onCall: () => undefined },
        onTaken: (error) => void world.violations.push(`${name} lost its name: ${error.line}`),
      })
    },
    async stopDriver() {
      const { member } = host
      host.member = undefined
      await member?.close()
      if (member !== undefined) await host.store.close()
    },
  }
  return host
}

/** As over the socket, without the socket. */
async function callMember<T>({ member }: WorldHost, method: string, body: object): Promise<T> {
  if (member === undefined) throw new Error(`${method}: the driver is stopped`)
  const answer = await member.apps.plugin.request(`/${method}`, {
    method: 'POST',
    body: JSON.stringify(body),
  })
  const said = (await answer.json()) as T & { Err?: string }
  if (answer.status !== 200) throw new Error(`${method}: ${said.Err}`)
  return said
}

function takenLinks(host: string, running: ReadonlyMap<string, Attachment>, op: Op): string[] {
  const isTaken = ({ network, endpoint }: Attachment): boolean => {
    if (op.op === 'namespace-del') return op.namespace.endsWith(network.slice(0, 12))
    if (op.op !== 'veth-del' && op.op !== 'child-del') return false
    return op.port.slice(-8) === containerEndName(endpoint).slice(-8)
  }
  return [...running].flatMap(([name, at]) =>
    isTaken(at) ? [`${host}: ${op.op} takes the link of ${name}, which runs`] : [],
  )
}

function sharedAddresses({ hosts }: World): string[] {
  const holders = new Map<string, string>()
  return hosts.flatMap(({ name, docker, running }) =>
    [...running].flatMap(([container, { network, v4 }]) => {
      const key = `${docker.nameOf(network)} ${v4}`
      const other = holders.get(key)
      holders.set(key, `${container} on ${name}`)
      return other === undefined ? [] : [`${key} is held by ${other} and by ${container} on ${name}`]
    }),
  )
}
