import { setTimeout as delay } from 'node:timers/promises'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { until } from '../../../fixtures/until.ts'
import { cluster, createNetwork, id, never, run, stop } from './cluster.ts'

const network = id('a')
const end = (n: number): string => n.toString(16).padStart(64, 'e')

async function twoHosts(subnet = '10.9.0.0/16') {
  const lab = cluster()
  const [net1, net2] = [lab.host(1), lab.host(2)]
  const made = await createNetwork(net1, {
    id: network,
    subnet,
    aux: { router: subnet.replace('.0/', '.9/').split('/')[0] ?? '' },
  })
  const copy = { id: id('b'), subnet, gateway: made.v4.gateway, aux: made.v4.aux }
  const replica = { 'multihost.id': network }
  await createNetwork(net2, { ...copy, ipamOptions: replica, options: replica })
  return { lab, net1, net2, pool: made.v4.cidr, made }
}

describe('an address', () => {
  test('is leased in ascending order from .0.2, over both hosts', async () => {
    const { net1, net2, pool } = await twoHosts()
    const ips = []
    for (const [i, host] of [net1, net2, net1].entries()) {
      ips.push(await run(host, { network: host === net1 ? network : id('b'), pool, endpoint: end(i) }))
    }
    expect(ips).toEqual(['10.9.0.2', '10.9.0.3', '10.9.0.4'])
  })

  test('is kept by the host that released it, and given again: a restarted container keeps it', async () => {
    const { net1, pool } = await twoHosts()
    const ips = []
    for (let i = 1; i <= 3; i++) {
      const ip = await run(net1, { network, pool, endpoint: end(i) })
      await stop(net1, { network, pool, endpoint: end(i), ip })
      ips.push(ip)
    }
    expect(ips).toEqual(['10.9.0.2', '10.9.0.2', '10.9.0.2'])
  })

  test('that was released last is given first; on another host, the next one that no host has', async () => {
    const { net1, net2, pool } = await twoHosts()
    for (const n of [1, 2, 3]) await run(net1, { network, pool, endpoint: end(n) })
    for (const n of [3, 1, 2]) {
      net1.clock.now = new Date(net1.clock.now.getTime() + 5000)
      await stop(net1, { network, pool, endpoint: end(n), ip: `10.9.0.${n + 1}` })
    }
    expect(await run(net1, { network, pool, endpoint: end(4) })).toBe('10.9.0.3')
    expect(await run(net1, { network, pool, endpoint: end(5) })).toBe('10.9.0.2')
    expect(await run(net2, { network: id('b'), pool, endpoint: end(6) })).toBe('10.9.0.5')
  })

  test('that a container had by --ip is given to a request by --ip only', async () => {
    const { net1, net2, pool } = await twoHosts()
    const ip = await run(net1, { network, pool, endpoint: end(1), ip: '10.9.0.2' })
    await stop(net1, { network, pool, endpoint: end(1), ip })
    expect(await run(net1, { network, pool, endpoint: end(2) })).toBe('10.9.0.3')
    await expect(run(net2, { network: id('b'), pool, endpoint: end(3), ip })).rejects.toMatchObject({
      code: 'taken',
      message: `the address ${ip} is already leased: kept for a container that has it by --ip on net-1`,
    })
    expect(await run(net1, { network, pool, endpoint: end(1), ip })).toBe(ip)
  })

  test('is leased with one commit for all requests that wait', async () => {
    const { net1, pool } = await twoHosts()
    const before = net1.store.status().index
    const ask = () => net1.verbs.requestAddress({ pool, gateway: false }, never)
    const ips = await Promise.all(Array.from({ length: 30 }, ask))
    expect(new Set(ips).size).toBe(30)
    expect(net1.store.status().index - before).toBe(1)
  })

  test('in the reserve of a machine that was cloned is not given: the VTEP is another', async () => {
    const { lab, net1, pool } = await twoHosts()
    const ip = await run(net1, { network, pool, endpoint: end(1) })
    await stop(net1, { network, pool, endpoint: end(1), ip })
    lab.away = true
    net1.context.underlay = () => ({ device: 'eth1', address: '192.168.33.99', mtuBytes: 1500 })
    await expect(net1.verbs.requestAddress({ pool, gateway: false }, never)).rejects.toMatchObject({
      code: 'unavailable',
    })
  })

  test('that a backup brought back into the reserve is not given: an endpoint of another host has it', async () => {
    const { net1, net2, pool } = await twoHosts()
    const ip = await run(net1, { network, pool, endpoint: end(1) })
    await stop(net1, { network, pool, endpoint: end(1), ip })
    await run(net2, { network: id('b'), pool, endpoint: end(2) })
    const running = net2.store.snapshot().endpoints.get(`${network}/${end(2)}`)?.value
    if (running === undefined) throw new Error('no endpoint')
    const value = { ...running, id: end(3), v4: ip }
    await net2.store.commit([{ op: 'create', table: 'endpoints', key: `${network}/${end(3)}`, value }])
    await net1.store.read()
    await expect(run(net1, { network, pool, endpoint: end(4), ip })).rejects.toMatchObject({ code: 'taken' })
    expect(await run(net1, { network, pool, endpoint: end(5) })).not.toBe(ip)
  })

  test('is never leased twice, however many ask on two hosts at once', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.boolean(), { minLength: 1, maxLength: 60 }), async (asks) => {
        const { net1, net2, pool } = await twoHosts()
        const requests = asks.map((first) =>
          (first ? net1 : net2).verbs.requestAddress({ pool, gateway: false }, never),
        )
        const ips = await Promise.all(requests)
        expect(new Set(ips).size).toBe(asks.length)
      }),
      { numRuns: 20 },
    )
  })

  test('is refused with the numbers when all of a /28 are leased, and there is one again after a stop', async () => {
    const { net1, pool } = await twoHosts('10.9.0.0/28')
    const ips = []
    for (let i = 0; i < 11; i++) ips.push(await run(net1, { network, pool, endpoint: end(i) }))
    const one = { network, pool, endpoint: end(11) }
    await expect(run(net1, one)).rejects.toMatchObject({
      code: 'exhausted',
      message: 'no free address in 10.9.0.0/28: 11 of 11 are leased: 11 are used (11 on net-1)',
    })
    await stop(net1, { network, pool, endpoint: end(3), ip: ips[3] ?? '' })
    expect(await run(net1, one)).toBe(ips[3])
  })

  test('is waited for while the whole reserve goes back to a full pool, since another host wants one', async () => {
    const { net1, pool } = await twoHosts('10.9.0.0/28')
    for (let i = 0; i < 11; i++) {
      const ip = await run(net1, { network, pool, endpoint: end(i) })
      if (i === 10) await stop(net1, { network, pool, endpoint: end(i), ip })
    }
    const key = [...net1.store.snapshot().addresses].find(
      ([, { value }]) => value.endpoint === undefined,
    )?.[0]
    const lease = net1.store.snapshot().addresses.get(key ?? '')
    // As the addresses loop does.
    net1.context.inFlight.addresses.retire([key ?? ''])
    const asked = run(net1, { network, pool, endpoint: end(11) })
    await Promise.race([asked, delay(20)])
    await net1.store.commit([{ op: 'remove', table: 'addresses', key: key ?? '', index: lease?.index ?? 0 }])
    net1.context.inFlight.addresses.retired([key ?? ''])
    expect(await asked).toBe(key?.split('/')[1])
  })

  test('that was asked for is leased, once', async () => {
    const { net1, net2, pool } = await twoHosts()
    const ip = '10.9.0.77'
    expect(await run(net1, { network, pool, endpoint: end(1), ip })).toBe(ip)
    const again = net2.verbs.requestAddress({ pool, gateway: false, address: ip }, never)
    await expect(again).rejects.toMatchObject({
      code: 'taken',
      message: `the address ${ip} is already leased: a container on net-1`,
    })
  })

  test('that was asked for and never used can be asked for again after a while', async () => {
    const { net1, pool } = await twoHosts()
    const ask = { pool, gateway: false, address: '10.9.0.77' }
    await net1.verbs.requestAddress(ask, never)
    await expect(net1.verbs.requestAddress(ask, never)).rejects.toMatchObject({ code: 'taken' })
    net1.clock.now = new Date('2026-01-01T00:01:00Z')
    expect(await net1.verbs.requestAddress(ask, never)).toBe('10.9.0.77/16')
  })

  test.each(['gone', 'still there'])(
    'on its way back to the pool is given by --ip: its lease is %s',
    async (lease) => {
      const { net1, pool } = await twoHosts()
      const ip = '10.9.0.77'
      await run(net1, { network, pool, endpoint: end(1), ip })
      await stop(net1, { network, pool, endpoint: end(1), ip })
      const { addresses } = net1.context.inFlight
      const key = `${network}/${ip}`
      addresses.retire([key])
      const asked = net1.verbs.requestAddress({ pool, gateway: false, address: ip }, never)
      await delay(20)
      if (lease === 'gone') await net1.store.commit([{ op: 'drop', table: 'addresses', key }])
      addresses.retired([key])
      expect(await asked).toBe(`${ip}/16`)
      await expect(net1.verbs.requestAddress({ pool, gateway: false, address: ip }, never)).rejects.toThrow()
    },
  )

  test('on its way back to the pool is refused when the store does not say what became of it', async () => {
    const { net1, pool } = await twoHosts()
    const ip = '10.9.0.77'
    await run(net1, { network, pool, endpoint: end(1), ip })
    await stop(net1, { network, pool, endpoint: end(1), ip })
    net1.context.inFlight.addresses.retire([`${network}/${ip}`])
    const asked = net1.verbs.requestAddress({ pool, gateway: false, address: ip }, never)
    await expect(asked).rejects.toThrow('on its way back to the pool')
  })

  test('whose lease cannot be read is not free: the next one is leased', async () => {
    const { lab, net1, pool } = await twoHosts()
    lab.put('addresses', `${network}/10.9.0.2`, '{"host": 1}')
    await net1.store.read()
    expect(await run(net1, { network, pool, endpoint: end(1) })).toBe('10.9.0.3')
    await expect(run(net1, { network, pool, endpoint: end(2), ip: '10.9.0.2' })).rejects.toMatchObject({
      hint: 'its value cannot be read',
    })
  })

  test('of the reserve whose lease cannot be read any more is given to no container', async () => {
    const { lab, net1, pool } = await twoHosts()
    const ip = await run(net1, { network, pool, endpoint: end(1) })
    await stop(net1, { network, pool, endpoint: end(1), ip })
    lab.put('addresses', `${network}/${ip}`, '{"host": 1}')
    await net1.store.read()
    expect(net1.store.snapshot().addresses.has(`${network}/${ip}`), 'its last readable value').toBe(true)
    expect(await run(net1, { network, pool, endpoint: end(2) })).toBe('10.9.0.3')
  })
})

