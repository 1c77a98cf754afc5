/**
 * Three hosts around one Consul: whole members of the driver, an engine, a kernel and Consul in memory each.
 *
 * The world watches its invariants all the time (invariants.ts).
 */
import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises'
import { containerEndName } from '../../driver/core/datapath/desired.ts'
import { replicasOn } from '../../driver/core/snapshot.ts'
import { usualIntervals } from '../../driver/daemon/intervals.ts'
import { type Member, startMember } from '../../driver/daemon/member.ts'
import type { Engine } from '../../driver/engine/engine.ts'
import type { Kernel } from '../../driver/kernel/kernel.ts'
import { type Log, silentLog } from '../../driver/log.ts'
import { createHostClaim } from '../../driver/loops/host/claim.ts'
import type { ConsulClient, ListQuery } from '../../driver/store/consul/client.ts'
import { openConsulStore } from '../../driver/store/consul/store.ts'
import type { Store } from '../../driver/store/store.ts'
import type { Random } from '../../scenarios/faults/random.ts'
import { askApp } from '../fixtures/ask-app.ts'
import { type ConsulInMemory, consulInMemory } from '../fixtures/consul-in-memory.ts'
import { dockerCommandsOn } from '../fixtures/docker-commands.ts'
import { type Attachment, type Dockerd, dockerd } from '../fixtures/dockerd.ts'
import { type FakeKernel, fakeKernel } from '../fixtures/fake-kernel.ts'
import { noDns } from '../fixtures/host.ts'
import { type Faults, faultyClient, noFaults } from './faulty-client.ts'
import { sharedAddresses, takenEntries, takenLinks } from './invariants.ts'
import { memoryFolder } from './virtual-files.ts'

const graceMs = 100

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
  vtep: string
  docker: Dockerd
  kernel: FakeKernel
  faults: Faults
  /** Undefined while the driver is stopped. */
  member: Member | undefined
  store: Store
  /** Containers between the end of `docker run` and the begin of `docker stop`. */
  running: Map<string, Attachment>
  /** Commands of Docker that are under way. */
  commands: number
  /** After a power cut, until the driver has read the store. No step chooses the host. */
  isDown: boolean
  /** Removed from the cluster while its containers run: the other hosts forget them until it is back. */
  isEvicted: boolean
  /** Ids of all endpoints that the host has had a record of. */
  knew: Set<string>
  run(name: string, network: string, ip?: string): Promise<void>
  /** `docker rm --force` */
  stop(name: string): Promise<void>
  /** `docker stop` */
  halt(name: string): Promise<void>
  /** `docker start` */
  wake(name: string): Promise<void>
  startDriver(): Promise<void>
  stopDriver(): Promise<void>
  /** A power cut. Until `startDriver` nothing of the host is there but its disk. */
  crash(): Promise<void>
  /** `multihost host rm NAME` on this host. */
  evict(name: string): Promise<void>
}

export interface WorldOptions {
  /** The kernel tells of changes. */
  tells?: boolean
  /** Called with every question that a driver asks: `docker networks`. */
  asked?(question: string): void
  /** Called with each call of Docker, each operation on a kernel and each line of a driver's log. */
  tell?(line: string): void
  /** Limit of a call of Consul. A blocking query waits for half of it. */
  timeoutMs?: number
}

/** `random` decides how long each part takes to answer. */
export async function makeWorld(
  hostCount: number,
  random: Random,
  violations: string[],
  options: WorldOptions = {},
): Promise<World> {
  const consul = consulInMemory()
  const world: World = {
    ...{ consul, hosts: [], server: consul, violations },
    async close() {
      await Promise.all(world.hosts.map((host) => host.stopDriver()))
    },
  }
  for (let number = 1; number <= hostCount; number += 1)
    world.hosts.push(makeHost(world, number, random, options))
  await Promise.all(world.hosts.map((host) => host.startDriver()))
  return world
}

/**
 * What an answer takes at random: often nothing but a turn of the event loop, and seldom longer than the
 * grace period.
 */
export async function answerTime(random: Random, longShare = 0.01): Promise<void> {
  if (random.chance(longShare)) await delay(random.below(4 * graceMs))
  else if (random.chance(0.5)) await nextTurn()
  else await delay(random.below(5))
}

