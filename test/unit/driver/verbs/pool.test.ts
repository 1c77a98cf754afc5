import { Map as PersistentMap } from 'immutable'
import { describe, expect, test, vi } from 'vitest'
import { DriverError } from '../../../../driver/core/errors.ts'
import { emptySnapshot } from '../../../../driver/core/snapshot.ts'
import type { Store } from '../../../../driver/store/store.ts'
import { blankHost } from '../../../../driver/verbs/context.ts'
import { firstRival } from '../../../../driver/verbs/pool.ts'
import { until } from '../../../fixtures/until.ts'
import { cluster, createNetwork, type Host, id, never, removeNetwork } from './cluster.ts'

const auto = { options: {}, v6: false }

describe('a pool that the user does not name', () => {
  test('is the first of the list that no network has and that the host does not route', async () => {
    const lab = cluster()
    const net1 = lab.host(1, { routes: async () => [{ to: '172.21.7.0/24', connected: true }] })
    expect(await net1.verbs.requestPool(auto, never)).toBe('172.22.0.0/16')
    expect(await net1.verbs.requestPool(auto, never)).toBe('172.23.0.0/16')
    await expect(net1.verbs.requestPool(auto, never)).rejects.toMatchObject({
      code: 'exhausted',
      message: expect.stringContaining('(2 of networks, 1 routed or needed by hosts, 0 refused by Docker)'),
    })
  })

  test('is not offered again at once after Docker gave it back, unless nothing else is left', async () => {
    const net1 = cluster().host(1)
    const offered: string[] = []
    for (let i = 0; i < 4; i++) {
      const pool = await net1.verbs.requestPool(auto, never)
      await net1.verbs.releasePool(pool, never)
      offered.push(pool)
    }
    expect(offered).toEqual(['172.21.0.0/16', '172.22.0.0/16', '172.23.0.0/16', '172.21.0.0/16'])
  })

  test('is another one on each of two hosts that choose at the same moment', async () => {
    const lab = cluster()
    const hosts = [lab.host(1), lab.host(2), lab.host(3)]
    const pools = await Promise.all(hosts.map(({ verbs }) => verbs.requestPool(auto, never)))
    expect(pools.sort()).toEqual(['172.21.0.0/16', '172.22.0.0/16', '172.23.0.0/16'])
  })

  test('is never an IPv6 one', async () => {
    const ask = cluster()
      .host(1)
      .verbs.requestPool({ ...auto, v6: true }, never)
    await expect(ask).rejects.toThrow('an IPv6 network needs a --subnet')
  })

  test('is none whose claim cannot be read; --subnet of one that overlaps it is refused with the reason', async () => {
    const lab = cluster()
    const net1 = lab.host(1)
    lab.put('pools', '172.21.0.0/16', '{"host": 1}')
    lab.put('pools', 'by-hand', '{"host": 1}')
    await net1.store.read()
    expect(await net1.verbs.requestPool(auto, never)).toBe('172.22.0.0/16')
    await expect(net1.verbs.requestPool({ ...auto, pool: '172.21.7.0/24' }, never)).rejects.toThrow(
      'the subnet 172.21.7.0/24 overlaps 172.21.0.0/16, whose claim cannot be read',
    )
  })
})

/** As the host loop publishes them. */
async function publish(host: Host, connected: string[], other: string[] = []): Promise<void> {
  const value = { ...blankHost(host.context), routes: { connected, other } }
  await host.store.commit([{ op: 'create', table: 'hosts', key: host.name, value }])
}

