import { setTimeout as delay } from 'node:timers/promises'
import { beforeEach, describe, expect, test } from 'vitest'
import { recordsFor } from '../../../../driver/core/names.ts'
import { fakeKernel } from '../../../fixtures/fake-kernel.ts'
import { startHost } from '../../../fixtures/host.ts'
import { quickIntervals } from '../../../fixtures/intervals.ts'
import { until } from '../../../fixtures/until.ts'
import { has, host, isDescribed, memory, net1, net2, networkOn, used, useTwoHosts } from './two-hosts.ts'

useTwoHosts()

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
    const everyMs = { ...quickIntervals.everyMs, restarts: 600_000 }
    await using net3 = await host(3, { intervals: { ...quickIntervals, everyMs } })
    await has(net3, 'foobar')
    await until('all is looked at', () => net3.driver.status().loops.restarts?.state === 'idle')
    const { stoppedContainers } = net3.docker
    let looks = 0
    net3.docker.stoppedContainers = (which) => {
      looks += 1
      return stoppedContainers(which)
    }
    const made = (type: string) =>
      net3.docker.tell({ type: 'network', action: 'create', id: 'own', attributes: { name: 'own', type } })
    // A bridge is no network of a container that is waited for.
    made('bridge')
    await delay(100)
    expect(looks).toBe(0)
    made('vxlan')
    await until('the containers are looked at', () => looks === 1)
    const refused = net3.docker.run('new', 'foobar', { ip: '10.99.0.1' })
    await expect(refused).rejects.toThrow()
    const error = 'IpamDriver.RequestAddress: multihost was restarted before it answered Docker'
    net3.docker.gaveUp('web', 'foobar', error)
    await until('it runs', () =>
      [...net3.store.snapshot().endpoints.values()].some(({ value }) => value.container?.name === 'web'),
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