/** Both ways take time: what is answered may have changed meanwhile. */
async function late<T>(pause: () => Promise<void>, answer: () => Promise<T>): Promise<T> {
  await pause()
  const said = await answer()
  await pause()
  return said
}

/** The same kernel as one that takes time to answer. Its operations take theirs in `before`. */
function lateKernel(kernel: Kernel, pause: () => Promise<void>): Kernel {
  return {
    ...kernel,
    observe: (namespace) => late(pause, () => kernel.observe(namespace)),
    namespaces: () => late(pause, kernel.namespaces),
    strayLinks: () => late(pause, kernel.strayLinks),
  }
}

/** The same engine as one that takes time to answer, and that may be restarting. */
function lateEngine(engine: Engine, faults: () => Faults, pause: () => Promise<void>): Engine {
  const network: Engine['network'] = async (id) => {
    const found = await engine.network(id)
    return found && faults().restoring ? { ...found, endpoints: [] } : found
  }
  return {
    ...engine,
    networks: () => late(pause, engine.networks),
    network: (id) => late(pause, () => network(id)),
    running: () => late(pause, engine.running),
    container: (id) => late(pause, () => engine.container(id)),
    has: (id) => late(pause, () => engine.has(id)),
    configuredContainers: () => late(pause, engine.configuredContainers),
    stoppedContainers: () => late(pause, engine.stoppedContainers),
    stoppedContainer: (id) => late(pause, () => engine.stoppedContainer(id)),
  }
}

/** The same part, of which every call is told. */
function counted<Part extends object>(who: string, part: Part, { asked }: WorldOptions): Part {
  const entries = Object.entries(part).map(([name, it]) => {
    if (typeof it !== 'function') return [name, it]
    const told = (...args: unknown[]): unknown => {
      const isBlocking = (args[1] as ListQuery | undefined)?.index !== undefined
      asked?.(isBlocking ? `${who} ${name}, blocking` : `${who} ${name}`)
      return it(...args)
    }
    return [name, told]
  })
  return Object.fromEntries(entries)
}

