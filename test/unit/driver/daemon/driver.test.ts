/** Whole drivers over a store in memory and a kernel in memory: what the loops do between engine and store. */
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { recordsFor } from '../../../../driver/core/names.ts'
import type { Snapshot } from '../../../../driver/core/records.ts'
import { isIdle } from '../../../../driver/core/reserve.ts'
import { replicasOn } from '../../../../driver/core/snapshot.ts'
import { evict } from '../../../../driver/verbs/evict-host.ts'
import { fakeKernel } from '../../../fixtures/fake-kernel.ts'
import { startHost, type TestHost, type TestHostOptions } from '../../../fixtures/host.ts'
import { quickIntervals } from '../../../fixtures/intervals.ts'
import { createMemoryCluster, type MemoryCluster } from '../../../fixtures/memory-store.ts'
import { until } from '../../../fixtures/until.ts'

let memory: MemoryCluster
let net1: TestHost
let net2: TestHost
beforeEach(async () => {
  memory = createMemoryCluster()
  net1 = await host(1)
  net2 = await host(2)
})
afterEach(async () => {
  await Promise.all([net1[Symbol.asyncDispose](), net2[Symbol.asyncDispose]()])
})

function host(number: number, more: TestHostOptions['more'] = {}): Promise<TestHost> {
  const name = `net-${number}`
  const underlay = { device: 'eth1', address: `192.168.33.1${number}`, mtuBytes: 1500 }
  const kernel = fakeKernel({ interfaces: [underlay] })
  return startHost({ name, kernel, underlay, openStore: () => memory.open(name), more })
}

const has = (on: TestHost, ...names: string[]) =>
  until(
    `${on.name} has the networks ${names.join(', ')}`,
    () => on.docker.ls().join() === names.sort().join(),
  )
const isDescribed = ({ store }: TestHost): boolean =>
  [...store.snapshot().endpoints.values()].every(({ value }) => value.container !== undefined)
const networkOn = async (on: TestHost, name: string) =>
  (await on.docker.networks()).find((it) => it.name === name)