describe('a pool that another host routes', () => {
  test('is not chosen', async () => {
    const lab = cluster()
    const [net1, net2] = [lab.host(1), lab.host(2)]
    await publish(net2, ['172.21.0.0/16'], ['172.22.9.0/24'])
    await net1.store.read()
    expect(await net1.verbs.requestPool(auto, never)).toBe('172.23.0.0/16')
  })

  test.each([
    ['the default routes of its VPN', ['0.0.0.0/1', '128.0.0.0/1'], '172.21.0.0/16'],
    ['a wide route', ['172.16.0.0/12'], '172.21.0.0/16'],
    ['a wide route and one inside of it', ['172.16.0.0/12', '172.21.9.0/24'], '172.22.0.0/16'],
  ])('by %s is chosen where no other one is free', async (_, other, pool) => {
    const lab = cluster()
    const [net1, net2] = [lab.host(1), lab.host(2)]
    await publish(net2, [], other)
    await net1.store.read()
    expect(await net1.verbs.requestPool(auto, never)).toBe(pool)
    const routes = other.map((to) => ({ to, connected: false }))
    const itself = cluster().host(1, { routes: async () => routes })
    expect(await itself.verbs.requestPool(auto, never)).toBe(pool)
  })

  test('is not in a block that another host’s engine gives its bridges, while another one is free', async () => {
    const lab = cluster()
    const [net1, net2] = [lab.host(1), lab.host(2)]
    const value = { ...blankHost(net2.context), enginePools: ['172.20.0.0/14'] }
    await net2.store.commit([{ op: 'create', table: 'hosts', key: net2.name, value }])
    await net1.store.read()
    expect(await net1.verbs.requestPool(auto, never), 'all are in it').toBe('172.21.0.0/16')
    const wider = lab.host(3, { pools: ['172.16.0.0/12:16'] })
    await wider.store.read()
    expect(await wider.verbs.requestPool(auto, never)).toBe('172.16.0.0/16')
  })

  test('inside of a route without a gateway is not offered to an old engine of the host that has the route', async () => {
    const routes = [{ to: '172.16.0.0/12', connected: false, onLink: true as const }]
    const net1 = cluster().host(1, { routes: async () => routes })
    const value = { ...blankHost(net1.context), engineVersion: '26.1.5' }
    await net1.store.commit([{ op: 'create', table: 'hosts', key: net1.name, value }])
    await expect(net1.verbs.requestPool(auto, never)).rejects.toThrow('1 refused by Docker')
    expect(await net1.verbs.requestPool({ ...auto, pool: '172.21.0.0/16' }, never)).toBe('172.21.0.0/16')
  })

  test('is refused by the name of the host, but not inside of a wider route', async () => {
    const lab = cluster()
    const [net1, net2] = [lab.host(1), lab.host(2)]
    await publish(net2, ['172.18.0.0/16'], ['10.0.0.0/8', '10.9.3.0/24'])
    await net1.store.read()
    const ask = (pool: string) => net1.verbs.requestPool({ ...auto, pool }, never)
    await expect(ask('172.18.0.0/16')).rejects.toThrow(/^the subnet 172.18.0.0\/16 is routed by host net-2/)
    await expect(ask('172.18.5.0/24')).rejects.toMatchObject({
      code: 'taken',
      message: 'the subnet 172.18.5.0/24 overlaps 172.18.0.0/16, which is routed by host net-2',
    })
    await expect(ask('10.9.0.0/16')).rejects.toThrow('overlaps 10.9.3.0/24, which is routed by host net-2')
    expect(await ask('10.10.0.0/16')).toBe('10.10.0.0/16')
  })
})