function makeHost(world: World, number: number, random: Random, options: WorldOptions): WorldHost {
  const name = `net-${number}`
  const folder = `${memoryFolder}/${name}`
  const pause = (): Promise<void> => answerTime(random)
  /** Docker does more between its calls than the driver does in them. */
  const dockerPause = (): Promise<void> => answerTime(random, 0.15)
  const underlay = { device: 'eth1', address: `192.168.33.1${number}`, mtuBytes: 1500 }
  const running = new Map<string, Attachment>()
  const log = options.tell === undefined ? silentLog : toldLog(name, options.tell)
  const kernel = fakeKernel({
    interfaces: [underlay],
    ...(options.tells && { tells: true }),
    async before(op) {
      options.tell?.(`${name} kernel: ${JSON.stringify(op)}`)
      await pause()
      world.violations.push(...takenLinks(host, op), ...takenEntries(world.hosts, host, op))
    },
  })
  const docker = dockerd({
    socket: '',
    call: (method, body) => {
      options.tell?.(`${name} Docker: ${method} ${JSON.stringify(body)}`)
      return late(dockerPause, () => callMember(host, method, body))
    },
    async plug(_, { endpoint }) {
      await dockerPause()
      kernel.take(containerEndName(endpoint))
    },
  })
  const client = (): ConsulClient => faultyClient(() => world.server.client(), host.faults, random, pause)
  const openStore = (): Promise<Store> =>
    openConsulStore({
      ...{ url: 'consul://consul', host: name, client: counted('consul', client(), options) },
      ...(options.timeoutMs !== undefined && { timeoutMs: options.timeoutMs }),
      ...{
        diskPath: `${folder}/store.json`,
        saveEveryMs: 100,
        pauseMs: 5,
        resyncMs: 4000,
        // The log is short here: its segments are kept for twelve times as long.
        retentionMs: 170,
      },
    })
  const command = async <T>(work: () => Promise<T>): Promise<T> => {
    host.commands += 1
    return work().finally(() => {
      host.commands -= 1
    })
  }
  const runs = (container: string, at: Attachment): void => {
    // Two lines that nothing can come between: from now on the container counts.
    running.set(container, at)
    world.violations.push(...sharedAddresses(world.hosts))
  }
  const host: WorldHost = {
    ...{ name, vtep: underlay.address, docker, kernel, running, commands: 0 },
    ...{ faults: noFaults(), member: undefined, isDown: false, isEvicted: false, knew: new Set() },
    store: undefined as unknown as Store,
    async run(container, network, ip) {
      const at = await command(() => docker.run(container, network, ip === undefined ? {} : { ip }))
      runs(container, at)
    },
    async stop(container) {
      running.delete(container)
      await command(() => docker.stop(container))
    },
    async halt(container) {
      running.delete(container)
      await command(() => docker.halt(container))
    },
    wake: (container) => command(() => docker.start(container)).then((at) => runs(container, at)),
    async startDriver() {
      const store = await openStore()
      host.store = store
      noteEndpoints(host)
      host.member = await startMember({
        setup: {
          host: name,
          id: `id-of-${name}`,
          underlay,
          store,
          replicas: replicasOn(store.snapshot(), name),
        },
        kernel: counted('kernel', lateKernel(kernel, pause), options),
        engine: counted(
          'docker',
          lateEngine(docker, () => host.faults, pause),
          options,
        ),
        ...{
          docker: counted('docker', dockerCommandsOn(docker), options),
          findUnderlay: async () => underlay,
        },
        ...{
          pools: ['172.21.0.0/24', '172.22.0.0/24'],
          resolvers: async () => [],
          defaultNetwork: { driver: 'overlay', name: 'multihost' },
        },
        sockets: { socket: '', controlSocket: `${folder}/control.sock` },
        namespaceFolder: `${folder}/netns`,
        ...{ version: '0.1.0', openTunnel: undefined, names: noDns, filterIsOn: true },
        journalPath: `${folder}/journal.json`,
        ...{ log, startedAt: new Date().toISOString(), stopping: new AbortController().signal },
        intervals: { ...usualIntervals, graceMs },
        answerWithinMs: 60_000,
        claim: createHostClaim({
          ...{ store, host: name, id: `id-of-${name}`, log },
          onTaken: (error) => void world.violations.push(`${name} lost its name: ${error.line}`),
        }),
        onCall: () => undefined,
      })
    },
    async stopDriver() {
      const { member } = host
      host.member = undefined
      await member?.close()
      if (member !== undefined) await host.store.close()
    },
    async crash() {
      host.isDown = true
      docker.crash()
      running.clear()
      // A driver that is killed says nothing more to Consul.
      host.faults.cut = true
      await host.stopDriver()
      kernel.reboot()
      Object.assign(host.faults, noFaults())
      world.consul.expire(`multihost/alive/${name}`)
    },
    async evict(other) {
      if (host.member === undefined) throw new Error('the driver is stopped')
      const answer = await askApp(host.member.apps.control, 'DELETE', `/hosts/${other}`, '')
      if (answer.status !== 200) throw new Error(answer.text)
    },
  }
  return host
}

function noteEndpoints({ store, knew }: WorldHost): void {
  for (const { value } of store.snapshot().endpoints.values()) knew.add(value.id)
  store.onChange(({ endpoints }, keys) => {
    for (const { table, key } of keys) {
      const id = table === 'endpoints' ? endpoints.get(key)?.value.id : undefined
      if (id !== undefined) knew.add(id)
    }
  })
}

function toldLog(host: string, tell: (line: string) => void): Log {
  const words = (_: string, it: unknown): unknown => (it instanceof Error ? it.message : it)
  const at = (level: string) => (fields: unknown, message: string) =>
    tell(`${host} ${level}: ${message} ${JSON.stringify(fields, words)}`)
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') } as Log
}

/** As over the socket, without the socket. */
async function callMember<T>({ member }: WorldHost, method: string, body: object): Promise<T> {
  if (member === undefined) throw new Error(`${method}: the driver is stopped`)
  const answer = await askApp(member.apps.plugin, 'POST', `/${method}`, JSON.stringify(body))
  const said = JSON.parse(answer.text) as T & { Err?: string }
  if (answer.status !== 200) throw new Error(`${method}: ${said.Err}`)
  return said
}