describe('a network', () => {
  test('appears on the other host as it was made, whichever made it', async () => {
    const made = {
      internal: true,
      options: { mtu: '1400', port: '4790' },
      labels: { team: 'blue' },
      pools: [
        { subnet: '10.9.0.0/16', range: '10.9.4.0/24', gateway: '10.9.0.1', aux: { router: '10.9.0.9' } },
        { subnet: 'fd00:9::/64', gateway: 'fd00:9::1', aux: {} },
      ],
    }
    const id = await net1.docker.create('foobar', { ...made, ipv6: true })
    await net2.docker.create('other')
    await Promise.all([has(net1, 'foobar', 'other'), has(net2, 'foobar', 'other')])
    const copy = await networkOn(net2, 'foobar')
    expect(copy).toMatchObject({ ...made, options: { ...made.options, 'multihost.id': id } })
  })

  test('that a stopped container of another host needs comes back after a prune', async () => {
    const id = await net1.docker.create('foobar')
    await has(net2, 'foobar')
    net2.docker.idle('db', 'foobar')
    await until('net-1 knows the use', () => net1.store.snapshot().uses.has(`net-2/${id}`))
    await net1.docker.rm('foobar')
    await has(net1, 'foobar')
    expect((await networkOn(net1, 'foobar'))?.options).toEqual({ 'multihost.id': id })
    expect(net2.docker.ls()).toEqual(['foobar'])
    net2.docker.discard('db')
    await until('the use has ended', () => net1.store.snapshot().uses.size === 0)
    await net1.docker.rm('foobar')
    await Promise.all([has(net1), has(net2)])
  })

  test('comes back, and its endpoints end, where Docker has lost its database', async () => {
    await net1.docker.create('foobar')
    await has(net2, 'foobar')
    await net2.docker.run('db', 'foobar')
    net2.docker.forgetAll()
    await until('the endpoint is gone', () => net1.store.snapshot().endpoints.size === 0)
    await has(net2, 'foobar')
    await net2.docker.run('web', 'foobar')
  })

  test('is not made twice by a driver that restarts', async () => {
    await net1.docker.create('foobar')
    await has(net2, 'foobar')
    const before = await networkOn(net2, 'foobar')
    await net2.restart()
    await net1.docker.create('other')
    await has(net2, 'foobar', 'other')
    expect((await networkOn(net2, 'foobar'))?.id).toBe(before?.id)
  })

  test('that was made while the other driver was down appears when it is up', async () => {
    await net2.stop()
    await net1.docker.create('foobar')
    await net2.start()
    await has(net2, 'foobar')
  })

  test('goes everywhere when no container uses it', async () => {
    await net1.docker.create('foobar')
    await has(net2, 'foobar')
    await net2.docker.rm('foobar')
    await Promise.all([has(net1), has(net2)])
    const { networks, pools, vnis, addresses } = await net1.store.read()
    expect([networks, pools, vnis, addresses].map(({ size }) => size)).toEqual([0, 0, 0, 0])
  })

  test('is put back where it was removed while another host uses it', async () => {
    await net1.docker.create('foobar')
    await has(net2, 'foobar')
    const { v4 } = await net2.docker.run('web', 'foobar')
    const before = await networkOn(net1, 'foobar')
    await net1.docker.rm('foobar')
    await until('foobar is back on net-1', async () => (await networkOn(net1, 'foobar'))?.id !== before?.id)
    await has(net1, 'foobar')
    expect((await net1.docker.run('client', 'foobar')).v4).not.toBe(v4)
  })

  test('made on both hosts at once under one name is one network in the end', async () => {
    await Promise.all([net1.docker.create('foobar'), net2.docker.create('foobar')])
    await until('one network is left', async () => (await net1.store.read()).networks.size === 1)
    await Promise.all([has(net1, 'foobar'), has(net2, 'foobar')])
    await until('both have the same network', async () => {
      const [a, b] = await Promise.all([net1, net2].map((on) => networkOn(on, 'foobar')))
      return a?.pools[0]?.subnet === b?.pools[0]?.subnet
    })
  })

  test('whose name is a bridge of the user’s is reported, holds nothing up, and appears when the name is free', async () => {
    net2.docker.bridge('foobar')
    await net1.docker.create('foobar')
    await net1.docker.create('other')
    await has(net2, 'other')
    await until('it is reported', () =>
      net2.driver.status().problems.some((it) => it.includes('foobar cannot be made')),
    )
    net2.docker.bridge('foobar', false)
    await has(net2, 'other', 'foobar')
  })

  test('whose place here cannot be read any more is named, keeps its place, and the others go on', async () => {
    await net1.docker.create('foobar')
    await has(net2, 'foobar')
    const id = (await networkOn(net2, 'foobar'))?.id
    memory.put('replicas', `net-2/${id}`, '42')
    await net2.store.read()
    await until('it is reported', () =>
      net2.driver
        .status()
        .problems.some((it) => it.includes('cannot be read: nothing that depends on it is removed')),
    )
    await net1.docker.create('other')
    await has(net2, 'foobar', 'other')
    expect((await networkOn(net2, 'foobar'))?.id).toBe(id)
  })

  test('that the engine is slow to show is kept', async () => {
    let show = (): void => undefined
    net1.docker.storing = new Promise((resolve) => {
      show = resolve
    })
    const made = net1.docker.create('foobar')
    await until('it is in the store', () => net1.store.snapshot().networks.size === 1)
    // Seen later, and believed to be gone: so long the loop has been in doubt about the other one too.
    const replicas = () => [...replicasOn(net1.store.snapshot(), 'net-1').keys()]
    await net1.store.commit([{ op: 'create', table: 'replicas', key: 'net-1/unknown', value: 'unknown' }])
    await until('the unknown one is forgotten', () => !replicas().includes('unknown'))
    expect(await networkOn(net1, 'foobar')).toBeUndefined()
    show()
    const id = await made
    expect(replicas()).toEqual([id])
    await has(net2, 'foobar')
  })

  test('that goes is withdrawn from docker’s words before, also while a look at it is under way', async () => {
    let hold = false
    const held: (() => void)[] = []
    const inSwarmMode = (): Promise<boolean> =>
      new Promise((resolve) => (hold ? held.push(() => resolve(false)) : resolve(false)))
    net1.commands.inSwarmMode = inSwarmMode
    const file = join(dirname(net1.controlSocket), 'default-network')
    await net1.docker.create('multihost')
    await until('the file is there', () => existsSync(file))
    hold = true
    try {
      await until('it is looked at again', () => held.length > 0)
      await net1.docker.rm('multihost')
      expect(existsSync(file)).toBe(false)
    } finally {
      hold = false
      for (const look of held) look()
    }
    await has(net2)
    expect(existsSync(file)).toBe(false)
  })

  test('is not removed on the word of a store that was wiped', async () => {
    const id = await net1.docker.create('foobar')
    await has(net2, 'foobar')
    const { networks, replicas } = net1.store.snapshot()
    await net1.store.commit([
      ...['net-1', 'net-2'].map((key) => ({ op: 'drop', table: 'hosts', key }) as const),
      ...[...replicas.keys()].map((key) => ({ op: 'drop', table: 'replicas', key }) as const),
      ...[...networks.keys()].map((key) => ({ op: 'drop', table: 'networks', key }) as const),
    ])
    await until('it is reported', () =>
      net1.driver.status().problems.some((it) => it.includes('is not in the store')),
    )
    expect((await networkOn(net1, 'foobar'))?.id).toBe(id)
  })

  test('that was removed while the store was away is removed by the next driver', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'multihost-journal-'))
    await net1[Symbol.asyncDispose]()
    net1 = await host(1, { journalPath: join(folder, 'journal.json') })
    await net1.docker.create('foobar')
    await has(net2, 'foobar')
    memory.away = true
    await net1.docker.rm('foobar')
    await net1.stop()
    memory.away = false
    await net1.start()
    await Promise.all([has(net1), has(net2)])
    await net1.stop()
    await rm(folder, { recursive: true })
  })

  test('that was removed while the store was away is removed when it is back', async () => {
    await net1.docker.create('foobar')
    await has(net2, 'foobar')
    memory.away = true
    await net1.docker.rm('foobar')
    expect(net1.driver.status().deferred.join()).toContain('delete network')
    memory.away = false
    await Promise.all([has(net1), has(net2)])
  })
})