describe('a pool with an address that a host needs behind its default route alone', () => {
  const hosts = async (resolvers: string[], vtep: string) => {
    const lab = cluster()
    const [net1, net2] = [lab.host(1, { pools: ['172.16.0.0/16:24'] }), lab.host(2)]
    const routes = { connected: [], other: [] }
    const value = { ...blankHost(net2.context), vtep, routes, resolvers }
    await net2.store.commit([{ op: 'create', table: 'hosts', key: net2.name, value }])
    await Promise.all([net1, net2].map(({ store }) => store.read()))
    return [net1, net2]
  }

  test('is not chosen, on that host and on others', async () => {
    const [net1, net2] = await hosts(['172.16.0.10', '172.21.0.53'], '172.16.1.2')
    expect(await net1?.verbs.requestPool(auto, never)).toBe('172.16.2.0/24')
    expect(await net2?.verbs.requestPool(auto, never)).toBe('172.22.0.0/16')
  })

  test('is refused with the address and the host', async () => {
    for (const host of await hosts(['172.16.0.10', 'fd00:53::1'], '10.128.0.2')) {
      const ask = (pool: string) => host.verbs.requestPool({ ...auto, pool, v6: pool.includes(':') }, never)
      await expect(ask('172.16.0.0/24')).rejects.toMatchObject({
        code: 'taken',
        message: 'the subnet 172.16.0.0/24 contains 172.16.0.10, a name server of host net-2',
      })
      await expect(ask('10.128.0.0/20')).rejects.toThrow(
        'the subnet 10.128.0.0/20 contains 10.128.0.2, the VTEP of host net-2',
      )
      await expect(ask('fd00:53::/64')).rejects.toThrow('contains fd00:53::1, a name server of host net-2')
    }
  })
})

describe('a pool that was asked for', () => {
  test('is refused while another network has it or overlaps it, by that network’s name', async () => {
    const lab = cluster()
    const [net1, net2] = [lab.host(1), lab.host(2)]
    await createNetwork(net1, { id: id('a'), subnet: '10.9.0.0/16' })
    const network = net1.store.snapshot().networks.get(id('a'))
    if (network === undefined) throw new Error('not made')
    const value = { ...network.value, name: 'foobar' }
    await net1.store.commit([{ op: 'update', table: 'networks', key: id('a'), value, index: network.index }])
    await expect(net2.verbs.requestPool({ ...auto, pool: '10.9.7.0/24' }, never)).rejects.toMatchObject({
      code: 'taken',
      message: 'the subnet 10.9.7.0/24 overlaps 10.9.0.0/16, which belongs to network foobar',
    })
    await expect(net2.verbs.requestPool({ ...auto, pool: '10.9.0.0/16' }, never)).rejects.toThrow(
      /network foobar$/,
    )
  })

  test('can be asked for again by the host whose create failed, and by no other', async () => {
    const lab = cluster()
    const [net1, net2] = [lab.host(1), lab.host(2)]
    const ask = { ...auto, pool: '10.9.3.3/16' }
    expect(await net1.verbs.requestPool(ask, never)).toBe('10.9.0.0/16')
    await expect(net2.verbs.requestPool(ask, never)).rejects.toThrow('a network that net-1 is making')
    const restarted = lab.host(1)
    await restarted.store.read()
    expect(await restarted.verbs.requestPool(ask, never)).toBe('10.9.0.0/16')
    const asksAgain = vi.spyOn(performance, 'now')
    asksAgain.mockReturnValue(performance.now() + 16_000)
    expect(await net1.verbs.requestPool(ask, never)).toBe('10.9.0.0/16')
    asksAgain.mockRestore()
  })

  test('is refused to the second of two creates on one host; the first keeps its range, or gives the pool back', async () => {
    const net1 = cluster().host(1)
    const ask = { ...auto, pool: '10.9.0.0/16' }
    const first = { ...ask, range: '10.9.1.0/24' }
    await net1.verbs.requestPool(first, never)
    await expect(net1.verbs.requestPool(ask, never)).rejects.toMatchObject({
      code: 'taken',
      message: 'the subnet 10.9.0.0/16 belongs to a network that net-1 is making',
    })
    const v4 = [{ addressSpace: 'multihost', pool: '10.9.0.0/16', aux: {} }]
    const create = (localId: string) =>
      net1.verbs.createNetwork({ localId, v4, v6: [], options: {}, internal: false }, never)
    await create(id('a'))
    expect(net1.store.snapshot().networks.get(id('a'))?.value.v4.range).toBe('10.9.1.0/24')
    await expect(create(id('b'))).rejects.toMatchObject({
      code: 'taken',
      message: 'the subnet 10.9.0.0/16 belongs to network aaaaaaaaaaaa',
    })
  })

  test('can be asked for again at once when Docker has given it back', async () => {
    const net1 = cluster().host(1)
    const ask = { ...auto, pool: '10.9.0.0/16' }
    await net1.verbs.requestPool(ask, never)
    await net1.verbs.releasePool('10.9.0.0/16', never)
    expect(await net1.verbs.requestPool(ask, never)).toBe('10.9.0.0/16')
  })

  test('overlapping on two hosts at the same moment goes to one of them', async () => {
    const lab = cluster()
    const pools = ['10.9.0.0/16', '10.9.7.0/24', '10.0.0.0/8']
    const asks = pools.map((pool, i) => lab.host(i + 1).verbs.requestPool({ ...auto, pool }, never))
    const outcomes = await Promise.allSettled(asks)
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    expect(lab.host(9).store.snapshot().pools.size).toBe(1)
  })

  test.each([
    ['--ipam-opt that we do not know', { options: { foo: 'bar' } }, "unknown --ipam-opt 'foo'"],
    ['range outside', { pool: '10.9.0.0/16', range: '10.8.0.0/24' }, 'is not inside the subnet'],
    ['IPv4 block for IPv6', { pool: '10.9.0.0/16', v6: true }, '10.9.0.0/16 is not an IPv6 subnet'],
    ['text', { pool: 'ten' }, "'ten' is not an address block"],
  ])('%s is refused', async (_, ask, message) => {
    await expect(
      cluster()
        .host(1)
        .verbs.requestPool({ ...auto, ...ask }, never),
    ).rejects.toThrow(message)
  })
})