describe('the gateway and the aux addresses', () => {
  test('are the same on every host that makes its copy, and no container’s', async () => {
    const { net1, net2, pool, made } = await twoHosts()
    expect(made.v4).toMatchObject({ gateway: '10.9.255.254', aux: { router: '10.9.0.9' } })
    expect(await net2.verbs.requestAddress({ pool, gateway: true }, never)).toBe('10.9.255.254/16')
    for (const address of ['10.9.255.254', '10.9.0.9']) {
      const ask = net1.verbs.requestAddress({ pool, gateway: false, address }, never)
      await expect(ask).rejects.toMatchObject({ code: 'taken' })
    }
    const other = net2.verbs.requestAddress({ pool, gateway: true, address: '10.9.0.1' }, never)
    await expect(other).rejects.toThrow('the gateway of the subnet 10.9.0.0/16 is 10.9.255.254, not 10.9.0.1')
  })
})

test('an --aux-address at the default gateway is refused with both ways out', async () => {
  const net1 = cluster().host(1)
  const made = createNetwork(net1, { id: network, subnet: '10.9.0.0/16', aux: { router: '10.9.255.254' } })
  await expect(made).rejects.toMatchObject({
    code: 'taken',
    line: "the address 10.9.255.254 is the gateway of 10.9.0.0/16, the subnet's last address unless --gateway names another; choose another --aux-address, or give the network another --gateway",
  })
})