/** Addresses that are in no reserve. */
function used({ addresses }: Snapshot): number {
  return [...addresses.values()].filter(({ value }) => !isIdle(value)).length
}

describe('a container', () => {
  beforeEach(async () => {
    await net1.docker.create('foobar')
    await has(net2, 'foobar')
  })
  const endpoints = () => [...net2.store.snapshot().endpoints.values()].map(({ value }) => value)

  test('is known on the other host by name and aliases, also after a rename', async () => {
    const { container, endpoint } = await net1.docker.run('web', 'foobar', { aliases: ['www'] })
    await until('net-2 knows its aliases', () => endpoints()[0]?.aliases[0] === 'www')
    expect(endpoints()[0]).toMatchObject({
      ...{ id: endpoint, container: { id: container, name: 'web' }, aliases: ['www'], joined: true },
    })
    net1.docker.rename('web', 'site')
    await until('net-2 knows its new name', () => endpoints()[0]?.container?.name === 'site')
    await net1.docker.stop('site')
    await until('net-2 has forgotten it', () => endpoints().length === 0)
    expect(used(await net2.store.read())).toBe(0)
  })

  test('without IPv6 on its interface is known as such on the other host, and keeps the lease', async () => {
    await net1.docker.create('dual', { ipv6: true, pools: [{ subnet: 'fd00:66::/64' }] })
    await has(net2, 'foobar', 'dual')
    await net1.docker.run('v4only', 'dual', { withoutIpv6: true })
    await until('net-2 knows it', () => endpoints()[0]?.withoutIpv6 === true)
    const [{ network = '', v6 } = {}] = endpoints()
    expect(v6).toBeDefined()
    expect(net2.store.snapshot().addresses.has(`${network}/${v6}`)).toBe(true)
    expect(recordsFor(net2.store.snapshot(), network).map(({ ip }) => ip)).not.toContain(v6)
  })

  test('with a name, hostname or alias that no record can have stops no other one', async () => {
    const long = 'n'.repeat(256)
    const { container: odd } = await net1.docker.run(long, 'foobar', {
      aliases: ['www', 'two words'],
      hostname: 'h'.repeat(300),
    })
    const short = odd.slice(0, 12)
    await until('net-2 knows its aliases', () => endpoints()[0]?.aliases.join() === 'www')
    await net1.docker.run('next', 'foobar')
    await until('net-2 knows the next', () => endpoints().some(({ container }) => container?.name === 'next'))
    const first = endpoints().find(({ container }) => container?.id === odd)
    expect(first).toMatchObject({ container: { name: short }, joined: true })
    expect(first).not.toHaveProperty('hostname')
    const problems = () => net1.driver.status().problems.filter((it) => it.includes(short))
    await until('status names all three', () => problems().length === 3)
    const told = problems().map((it) => it.replaceAll(short, 'SHORT').replace(/(.)\1{9,}…/, '$1…'))
    expect(told.sort().join('\n')).toMatchInlineSnapshot(`
      "an alias of container SHORT ('two words') is left out, since a record takes one word of 1 to 255 characters; make the container again with other aliases
      the hostname of container SHORT ('h…', 300 characters) is left out, since a record takes one word of 1 to 255 characters; make the container again with another --hostname
      the name of container SHORT ('n…', 256 characters) is left out, since a record takes one word of 1 to 255 characters: the cluster calls it SHORT; docker rename SHORT NAME"
    `)
    expect(net1.driver.status().deferred).toEqual([])
    net1.docker.rename(long, 'web')
    await until('its name is known', () => endpoints().some(({ container }) => container?.name === 'web'))
    await net1.docker.stop('web')
    await until('status is silent', () => net1.driver.status().problems.length === 0)
  })

  test('whose end came without an event is removed after a second look, never while the engine is silent', async () => {
    await net1.docker.run('web', 'foobar')
    await until('the engine has shown its container', () => isDescribed(net1))
    net1.docker.away = true
    net1.docker.crash()
    await until('the loop has tried', () => net1.driver.status().loops.endpoints?.state === 'failing')
    expect(net1.store.snapshot().endpoints.size).toBe(1)
    net1.docker.away = false
    await until('its endpoint is removed', () => net1.store.snapshot().endpoints.size === 0)
    expect(used(net1.store.snapshot())).toBe(0)
  })

  test('that stops while the store is away is gone when it is back, without making anybody wait', async () => {
    await net1.docker.run('web', 'foobar')
    memory.away = true
    await net1.docker.stop('web')
    memory.away = false
    await until('its endpoint is gone', () => endpoints().length === 0)
    await net1.docker.run('late', 'foobar')
  })

  test('starts while the store is away, and is known by name when the store is back', async () => {
    const one = await net1.docker.run('one', 'foobar')
    await until('the reserve is full', () => net1.store.snapshot().addresses.size === 9)
    await net1.docker.stop('one')
    memory.away = true
    const two = await net1.docker.run('two', 'foobar', { aliases: ['www'] })
    expect(two.v4).toBe(one.v4)
    await net1.docker.run('three', 'foobar')
    expect(net1.driver.status().deferred).toHaveLength(2)
    memory.away = false
    await until('net-2 knows both', () => {
      const named = endpoints().map(
        ({ container, aliases, joined }) => `${container?.name} ${aliases} ${joined}`,
      )
      return named.sort().join() === 'three  true,two www true'
    })
    expect(net1.driver.status().deferred).toEqual([])
  })

  test('that Docker gave up at boot because of this driver is started when it can be', async () => {
    memory.away = true
    const error =
      'failed to create endpoint web on network foobar: IpamDriver.RequestAddress: Consul does not answer'
    net1.docker.gaveUp('web', 'foobar', error)
    net1.docker.gaveUp('other', 'foobar', 'OCI runtime create failed: no such file')
    memory.away = false
    await until(
      'it runs',
      () =>
        endpoints()
          .map(({ container }) => container?.name)
          .join() === 'web',
    )
    expect((await net1.docker.stoppedContainers()).map(({ name }) => name)).toEqual(['other'])
  })

  test('that Docker gave up after a refusal is started soon, though the engine tells nothing', async () => {
    await net1[Symbol.asyncDispose]()
    const everyMs = { ...quickIntervals.everyMs, restarts: 600_000 }
    net1 = await host(1, { intervals: { ...quickIntervals, everyMs } })
    await has(net1, 'foobar')
    await until('all is looked at', () => net1.driver.status().loops.restarts?.state === 'idle')
    const { stoppedContainers } = net1.docker
    let looks = 0
    net1.docker.stoppedContainers = (which) => {
      looks += 1
      return stoppedContainers(which)
    }
    const made = (type: string) =>
      net1.docker.tell({ type: 'network', action: 'create', id: 'own', attributes: { name: 'own', type } })
    // A bridge is no network of a container that is waited for.
    made('bridge')
    await delay(100)
    expect(looks).toBe(0)
    made('vxlan')
    await until('the containers are looked at', () => looks === 1)
    const refused = net1.docker.run('new', 'foobar', { ip: '10.99.0.1' })
    await expect(refused).rejects.toThrow()
    const error = 'IpamDriver.RequestAddress: multihost was restarted before it answered Docker'
    net1.docker.gaveUp('web', 'foobar', error)
    await until('it runs', () =>
      [...net1.store.snapshot().endpoints.values()].some(({ value }) => value.container?.name === 'web'),
    )
  })

  test('whose network Docker has lost is connected to the copy again, and started when Docker gave it up', async () => {
    const lost = (await networkOn(net1, 'foobar'))?.id ?? ''
    const connection = { aliases: ['www'], links: [], options: {}, linkLocal: [] }
    const networks = [{ name: 'foobar', id: lost, connection }]
    const error = `failed to set up container networking: network ${lost} not found`
    net1.docker.gaveUp('web', 'foobar', error, { networks })
    net1.docker.gaveUp('idle', 'foobar', error, { networks, hasPolicy: false })
    net1.docker.forgetAll()
    await until(
      'it runs, with its alias',
      () =>
        endpoints()
          .map(({ container, aliases }) => `${container?.name} ${aliases}`)
          .join() === 'web www',
    )
    const [idle] = await net1.docker.stoppedContainers()
    expect(idle).toMatchObject({ name: 'idle', networks: [{ name: 'foobar', id: '', connection }] })
  })

  test('that needs what no reserve has is refused with the reason', async () => {
    memory.away = true
    await expect(net1.docker.run('web', 'foobar')).rejects.toThrow(
      /no address of .* in reserve, and the store/,
    )
  })

  test('follows its host’s VTEP', async () => {
    await net1.docker.run('web', 'foobar')
    await net1[Symbol.asyncDispose]()
    const underlay = { device: 'eth1', address: '192.168.33.77', mtuBytes: 1500 }
    const kernel = fakeKernel({ interfaces: [underlay] })
    const moved = await startHost({
      name: 'net-1',
      kernel,
      underlay,
      openStore: () => memory.open('net-1'),
      more: { engine: net1.docker },
    })
    await until('net-2 sends to the new end', () => endpoints()[0]?.vtep === '192.168.33.77')
    await moved[Symbol.asyncDispose]()
  })
})

