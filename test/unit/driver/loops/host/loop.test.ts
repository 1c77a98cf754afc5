/** What a host publishes in its record. */
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { DriverError } from '../../../../../driver/core/errors.ts'
import type { Engine, EngineNetwork } from '../../../../../driver/engine/engine.ts'
import { silentLog } from '../../../../../driver/log.ts'
import { type HostOptions, startHost } from '../../../../../driver/loops/host/loop.ts'
import { type Dockerd, dockerd } from '../../../../fixtures/dockerd.ts'
import { createMemoryCluster } from '../../../../fixtures/memory-store.ts'
import { createNetwork } from '../../../../fixtures/store-records.ts'

const common = {
  host: 'net-1',
  claim: { renew: async () => 'session' },
  blank: () => ({ vtep: '192.168.33.11', driverVersion: '1' }),
  routes: async () => [],
  foreignVxlans: async () => [],
  resolvers: async () => [],
  tunnel: () => undefined,
  log: silentLog,
}

const engine = {
  version: async () => '28.5.2',
  inSwarmMode: async () => false,
  addressPools: async (): Promise<string[]> => [],
  network: async (): Promise<EngineNetwork | undefined> => undefined,
  createNetwork: async () => 'made',
} satisfies Partial<Engine>

test('the blocks of the engine’s bridges are asked for once, until the engine may have restarted', async () => {
  const store = createMemoryCluster().open('net-1')
  let pools: string[] | undefined
  let asked = 0
  const loop = startHost({
    ...common,
    store,
    engine: {
      ...engine,
      async addressPools() {
        asked++
        if (pools === undefined) throw new Error('the engine is away')
        return pools
      },
    },
    everyMs: 10,
  })
  const published = () => store.snapshot().hosts.get('net-1')?.value
  await expect.poll(() => asked).toBeGreaterThan(1)
  expect(published()).not.toHaveProperty('enginePools')
  pools = ['10.10.0.0/16']
  await expect.poll(() => published()?.enginePools).toEqual(['10.10.0.0/16'])
  const before = asked
  pools = []
  await new Promise((resolve) => setTimeout(resolve, 100))
  expect(asked).toBe(before)
  loop.engineRestarted()
  await expect.poll(() => published()?.enginePools).toEqual([])
  await loop.close()
})

test('VXLAN devices of other programs are published sorted, and looked for again when the links change', async () => {
  const store = createMemoryCluster().open('net-1')
  let devices: { vni: number; port: number }[] | undefined
  let [looks, runs] = [0, 0]
  const loop = startHost({
    ...common,
    store,
    engine,
    async foreignVxlans() {
      looks++
      if (devices === undefined) throw new Error('ip does not answer')
      return devices
    },
    everyMs: 10,
    onRun: () => void runs++,
  })
  const published = () => store.snapshot().hosts.get('net-1')?.value
  await expect.poll(() => looks).toBeGreaterThan(1)
  expect(published()).not.toHaveProperty('foreignVxlans')
  const [one, other, swarms] = [
    { vni: 256, port: 4789 },
    { vni: 256, port: 8472 },
    { vni: 4097, port: 4789 },
  ]
  devices = [swarms, one, other, one]
  await expect.poll(() => published()?.foreignVxlans).toEqual([one, other, swarms])
  const before = { looks, runs }
  devices = []
  await expect.poll(() => runs).toBeGreaterThan(before.runs + 2)
  expect(looks).toBe(before.looks)
  loop.linksChanged()
  await expect.poll(() => published()?.foreignVxlans).toEqual([])
  await loop.close()
})

test('a host that was removed has its networks again while the engine is starting, which then is described', async () => {
  const store = createMemoryCluster().open('net-1')
  await store.commit([createNetwork('n1')])
  let started: (version: string) => void = () => undefined
  const version = new Promise<string>((resolve) => {
    started = resolve
  })
  const loop = startHost({
    ...common,
    store,
    engine: { ...engine, version: () => version },
    replicas: new Map([['local', 'n1']]),
    everyMs: 10_000,
  })
  await expect.poll(() => store.snapshot().replicas.get('net-1/local')?.value).toBe('n1')
  started('28.5.2')
  await expect.poll(() => store.snapshot().hosts.get('net-1')?.value.engineVersion).toBe('28.5.2')
  await loop.close()
})

test('the record follows the host’s name servers, and keeps those of before while the files cannot be read', async () => {
  const store = createMemoryCluster().open('net-1')
  let resolvers: string[] | undefined = ['172.16.0.10']
  let asked = 0
  const loop = startHost({
    ...common,
    store,
    engine,
    async resolvers() {
      asked++
      return resolvers
    },
    everyMs: 10,
  })
  const published = () => store.snapshot().hosts.get('net-1')?.value.resolvers
  await expect.poll(() => published()).toEqual(['172.16.0.10'])
  resolvers = undefined
  const before = asked
  await expect.poll(() => asked).toBeGreaterThan(before + 2)
  expect(published()).toEqual(['172.16.0.10'])
  resolvers = []
  await expect.poll(() => published()).toEqual([])
  await loop.close()
})