test('an --aux-address at the gateway that was asked for is refused', async () => {
  const net1 = cluster().host(1)
  const gateway = '10.9.0.1'
  const made = createNetwork(net1, { id: network, subnet: '10.9.0.0/16', gateway, aux: { router: gateway } })
  await expect(made).rejects.toThrow(/^the address 10\.9\.0\.1 is the gateway of 10\.9\.0\.0\/16$/)
})

test('a pool of a network of another driver is refused with the way out, before and after its claim is gone', async () => {
  const { verbs } = cluster().host(1)
  const pool = await verbs.requestPool({ pool: '10.9.0.0/16', options: {}, v6: false }, never)
  const ask = () => verbs.requestAddress({ pool, gateway: false }, never)
  const hint = expect.stringContaining(
    'the vxlan IPAM driver serves networks of driver vxlan: docker network create -d vxlan --ipam-driver vxlan NAME',
  )
  await expect(ask()).rejects.toMatchObject({ code: 'invalid', hint })
  await verbs.releasePool(pool, never)
  await expect(ask()).rejects.toMatchObject({ code: 'not-found', hint })
})

describe('the IPv4 address of a start whose IPv6 address was refused', () => {
  const pool6 = 'fd00::/64'
  const address = '10.9.0.50'

  async function dualStack() {
    const net1 = cluster().host(1)
    const made = await createNetwork(net1, { id: network, subnet: '10.9.0.0/16', subnet6: pool6 })
    const pool = made.v4.cidr
    const ask4 = (ip?: string) =>
      net1.verbs.requestAddress({ pool, gateway: false, ...(ip && { address: ip }) }, never)
    const ask6 = (ip?: string) =>
      net1.verbs.requestAddress({ pool: pool6, gateway: false, ...(ip && { address: ip }) }, never)
    await ask4()
    await net1.verbs.createEndpoint(
      { network, endpoint: end(1), v4: '10.9.0.2/16', v6: await ask6('fd00::5') },
      never,
    )
    return { net1, ask4, ask6 }
  }

  test('can be asked for at once', async () => {
    const { net1, ask4, ask6 } = await dualStack()
    await ask4(address)
    await expect(ask6('fd00::5')).rejects.toMatchObject({ code: 'taken' })
    const v4 = await ask4(address)
    const v6 = await ask6('fd00::6')
    await net1.verbs.createEndpoint({ network, endpoint: end(2), v4, v6 }, never)
    await expect(ask4(address)).rejects.toMatchObject({ code: 'taken' })
  })

  test('stays with Docker when another start may have it; the error says so at once', async () => {
    const { ask4, ask6 } = await dualStack()
    const other = await ask4()
    await ask4(address)
    await expect(ask6('fd00::5')).rejects.toMatchObject({ code: 'taken' })
    const begun = performance.now()
    await expect(ask4(address)).rejects.toMatchObject({
      code: 'taken',
      message: `the address ${address} is already leased: given to a container that is starting, or whose start failed a moment ago`,
      hint: 'try again in half a minute, or choose another --ip',
    })
    expect(performance.now() - begun).toBeLessThan(1000)
    expect(await ask4()).not.toBe(other)
  })

  test('stays with Docker when it was given long before', async () => {
    const { net1, ask4, ask6 } = await dualStack()
    await ask4(address)
    net1.clock.now = new Date(net1.clock.now.getTime() + 20_000)
    await expect(ask6('fd00::5')).rejects.toMatchObject({ code: 'taken' })
    await expect(ask4(address)).rejects.toMatchObject({ code: 'taken' })
  })
})