describe('with looks that are far apart', () => {
  const far = Object.fromEntries(
    Object.keys(quickIntervals.everyMs).map((it) => [it, 600_000]),
  ) as typeof quickIntervals.everyMs
  const intervals = { ...quickIntervals, everyMs: far }
  const endpoints = () => [...net3.store.snapshot().endpoints.values()]
  let net3: TestHost
  let lost: AbortController
  let asked: number
  beforeEach(async () => {
    net3 = await host(3, { intervals })
    lost = new AbortController()
    const { docker } = net3
    const [events, networks] = [docker.events, docker.networks]
    asked = 0
    docker.events = (signal) => events(AbortSignal.any([signal, lost.signal]))
    docker.networks = () => {
      asked += 1
      return networks()
    }
    await net3.restart()
    await docker.create('foobar')
  })
  afterEach(async () => {
    await net3[Symbol.asyncDispose]()
  })

  test('the end of a container that came without a Leave is found by its event', async () => {
    const { container } = await net3.docker.run('web', 'foobar')
    await until('the engine has shown the container', () => isDescribed(net3))
    net3.docker.crash()
    net3.docker.tell({ type: 'container', action: 'die', id: container, attributes: {} })
    await until('its endpoint is removed', () => endpoints().length === 0)
  })

  test('many events make few looks', async () => {
    const { container } = await net3.docker.run('web', 'foobar')
    await until('the engine has shown the container', () => isDescribed(net3))
    const attributes = { container, type: 'vxlan' }
    asked = 0
    for (let i = 0; i < 200; i++)
      net3.docker.tell({ type: 'network', action: 'disconnect', id: 'foobar', attributes })
    net3.docker.crash()
    await until('its endpoint is removed', () => endpoints().length === 0)
    expect(asked).toBeLessThan(10)
  })

  test('a stream of events that broke is opened again, and everything is looked at', async () => {
    await net3.docker.run('web', 'foobar')
    await until('the engine has shown its container', () => isDescribed(net3))
    const broken = lost
    lost = new AbortController()
    net3.docker.away = true
    broken.abort()
    net3.docker.forgetAll()
    net3.docker.away = false
    await until('its endpoint is removed', () => endpoints().length === 0)
    await has(net3, 'foobar')
  })

  test('the file that names the default network follows Docker’s events', async () => {
    const file = join(dirname(net3.controlSocket), 'default-network')
    await net3.docker.create('multihost')
    await until('the file is there', () => existsSync(file))
    net3.commands.inSwarmMode = async () => true
    const ingress = { name: 'ingress', type: 'overlay' }
    net3.docker.tell({ type: 'network', action: 'create', id: 'ingress', attributes: ingress })
    await until('the file is gone', () => !existsSync(file))
  })
})