const bridge = 'docker_gwbridge'
const noPlugin = async (): Promise<never> => {
  throw new Error('docker_gwbridge is no network of the driver')
}

describe('docker_gwbridge', () => {
  const bridges = async (docker: Dockerd): Promise<string[]> =>
    (await docker.network(bridge)) === undefined ? [] : ['172.18.0.0/16']
  const start = (more: Partial<HostOptions> = {}) => {
    const store = createMemoryCluster().open('net-1')
    const docker = dockerd({ socket: '', call: noPlugin })
    const routes = async () => (await bridges(docker)).map((to) => ({ to, connected: true }))
    const loop = startHost({ ...common, store, engine: docker, routes, everyMs: 10, ...more })
    onTestFinished(() => loop.close())
    const published = () => store.snapshot().hosts.get('net-1')?.value.routes?.connected
    return { docker, loop, store, published }
  }

  test('is made as the engine makes it, and is among the first routes that the host publishes', async () => {
    const { docker, published, loop } = start({ everyMs: 60_000 })
    await expect.poll(() => published()).toBeDefined()
    expect(published()).toEqual(['172.18.0.0/16'])
    expect(await docker.network(bridge)).toMatchObject({
      driver: 'bridge',
      internal: false,
      ipamDriver: 'default',
      options: {
        'com.docker.network.bridge.name': bridge,
        'com.docker.network.bridge.enable_icc': 'false',
        'com.docker.network.bridge.enable_ip_masquerade': 'true',
      },
    })
    expect(loop.problems()).toEqual([])
  })

  test('that was removed is left to a person for an interval, and is made again then', async () => {
    const { docker, loop, store, published } = start({ everyMs: 500 })
    const told = async (present: boolean) => {
      const isPublished = () => published()?.length === (present ? 1 : 0)
      // Noted as it changes: when a slow machine looks, the bridge may be made again.
      let wasPublished = isPublished()
      const stop = store.onChange(() => {
        wasPublished ||= isPublished()
      })
      docker.bridge(bridge, present)
      loop.engineNetworkChanged(bridge)
      await expect.poll(() => wasPublished).toBe(true)
      stop()
      return docker.network(bridge)
    }
    await expect.poll(() => published()).toHaveLength(1)
    await told(false)
    const persons = await told(true)
    await told(false)
    await expect.poll(() => published()).toHaveLength(1)
    expect((await docker.network(bridge))?.options).not.toEqual(persons?.options)
  })

  test('that is there is asked for once, until the engine may have restarted', async () => {
    const docker = dockerd({ socket: '', call: noPlugin })
    docker.bridge(bridge)
    const network = vi.fn(docker.network)
    let looks = 0
    const { loop } = start({ engine: { ...engine, network }, onRun: () => void looks++ })
    await expect.poll(() => looks).toBeGreaterThan(5)
    expect(network).toHaveBeenCalledOnce()
    loop.engineRestarted()
    loop.engineNetworkChanged('foobar')
    await expect.poll(() => network).toHaveBeenCalledTimes(2)
  })

  test('is left to an engine in swarm mode', async () => {
    const createNetwork = vi.fn(async () => 'made')
    const { published } = start({ engine: { ...engine, inSwarmMode: async () => true, createNetwork } })
    await expect.poll(() => published()).toBeDefined()
    expect(createNetwork).not.toHaveBeenCalled()
  })

  test('that cannot be made is a problem until it is there, and hinders nothing', async () => {
    let is: EngineNetwork | undefined
    const createNetwork = vi.fn(async () => {
      throw new DriverError('in-use', 'the engine: could not find an available pool')
    })
    const { loop, published, docker } = start({
      engine: { ...engine, network: async () => is, createNetwork },
    })
    await expect.poll(() => published()).toEqual([])
    expect(loop.problems()).toEqual([
      expect.stringMatching(
        /^docker_gwbridge cannot be made: the engine: could not find an available pool; /,
      ),
    ])
    expect(createNetwork).toHaveBeenCalledOnce()
    docker.bridge(bridge)
    is = await docker.network(bridge)
    await expect.poll(() => loop.problems()).toEqual([])
  })

  test('that the engine makes for too long holds up nothing, and is made once', async () => {
    const createNetwork = vi.fn(() => new Promise<string>(() => undefined))
    const { published } = start({ engine: { ...engine, createNetwork } })
    await expect.poll(() => published()).toEqual([])
    expect(createNetwork).toHaveBeenCalledOnce()
  })
})