describe('a release', () => {
  test('of an unknown address is no error', async () => {
    const { net1, pool } = await twoHosts()
    for (const [at, address] of [
      ['10.0.0.0/8', '10.0.0.2'],
      ['x', 'y'],
      [pool, '10.9.0.50'],
      [pool, ''],
    ]) {
      await net1.verbs.releaseAddress({ pool: at ?? '', address: address ?? '' }, never)
    }
  })

  test('does not touch another host’s lease, nor one that a published service keeps', async () => {
    const { net1, net2, pool } = await twoHosts()
    const address = await run(net1, { network, pool, endpoint: end(1) })
    await net2.verbs.releaseAddress({ pool, address }, never)
    expect(net1.store.snapshot().addresses.size).toBe(1)
    const key = `${network}/${address}`
    const lease = net1.store.snapshot().addresses.get(key)
    if (lease === undefined) throw new Error('not leased')
    const value = { ...lease.value, service: 'bar' }
    await net1.store.commit([{ op: 'update', table: 'addresses', key, value, index: lease.index }])
    await stop(net1, { network, pool, endpoint: end(1), ip: address })
    expect(net1.store.snapshot().addresses.get(key)?.value).toEqual({
      host: 'net-1',
      service: 'bar',
      leasedAt: '2026-01-01T00:00:00.000Z',
    })
  })

  test('that comes without a DeleteEndpoint changes nothing: the endpoints loop asks Docker', async () => {
    const { net1, pool } = await twoHosts()
    const address = await run(net1, { network, pool, endpoint: end(1) })
    await net1.verbs.releaseAddress({ pool, address }, never)
    expect(net1.store.snapshot().endpoints.size).toBe(1)
    expect(await run(net1, { network, pool, endpoint: end(2) })).not.toBe(address)
  })
})