test('what Docker was never told of, since the driver died before it answered, is given back', async () => {
  const id = await net1.docker.create('foobar')
  await has(net2, 'foobar')
  const [pool] = [...net1.store.snapshot().pools.keys()]
  const ask = { PoolID: pool, Address: '', Options: {} }
  await net1.docker.call('IpamDriver.RequestAddress', ask)
  await net1.docker.call('IpamDriver.RequestPool', { Pool: '10.77.0.0/16', V6: false })
  await net1.restart()
  await net1.docker.run('web', 'foobar')
  await until('the address is in the reserve', () => used(net1.store.snapshot()) === 1)
  await until('the pool is free', () => net1.store.snapshot().pools.size === 1)
  expect([...net1.store.snapshot().networks.keys()]).toEqual([id])
})

test('what this driver itself was asked for a moment ago is Docker’s to take up', async () => {
  await net1.docker.create('foobar')
  const [pool] = [...net1.store.snapshot().pools.keys()]
  await net1.docker.call('IpamDriver.RequestAddress', { PoolID: pool, Address: '', Options: {} })
  await net1.docker.create('a', { options: {} })
  await until('the loops have looked', () => net1.driver.status().loops.endpoints?.state === 'idle')
  expect(net1.store.snapshot().addresses.size).toBe(1)
})

