import { describe, expect, test } from 'vitest'
import { DriverError } from '../../../../driver/core/errors.ts'
import { macOf } from '../../../../driver/core/ip.ts'
import type { Change } from '../../../../driver/core/records.ts'
import type { Store } from '../../../../driver/store/store.ts'
import { until } from '../../../fixtures/until.ts'
import { cluster, createNetwork, id, never, run, show, showAlive, stop } from './cluster.ts'

const network = id('a')
const endpoint = id('e')

async function oneHost() {
  const net1 = cluster().host(1)
  await showAlive(net1)
  const { v4 } = await createNetwork(net1, { id: network, subnet6: 'fd00:9::/64' })
  return { net1, pool: v4.cidr }
}

describe('an endpoint', () => {
  test('is recorded with the MAC of its address, and led to once it has joined and the kernel has settled', async () => {
    const { net1, pool } = await oneHost()
    const v4 = await net1.verbs.requestAddress({ pool, gateway: false }, never)
    const v6 = await net1.verbs.requestAddress({ pool: 'fd00:9::/64', gateway: false }, never)
    const ask = { network, endpoint, v4, v6 }
    expect(await net1.verbs.createEndpoint(ask, never)).toBe('02:42:ac:15:00:02')
    expect(await net1.verbs.createEndpoint(ask, never)).toBe('02:42:ac:15:00:02')
    expect(net1.store.snapshot().endpoints.get(`${network}/${endpoint}`)?.value).toEqual({
      network,
      id: endpoint,
      v4: '172.21.0.2',
      v6: 'fd00:9::2',
      mac: '02:42:ac:15:00:02',
      host: 'net-1',
      vtep: '192.168.33.11',
      joined: false,
      aliases: [],
    })
    const joined = await net1.verbs.join({ network, endpoint }, never)
    expect(joined).toEqual({ device: 'vxceeeeeeee', internal: false })
    expect(net1.settled).toEqual(['aaaa eeee'])
    expect(await net1.verbs.join({ network, endpoint }, never)).toEqual(joined)
  })

  test('is refused where the network’s bridge on this host has all the ports that Linux gives it', async () => {
    const lab = cluster()
    const net1 = lab.host(1)
    await showAlive(net1)
    const { v4: pool } = await createNetwork(net1, { id: network })
    const many = Array.from({ length: 1022 }, (_, i): Change => {
      const id = String(i).padStart(64, '0')
      const v4 = `172.21.${8 + (i >> 8)}.${i & 255}`
      const value = { network, id, v4, mac: macOf(v4), host: 'net-1', vtep: '192.168.33.11', joined: true }
      return { op: 'create', table: 'endpoints', key: `${network}/${id}`, value: { ...value, aliases: [] } }
    })
    for (let i = 0; i < many.length; i += 20) await net1.store.commit(many.slice(i, i + 20))
    const v4 = await net1.verbs.requestAddress({ pool: pool.cidr, gateway: false }, never)
    const asked = net1.verbs.createEndpoint({ network, endpoint, v4 }, never)
    await expect(asked).rejects.toMatchObject({
      code: 'exhausted',
      message: 'host net-1 has 1022 containers on network aaaaaaaaaaaa, and a bridge of Linux takes no more',
    })
    const { v4: other } = await createNetwork(net1, { id: id('b'), options: { datapath: 'macvlan' } })
    expect(other.cidr, 'other networks go on').not.toBe(pool.cidr)
    const ask = {
      network: id('b'),
      endpoint,
      v4: await net1.verbs.requestAddress({ pool: other.cidr, gateway: false }, never),
    }
    expect(await net1.verbs.createEndpoint(ask, never)).toMatch(/^02:42/)
  })

  test('is refused on a network that another engine of the host has made', async () => {
    const has: Record<string, boolean | undefined> = { [network]: false }
    const net1 = cluster().host(1, { engineHas: async (local) => has[local] })
    await showAlive(net1)
    const { v4: pool } = await createNetwork(net1, { id: network })
    const v4 = await net1.verbs.requestAddress({ pool: pool.cidr, gateway: false }, never)
    const ask = { network, endpoint, v4 }
    const refused = {
      code: 'invalid',
      message: 'network aaaaaaaaaaaa was made by another Docker engine on host net-1',
    }
    await expect(net1.verbs.createEndpoint(ask, never)).rejects.toMatchObject(refused)
    expect(net1.store.snapshot().endpoints.size).toBe(0)
    const unknown = { ...ask, network: id('b') }
    await expect(net1.verbs.createEndpoint(unknown, never)).rejects.toMatchObject({ code: 'not-found' })
    has[id('b')] = false
    await expect(net1.verbs.createEndpoint(unknown, never)).rejects.toMatchObject({ code: 'invalid' })
    has[network] = undefined
    expect(await net1.verbs.createEndpoint(ask, never), 'an engine that does not say').toMatch(/^02:42/)
  })

  test('is refused on the replica that another engine of the host has made of a network with a name', async () => {
    const net1 = cluster().host(1, { engineHas: async (local) => local === network })
    await showAlive(net1)
    const { v4: pool } = await createNetwork(net1, { id: network })
    const found = net1.store.snapshot().networks.get(network)
    if (found === undefined) throw new Error('no network')
    const value = { ...found.value, name: 'foobar' }
    await net1.store.commit([{ op: 'update', table: 'networks', key: network, value, index: found.index }])
    const options = { 'multihost.id': network }
    await createNetwork(net1, { id: id('b'), subnet: pool.cidr, options, ipamOptions: options })
    const v4 = await net1.verbs.requestAddress({ pool: pool.cidr, gateway: false }, never)
    await expect(net1.verbs.createEndpoint({ network: id('b'), endpoint, v4 }, never)).rejects.toMatchObject({
      code: 'invalid',
      message: 'network bbbbbbbbbbbb was made by another Docker engine on host net-1',
    })
    expect(net1.store.snapshot().endpoints.size).toBe(0)
    expect(await net1.verbs.createEndpoint({ network, endpoint, v4 }, never)).toMatch(/^02:42/)
  })

  test('keeps the MAC that was asked for', async () => {
    const { net1, pool } = await oneHost()
    const v4 = await net1.verbs.requestAddress({ pool, gateway: false }, never)
    const ask = { network, endpoint, v4, mac: '02:AA:00:00:00:01' }
    expect(await net1.verbs.createEndpoint(ask, never)).toBe('02:aa:00:00:00:01')
  })

  test('joins with the name that was asked for its interface, also when the driver has started anew', async () => {
    const lab = cluster()
    const net1 = lab.host(1)
    await showAlive(net1)
    const { v4: pool } = await createNetwork(net1, { id: network })
    const v4 = await net1.verbs.requestAddress({ pool: pool.cidr, gateway: false }, never)
    await net1.verbs.createEndpoint({ network, endpoint, v4, interfaceName: 'lan0' }, never)
    await net1.store.journal.committed(`${network}/${endpoint}`)
    await net1.store.close()
    const again = lab.host(1)
    await showAlive(again)
    expect(await again.verbs.join({ network, endpoint }, never)).toEqual({
      device: 'vxceeeeeeee',
      internal: false,
      interfaceName: 'lan0',
    })
  })

  test.each(['..', 'lan/0', 'lan 0', 'lan:0', 'lan%d', 'sixteen-letters-'])(
    'is refused with the name %j for its interface, which the kernel does not take',
    async (interfaceName) => {
      const { net1, pool } = await oneHost()
      const v4 = await net1.verbs.requestAddress({ pool, gateway: false }, never)
      const asked = net1.verbs.createEndpoint({ network, endpoint, v4, interfaceName }, never)
      await expect(asked).rejects.toMatchObject({
        ...{ code: 'invalid', message: `'${interfaceName}' is not a name for an interface` },
        hint: 'com.docker.network.endpoint.ifname takes 1 to 15 characters without blanks, /, : and %, like lan0',
      })
      expect(net1.store.snapshot().endpoints.size).toBe(0)
    },
  )

  test('leaves nothing behind', async () => {
    const { net1, pool } = await oneHost()
    const before = show(net1)
    const ip = await run(net1, { network, pool, endpoint })
    const it = { network, pool, endpoint, ip }
    await stop(net1, it)
    await stop(net1, it)
    expect(show(net1)).toBe(before)
  })

  test('frees its service when it goes, and the service keeps its address', async () => {
    const { net1, pool } = await oneHost()
    const ip = await run(net1, { network, pool, endpoint })
    const value = { id: id('5'), network, name: 'bar', v4: ip, endpoint }
    await net1.store.commit([{ op: 'create', table: 'services', key: `${network}/bar`, value }])
    await net1.verbs.deleteEndpoint({ network, endpoint }, never)
    const { endpoint: _, ...free } = value
    expect(net1.store.snapshot().services.get(`${network}/bar`)?.value).toEqual(free)
  })

  test.each([
    ['on an unknown network', { network: id('9'), v4: '172.21.0.2/16' }, /is not in the store/],
    ['without an address', { network }, 'an endpoint needs an IPv4 address'],
    ['with an address that is not leased', { network, v4: '172.21.0.99/16' }, /is not leased by this host/],
    ['with a malformed MAC', { network, v4: '172.21.0.2/16', mac: 'me' }, /^'me' is not a MAC address/],
  ])('%s is refused', async (_, ask, message) => {
    const { net1 } = await oneHost()
    await expect(net1.verbs.createEndpoint({ endpoint, ...ask }, never)).rejects.toThrow(message)
  })

  test('of a host that was taken out and is about to be back is refused with that', async () => {
    const { net1 } = await oneHost()
    await net1.store.commit([{ op: 'drop', table: 'hosts', key: 'net-1' }])
    const asked = net1.verbs.createEndpoint({ endpoint, network: id('9'), v4: '172.21.0.2/16' }, never)
    await expect(asked).rejects.toMatchObject({
      ...{
        message: 'host net-1 was taken out of the cluster, and is joining it again',
        hint: 'try again in some seconds',
      },
    })
  })

  test('that does not exist cannot join, but can leave and be deleted', async () => {
    const { net1 } = await oneHost()
    await expect(net1.verbs.join({ network, endpoint }, never)).rejects.toMatchObject({ code: 'not-found' })
    await net1.verbs.leave({ network, endpoint }, never)
    await net1.verbs.deleteEndpoint({ network: id('9'), endpoint }, never)
  })

  test('whose kernel does not settle gets the reason', async () => {
    const { net1, pool } = await oneHost()
    net1.context.settled = async () => {
      throw new Error('ip: no')
    }
    await expect(run(net1, { network, pool, endpoint })).rejects.toThrow('ip: no')
  })
})