describe('an address between two containers', () => {
  const address = '10.9.0.77'

  test('is not leased again before Docker has released it, and after 30 s if Docker never does', async () => {
    const { net1, pool } = await twoHosts()
    await run(net1, { network, pool, endpoint: end(1), ip: address })
    net1.clock.now = new Date('2026-01-01T01:00:00Z')
    await net1.verbs.leave({ network, endpoint: end(1) }, never)
    await net1.verbs.deleteEndpoint({ network, endpoint: end(1) }, never)
    const again = () => run(net1, { network, pool, endpoint: end(2), ip: address })
    await expect(again()).rejects.toMatchObject({ code: 'taken' })
    net1.clock.now = new Date('2026-01-01T01:01:00Z')
    expect(await again()).toBe(address)
  })

  test('stays with the second when the release of the first comes late', async () => {
    const { net1, pool } = await twoHosts()
    await run(net1, { network, pool, endpoint: end(1), ip: address })
    await net1.verbs.leave({ network, endpoint: end(1) }, never)
    await net1.verbs.deleteEndpoint({ network, endpoint: end(1) }, never)
    net1.clock.now = new Date('2026-01-01T00:01:00Z')
    await run(net1, { network, pool, endpoint: end(2), ip: address })
    await net1.verbs.releaseAddress({ pool, address }, never)
    const { endpoints, addresses } = net1.store.snapshot()
    expect([...endpoints.values()].map(({ value }) => value.id)).toEqual([end(2)])
    expect(addresses.get(`${network}/${address}`)?.value).toMatchObject({ endpoint: end(2) })
    await stop(net1, { network, pool, endpoint: end(2), ip: address })
    expect(net1.store.snapshot().addresses.get(`${network}/${address}`)?.value.endpoint).toBeUndefined()
  })

  test('can be asked for right after the store is back: what Docker released meanwhile is released first', async () => {
    const { lab, net1, pool } = await twoHosts()
    const ip = await run(net1, { network, pool, endpoint: end(1), ip: address })
    lab.away = true
    await stop(net1, { network, pool, endpoint: end(1), ip })
    lab.away = false
    expect(await run(net1, { network, pool, endpoint: end(2), ip })).toBe(address)
    expect(net1.store.snapshot().endpoints.size).toBe(1)
  })
})

test('with the store away an empty reserve is refused with the reason, and what is removed is removed later', async () => {
  const { lab, net1, pool } = await twoHosts()
  const ip = await run(net1, { network, pool, endpoint: end(1) })
  lab.away = true
  await expect(net1.verbs.requestAddress({ pool, gateway: false }, never)).rejects.toMatchObject({
    code: 'unavailable',
    message: expect.stringMatching(/^this host has no address of 10\.9\.0\.0\/16 in reserve, and the store/),
  })
  await stop(net1, { network, pool, endpoint: end(1), ip })
  expect(net1.store.journal.waiting()).toEqual([`${network}/${end(1)}`])
  expect(net1.store.snapshot().endpoints.size).toBe(0)
  lab.away = false
  await until('the store knows', () => net1.store.journal.waiting().length === 0)
  const { endpoints, addresses } = await net1.store.read()
  expect(endpoints.size).toBe(0)
  expect(addresses.get(`${network}/${ip}`)?.value.endpoint).toBeUndefined()
})