test('Docker waits for the kernel nearly as long as its call may take', async () => {
  await using net3 = await host(3, { answerWithinMs: 1100 })
  await net3.docker.create('foobar')
  const { apply } = net3.kernel
  let goOn: () => void = () => undefined
  const slow = new Promise<void>((resolve) => {
    goOn = resolve
  })
  net3.kernel.apply = async (ops) => {
    await slow
    return apply(ops)
  }
  await expect(net3.docker.run('one', 'foobar')).rejects.toThrow('has not settled within 100 ms')
  goOn()
})

test('a hundred containers on two hosts at once have a hundred addresses', async () => {
  await net1.docker.create('foobar')
  await has(net2, 'foobar')
  const runs = Array.from({ length: 100 }, (_, i) =>
    (i % 2 === 0 ? net1 : net2).docker.run(`c${i}`, 'foobar'),
  )
  const ips = (await Promise.all(runs)).map(({ v4 }) => v4)
  expect(new Set(ips).size).toBe(100)
}, 60_000)

test('running containers keep their links when the endpoints folder is deleted, and have their records again', async () => {
  await net1.docker.create('foobar')
  await has(net2, 'foobar')
  const names = Array.from({ length: 80 }, (_, i) => `c${i}`)
  await Promise.all(names.map((name) => net1.docker.run(name, 'foobar')))
  const { kernel } = net1
  const removed: string[] = []
  const { apply } = kernel
  kernel.apply = async (ops) => {
    removed.push(...ops.flatMap(({ op }) => (/^(veth|namespace|vxlan)-del$/.test(op) ? [op] : [])))
    return apply(ops)
  }
  const keys = [...net1.store.snapshot().endpoints.keys()]
  const commits: number[] = []
  const stop = net2.store.onChange((_, changed) => {
    commits.push(changed.filter(({ table }) => table === 'endpoints').length)
  })
  for (let at = 0; at < keys.length; at += 50)
    await net2.store.commit(
      keys.slice(at, at + 50).map((key) => ({ op: 'drop', table: 'endpoints', key }) as const),
    )
  await until('all are back', () => net2.store.snapshot().endpoints.size === 80)
  stop()
  await until('nothing is wrong', () => net1.driver.status().problems.length === 0)
  expect(removed).toEqual([])
  expect(commits.filter((count) => count > 0).length).toBeLessThan(20)
})