test('a call that was given up changes nothing any more', async () => {
  const { net1, pool } = await oneHost()
  const gone = AbortSignal.abort(new Error('too late'))
  await expect(net1.verbs.requestAddress({ pool, gateway: false }, gone)).rejects.toThrow('too late')
  expect(net1.store.snapshot().addresses.size).toBe(0)
})

describe('an endpoint whose creation was not answered', () => {
  test('is taken back when Consul makes it late, and the next container with its address keeps its link', async () => {
    const lab = cluster()
    const store = lab.open('net-1')
    let late: (() => Promise<void>) | undefined
    let frozen = false
    const commit: Store['commit'] = async (changes) => {
      if (!frozen) return store.commit(changes)
      late ??= () => store.commit(changes)
      throw new DriverError('unavailable', 'the store does not answer')
    }
    const net1 = lab.host(1, {}, { ...store, commit })
    await showAlive(net1)
    const { v4: pool } = await createNetwork(net1, { id: network })
    const reserved = await run(net1, { network, pool: pool.cidr, endpoint: id('d') })
    await stop(net1, { network, pool: pool.cidr, endpoint: id('d'), ip: reserved })
    await net1.store.journal.committed(`${network}/${id('d')}`)
    const v4 = await net1.verbs.requestAddress({ pool: pool.cidr, gateway: false }, never)
    frozen = true
    const ask = { network, endpoint, v4, mac: '02:aa:00:00:00:01' }
    await expect(net1.verbs.createEndpoint(ask, never)).rejects.toMatchObject({ code: 'unavailable' })
    expect(net1.context.inFlight.calls().get(endpoint)).toBe('leave')
    frozen = false
    await late?.()
    await net1.store.read()
    await until('the late endpoint is gone', () => net1.store.snapshot().endpoints.size === 0)
  })
})