test('of two overlapping claims the one that Docker has been told of was first, even with the higher index', () => {
  const claim = { host: 'net-1', reserved: [], claimedAt: '2026-01-01T00:00:00Z' }
  const own = { value: claim, index: 11 }
  const rivalWith = (value: object, index: number) =>
    firstRival(
      {
        ...emptySnapshot(),
        pools: PersistentMap([
          ['10.9.7.0/24', own],
          ['10.9.0.0/16', { value: { ...claim, ...value }, index }],
        ]),
      },
      '10.9.7.0/24',
    )
  expect(rivalWith({}, 10)).toBe('10.9.0.0/16')
  expect(rivalWith({}, 12)).toBeUndefined()
  expect(rivalWith({ gateway: '10.9.255.254' }, 12)).toBe('10.9.0.0/16')
  expect(rivalWith({ network: id('a') }, 12)).toBe('10.9.0.0/16')
})

test('a released pool of a network stays claimed until the network goes, and then is free', async () => {
  const net1 = cluster().host(1)
  const { v4 } = await createNetwork(net1, { id: id('a') })
  await net1.verbs.releasePool(v4.cidr, never)
  expect(net1.store.snapshot().pools.has(v4.cidr)).toBe(true)
  await removeNetwork(net1, id('a'), v4.cidr, v4.gateway)
  expect(net1.store.snapshot().pools.size).toBe(0)
  await net1.verbs.releasePool(v4.cidr, never)
  await net1.verbs.releasePool('nonsense', never)
})

test('a claim that was made and not answered is released', async () => {
  const lab = cluster()
  const store = lab.open('net-1')
  let isSilent = true
  const commit: Store['commit'] = async (changes) => {
    await store.commit(changes)
    if (!isSilent) return
    isSilent = false
    throw new DriverError('unavailable', 'the store does not answer')
  }
  const net1 = lab.host(1, {}, { ...store, commit })
  const ask = net1.verbs.requestPool({ options: {}, v6: false }, never)
  await expect(ask).rejects.toMatchObject({ code: 'unavailable' })
  await until('it is released', () => net1.store.snapshot().pools.size === 0)
})