test('an endpoint whose key was deleted has its aliases and its hostname again', async () => {
  await net1.docker.create('foobar')
  const { endpoint } = await net1.docker.run('db', 'foobar', { aliases: ['www'], hostname: 'store' })
  const [key = ''] = [...net1.store.snapshot().endpoints.keys()]
  const record = () => net2.store.snapshot().endpoints.get(key)
  await until('the aliases are known', () => record()?.value.aliases.join() === 'www')
  const before = record()?.index ?? Number.POSITIVE_INFINITY
  await net2.store.commit([{ op: 'drop', table: 'endpoints', key }])
  const isBack = () => (record()?.index ?? 0) > before
  await until('the aliases are known again', () => isBack() && record()?.value.aliases.join() === 'www')
  expect(record()?.value).toMatchObject({ id: endpoint, hostname: 'store', container: { name: 'db' } })
})

describe('a host that comes back after it was taken out', () => {
  test('has its containers back, and says whose address went elsewhere', async () => {
    await net1.docker.create('foobar', { pools: [{ subnet: '10.9.0.0/16' }] })
    await has(net2, 'foobar')
    const [kept, lost] = [await net2.docker.run('kept', 'foobar'), await net2.docker.run('lost', 'foobar')]
    await net2.stop()
    await evict(net1.store, 'net-2')
    await net1.docker.run('heir', 'foobar', { ip: lost.v4 })
    await net2.start()
    const way = 'docker network disconnect foobar lost, and connect it again'
    const sentence = `container lost is cut off from network foobar: its address ${lost.v4} went to container heir on net-1; ${way}`
    await until('net-2 says so', () => net2.driver.status().problems.includes(sentence))
    const endpoints = [...(await net1.store.read()).endpoints.values()].map(({ value }) => value)
    const who = endpoints.map(({ container, v4, host }) => `${container?.name} ${v4} ${host}`)
    expect(who.sort()).toEqual([`heir ${lost.v4} net-1`, `kept ${kept.v4} net-2`])

    await net2.docker.stop('lost')
    await until('nothing is cut off any more', () => net2.driver.status().problems.length === 0)
  })

  /** `db` of net-2, which is away and out of the cluster. Its address lies in the reserve of net-1. */
  async function inReserve() {
    await net1.docker.create('foobar', { pools: [{ subnet: '10.9.0.0/24' }] })
    await has(net2, 'foobar')
    await net1.docker.run('web', 'foobar')
    const leases = () => [...net1.store.snapshot().addresses.values()].map(({ value }) => value)
    await until('the reserve of net-1 is full', () => leases().length === 9)
    const db = await net2.docker.run('db', 'foobar', { aliases: ['www'], hostname: 'store' })
    await net2.stop()
    await evict(net1.store, 'net-2')
    for (let n = 0; n < 5; n++) await net1.docker.run(`more-${n}`, 'foobar')
    const key = `${[...net1.store.snapshot().networks.keys()][0]}/${db.v4}`
    const lease = () => net1.store.snapshot().addresses.get(key)?.value
    await until('net-1 has its address in reserve', () => {
      const now = lease()
      return now?.host === 'net-1' && isIdle(now)
    })
    return { db, lease, key }
  }
  const recorded = (id: string) =>
    [...net1.store.snapshot().endpoints.values()].map(({ value }) => value).find((it) => it.id === id)

  test('gets an address back that lies unused in the reserve of another one', async () => {
    const { db, lease } = await inReserve()
    await net2.start()
    await until('the endpoint is recorded', () => recorded(db.endpoint)?.v4 === db.v4)
    expect(lease()).toMatchObject({ host: 'net-2', endpoint: db.endpoint })
    await until('it is known by its aliases', () => recorded(db.endpoint)?.aliases.join() === 'www')
    expect(recorded(db.endpoint)).toMatchObject({ hostname: 'store', container: { name: 'db' } })
    await until('nothing is wrong', () => net2.driver.status().problems.length === 0)
  })

  test('names the host that does not return the address, and gets it when that one is back', async () => {
    const { db, lease } = await inReserve()
    await net1.stop()
    await net2.start()
    const sentence = `container db is cut off from network foobar: its address ${db.v4} went to the reserve of net-1`
    const isNamed = () => net2.driver.status().problems.some((it) => it.startsWith(sentence))
    await until('net-2 says so', isNamed)
    await net1.start()
    await until('the endpoint is recorded', () => recorded(db.endpoint)?.v4 === db.v4)
    expect(lease()?.host).toBe('net-2')
    await until('nothing is wrong', () => net2.driver.status().problems.length === 0)
  })

  test('leaves the address to a container that Docker has given it to meanwhile', async () => {
    const { db, key } = await inReserve()
    const [pool] = [...net1.store.snapshot().pools.keys()]
    const given = new Set<string>()
    for (let n = 0; n < 8; n++) {
      const ask = { PoolID: pool, Address: '', Options: {} }
      const { Address } = await net1.docker.call<{ Address: string }>('IpamDriver.RequestAddress', ask)
      given.add(Address.split('/')[0] ?? '')
    }
    expect(given).toContain(db.v4)
    await net2.start()
    await until('net-2 says so', () => net2.driver.status().problems.some((it) => it.includes(db.v4)))
    expect(recorded(db.endpoint)).toBeUndefined()
    expect(net1.store.snapshot().addresses.get(key)?.value.host).toBe('net-1')
  })

  test('has its networks at once, under the same ids as before', async () => {
    await using net3 = await host(3, { intervals: { ...quickIntervals, graceMs: 60_000 } })
    await net1.docker.create('foobar')
    await has(net3, 'foobar')
    const [replica] = [...replicasOn(await net1.store.read(), 'net-3')]
    await net1.store.commit([
      { op: 'drop', table: 'hosts', key: 'net-3' },
      { op: 'drop', table: 'replicas', key: `net-3/${replica?.[0]}` },
    ])
    await until('net-3 is back', async () => (await net1.store.read()).hosts.has('net-3'))
    const [again] = [...replicasOn(await net1.store.read(), 'net-3')]
    expect(again).toEqual([replica?.[0], replica?.[1]])
  })
})