test('a claim that a frozen Consul makes late, after the driver has looked for it, is released', async () => {
  const lab = cluster()
  const store = lab.open('net-1')
  let late: (() => Promise<void>) | undefined
  const commit: Store['commit'] = async (changes) => {
    if (late !== undefined) return store.commit(changes)
    late = () => store.commit(changes)
    throw new DriverError('unavailable', 'the store does not answer')
  }
  let looks = 0
  const read: Store['read'] = () => {
    looks += 1
    return store.read()
  }
  const net1 = lab.host(1, {}, { ...store, commit, read })
  const ask = net1.verbs.requestPool({ options: {}, v6: false }, never)
  await expect(ask).rejects.toMatchObject({ code: 'unavailable' })
  await until('the driver has looked', () => looks > 0)
  await late?.()
  expect(store.snapshot().pools.size).toBe(1)
  await until('it is released', () => store.snapshot().pools.size === 0)
})

test('each of two claims of one pool that were not answered is released, whichever Consul makes late', async () => {
  const lab = cluster()
  const store = lab.open('net-1')
  const late: (() => Promise<void>)[] = []
  const commit: Store['commit'] = async (changes) => {
    if (late.length === 2) return store.commit(changes)
    late.push(() => store.commit(changes))
    throw new DriverError('unavailable', 'the store does not answer')
  }
  const net1 = lab.host(1, {}, { ...store, commit })
  const ask = { options: {}, v6: false, pool: '10.9.0.0/24' }
  for (const _ of ['first', 'second']) {
    await expect(net1.verbs.requestPool(ask, never)).rejects.toMatchObject({ code: 'unavailable' })
    net1.clock.now = new Date(net1.clock.now.getTime() + 1000)
  }
  await late[0]?.()
  expect(store.snapshot().pools.size).toBe(1)
  await until('it is released', () => store.snapshot().pools.size === 0)
})

test('a claim that was made, and whose check for rivals failed, is released', async () => {
  const lab = cluster()
  const store = lab.open('net-1')
  let fails = true
  const read: Store['read'] = async () => {
    if (!fails) return store.read()
    fails = false
    throw new DriverError('unavailable', 'the store does not answer')
  }
  const net1 = lab.host(1, {}, { ...store, read })
  await expect(net1.verbs.requestPool({ options: {}, v6: false }, never)).rejects.toThrow(/does not answer/)
  expect(fails).toBe(false)
  await until('it is released', () => store.snapshot().pools.size === 0)
})

test('a claim that was made after the time limit of the call is released', async () => {
  const lab = cluster()
  const store = lab.open('net-1')
  const limit = new AbortController()
  const commit: Store['commit'] = async (changes) => {
    await store.commit(changes)
    limit.abort(new DriverError('unavailable', 'the call took too long'))
  }
  const net1 = lab.host(1, {}, { ...store, commit })
  const ask = net1.verbs.requestPool({ options: {}, v6: false }, limit.signal)
  await expect(ask).rejects.toThrow(/too long/)
  await until('it is released', () => store.snapshot().pools.size === 0)
})

test('a pool that Docker gives back while the store is away is released later, and not one claimed since', async () => {
  const lab = cluster()
  const store = lab.open('net-1')
  let away = false
  const commit: Store['commit'] = async (changes) => {
    if (away) throw new DriverError('unavailable', 'the store does not answer')
    return store.commit(changes)
  }
  const net1 = lab.host(1, {}, { ...store, commit })
  const { deferred } = net1.context.inFlight
  const ask = (pool: string) => net1.verbs.requestPool({ options: {}, v6: false, pool }, never)
  const [kept, released] = [await ask('10.8.0.0/24'), await ask('10.9.0.0/24')]
  away = true
  for (const pool of [kept, released]) await net1.verbs.releasePool(pool, never)
  away = false
  net1.clock.now = new Date(net1.clock.now.getTime() + 1000)
  await ask(kept)
  await deferred.flush()
  expect([...store.snapshot().pools.keys()]).toEqual([kept])
})
