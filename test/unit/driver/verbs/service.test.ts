import { beforeEach, describe, expect, test } from 'vitest'
import { DriverError, isCode } from '../../../../driver/core/errors.ts'
import { isIdle } from '../../../../driver/core/reserve.ts'
import { evict } from '../../../../driver/verbs/evict-host.ts'
import { type ServiceVerbs, serviceVerbs } from '../../../../driver/verbs/service.ts'
import { cluster, createNetwork, type Host, id, never, run, show, showAlive, stop } from './cluster.ts'

const network = id('1')
const copy = id('2')
const pool = '10.9.0.0/16'
const web = { id: 'c'.repeat(64), name: 'web' }
let net1: Host & { services: ServiceVerbs }
let net2: Host & { services: ServiceVerbs }

beforeEach(async () => {
  const hosts = cluster()
  net1 = withServices(hosts.host(1))
  net2 = withServices(hosts.host(2))
  await createNetwork(net1, { id: network, subnet: pool })
  await createNetwork(net2, { id: copy, subnet: pool, options: mark, ipamOptions: mark })
  await nameIt(net1, network, 'multihost')
  await showAlive(net1)
  await showAlive(net2)
})
const mark = { 'multihost.id': network }

function withServices(host: Host): Host & { services: ServiceVerbs } {
  const { store, name, clock, verbs } = host
  const context = { store, host: name, defaultNetwork: 'multihost', now: () => clock.now }
  return Object.assign(host, { services: serviceVerbs(context, verbs) })
}

/** As the networks loop does. */
async function nameIt({ store }: Host, network: string, name: string): Promise<void> {
  const record = store.snapshot().networks.get(network)
  if (record === undefined) throw new Error(`no network ${network}`)
  await store.commit([
    { op: 'create', table: 'network-names', key: name, value: network },
    { op: 'update', table: 'networks', key: network, value: { ...record.value, name }, index: record.index },
  ])
}

const lineOf = async (work: Promise<unknown>): Promise<string> => {
  try {
    await work
  } catch (error) {
    if (isCode(error, 'taken', 'in-use', 'invalid', 'not-found')) return `${error.code}: ${error.line}`
    throw error
  }
  return 'nothing was thrown'
}
const stateOf = async ({ store, services }: typeof net1) => {
  await store.read()
  return services.list().map(({ name, v4, backend }) => `${name} ${v4} ${backend?.host ?? '-'}`)
}

describe('a published service', () => {
  test('has an address of its own, and its lease names it', async () => {
    const { v4 } = await net1.services.publish('bar')
    expect(v4).toBe('10.9.0.2')
    await net2.store.read()
    expect(show(net2)).toContain('addresses/1…/10.9.0.2 {"host":"net-1","service":"bar"}')
    expect(await run(net1, { network, pool, endpoint: 'e1' })).toBe('10.9.0.3')
  })

  test('is on the network whose name has dots, which the other host has made', async () => {
    const dotted = id('3')
    await createNetwork(net2, { id: dotted, subnet: '10.8.0.0/16' })
    await nameIt(net2, dotted, 'my.net')
    const { name, network: on, v4 } = await net1.services.publish('web.my.net')
    expect([name, on.name, v4]).toEqual(['web', 'my.net', '10.8.0.2'])
    expect((await net2.services.find('web.my.net')).v4).toBe('10.8.0.2')
    await net2.services.unpublish('web.my.net')
    expect(await lineOf(net2.services.find('web.my.net'))).toContain('no service')
  })

  test('is published once: on the other host the name is taken, and no address is lost', async () => {
    const attempts = await Promise.allSettled([net1.services.publish('bar'), net2.services.publish('bar')])
    expect(attempts.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
    expect(await lineOf(net2.services.publish('bar'))).toMatchInlineSnapshot(
      `"taken: service bar.multihost is already published; choose another name"`,
    )
    const { addresses } = await net1.store.read()
    expect([...addresses.values()].filter(({ value }) => !isIdle(value))).toHaveLength(1)
    expect((await net2.services.publish('bar', { existing: true })).name).toBe('bar')
  })

  test('has no other beside it that differs in case alone: DNS would answer with both', async () => {
    await net1.services.publish('Bar')
    await net2.store.read()
    for (const options of [{}, { existing: true }])
      expect(await lineOf(net2.services.publish('bar', options))).toBe(
        'taken: service Bar.multihost is already published; choose another name: the case of letters does not count',
      )
    expect((await net2.services.publish('Bar', { existing: true })).v4).toBe('10.9.0.2')
  })

  test('goes with its address when it is unpublished', async () => {
    await net1.services.publish('bar')
    await net2.services.unpublish('bar')
    expect((await net1.store.read()).addresses.size).toBe(0)
    expect(net1.services.list()).toEqual([])
  })

  test('keeps its address through attach, detach and attach on another host', async () => {
    const { v4: ip } = await net1.services.publish('bar')
    const first = await net1.services.attach('bar', web)
    expect(first.localId).toBe(network)
    await run(net1, { network, pool, endpoint: 'e1', ip })
    expect(await stateOf(net2)).toEqual([`bar ${ip} net-1`])
    await stop(net1, { network, pool, endpoint: 'e1', ip })
    await net1.services.detached('bar')
    expect(await stateOf(net1)).toEqual([`bar ${ip} -`])

    const second = await net2.services.attach('bar', web)
    expect(second).toMatchObject({ localId: copy, service: { v4: ip } })
    await run(net2, { network: copy, pool, endpoint: 'e2', ip })
    expect(await stateOf(net1)).toEqual([`bar ${ip} net-2`])
  })

  test('is given to exactly one of two hosts that attach at once, and the other hears who has it', async () => {
    const { v4: ip } = await net1.services.publish('bar')
    const both = [net1.services.attach('bar', web), net2.services.attach('bar', web)]
    const states = (await Promise.allSettled(both)).map(({ status }) => status)
    expect(states.sort()).toEqual(['fulfilled', 'rejected'])
    await net2.services.giveUp('bar')
    await net1.services.giveUp('bar')

    await net1.services.attach('bar', web)
    expect(await lineOf(net2.services.attach('bar', web))).toMatchInlineSnapshot(
      `"taken: service bar.multihost is being attached to container web on net-1; a service has one container in the whole cluster; if that attach failed, try again in half a minute"`,
    )
    // Its driver died before it answered, and the command is given again.
    expect((await net1.services.attach('bar', web)).service.v4).toBe(ip)
    await run(net1, { network, pool, endpoint: 'e1', ip })
    expect(await lineOf(net2.services.attach('bar', web))).toMatchInlineSnapshot(
      `"taken: service bar.multihost is attached to a container on net-1; a service has one container in the whole cluster; detach that one first"`,
    )
    expect(await lineOf(net2.services.unpublish('bar'))).toMatchInlineSnapshot(
      `"in-use: service bar.multihost is attached to a container on net-1; first run: multihost service detach CONTAINER bar.multihost"`,
    )
  })

  test('does not stay reserved for an attach that was begun and never done', async () => {
    await net1.services.publish('bar')
    await net1.services.attach('bar', web)
    net2.clock.now = new Date(net2.clock.now.getTime() + 31_000)
    await net2.services.attach('bar', web)
    expect(await lineOf(run(net1, { network, pool, endpoint: 'e1', ip: '10.9.0.2' }))).toMatchInlineSnapshot(
      `"taken: the address 10.9.0.2 belongs to service bar; it is being attached to another container; if that fails, start this one again in half a minute"`,
    )
  })

  test('comes back to a container that is stopped and started, and to no other that asks for its address', async () => {
    const { v4: ip } = await net1.services.publish('bar')
    expect(await lineOf(run(net1, { network, pool, endpoint: 'e0', ip }))).toContain('belongs to service bar')
    await net1.services.attach('bar', web)
    await run(net1, { network, pool, endpoint: 'e1', ip })
    expect(await lineOf(run(net1, { network, pool, endpoint: 'e2', ip }))).toContain('belongs to service bar')
    await stop(net1, { network, pool, endpoint: 'e1', ip })
    expect(await lineOf(run(net2, { network: copy, pool, endpoint: 'e2', ip }))).toContain('service bar')
    await run(net1, { network, pool, endpoint: 'e3', ip })
    expect(await stateOf(net2)).toEqual([`bar ${ip} net-1`])
  })
})

describe('an attach that was begun and never done', () => {
  let ip: string
  beforeEach(async () => {
    ip = (await net1.services.publish('bar')).v4
    await net1.services.attach('bar', web)
    await run(net1, { network, pool, endpoint: 'e1', ip })
    await stop(net1, { network, pool, endpoint: 'e1', ip })
  })
  const other = { id: 'd'.repeat(64), name: 'other' }
  const later = (): void => {
    for (const { clock } of [net1, net2]) clock.now = new Date(clock.now.getTime() + 31_000)
  }
  const startOn1 = (endpoint: string) => run(net1, { network, pool, endpoint, ip })
  const startOn2 = (endpoint: string) => run(net2, { network: copy, pool, endpoint, ip })

  test('changes nothing when it is given up, also after the engine has asked for the address', async () => {
    await net1.store.read()
    const before = show(net1)
    await net2.services.attach('bar', other)
    await net2.services.giveUp('bar')
    await net1.store.read()
    expect(show(net1)).toBe(before)

    await net2.services.attach('bar', other)
    await net2.verbs.requestAddress({ pool, gateway: false, address: ip }, never)
    await net2.services.giveUp('bar')
    await net1.store.read()
    expect(show(net1)).toBe(before)
    expect(await startOn1('e2')).toBe(ip)
  })

  test('keeps the earlier container off for half a minute, and then gives way to it', async () => {
    await net2.services.attach('bar') // docker run --publish-service=bar NOSUCHIMAGE
    expect(await lineOf(startOn1('e2'))).toMatchInlineSnapshot(
      `"taken: the address 10.9.0.2 belongs to service bar; it is being attached to another container; if that fails, start this one again in half a minute"`,
    )
    later()
    expect(await startOn1('e3')).toBe(ip)
    expect(await stateOf(net2)).toEqual([`bar ${ip} net-1`])
    expect(await lineOf(startOn2('e4'))).toContain('belongs to service bar')
    expect(show(net1)).not.toContain('before')
  })

  test('still ends with its container when that starts first', async () => {
    await net2.services.attach('bar') // docker create --publish-service=bar
    later()
    expect(await startOn2('e2')).toBe(ip)
    await stop(net2, { network: copy, pool, endpoint: 'e2', ip })
    later()
    expect(await lineOf(startOn1('e3'))).toContain('belongs to service bar')
    expect(show(net1)).not.toContain('before')
  })

  test('leaves the earlier container its claim through several of them', async () => {
    await net2.services.attach('bar')
    later()
    await net2.services.attach('bar', other)
    expect(await lineOf(startOn1('e2'))).toContain('belongs to service bar')
    await net2.services.giveUp('bar')
    expect(await startOn1('e3')).toBe(ip)
  })

  test('is over when the engine has taken it: the earlier container has no claim any more', async () => {
    await net2.services.attach('bar', other)
    await net2.services.finished('bar')
    later()
    expect(await lineOf(startOn1('e2'))).toContain('belongs to service bar')
    expect(await startOn2('e3')).toBe(ip)
  })
})

describe('a published service whose name a container has, too', () => {
  test('is meant by the name', async () => {
    const { id } = await net1.services.publish('web')
    await run(net1, { network, pool, endpoint: 'e1' })
    const record = net1.store.snapshot().endpoints.get(`${network}/e1`)
    if (record === undefined) throw new Error('no endpoint')
    const value = { ...record.value, container: web }
    await net1.store.commit([
      { op: 'update', table: 'endpoints', key: `${network}/e1`, value, index: record.index },
    ])
    expect((await net2.services.publish('web', { existing: true })).id).toBe(id)
    expect((await net2.services.attach('web', web)).service.id).toBe(id)
    await net2.services.giveUp('web')
    await net2.services.unpublish('web')
    await net1.store.read()
    expect(await stateOf(net1)).toEqual(['web 10.9.0.3 net-1'])
  })
})

describe('a service whose container is on a host that is away', () => {
  beforeEach(async () => {
    const { v4: ip } = await net1.services.publish('bar')
    await net1.services.attach('bar', web)
    await run(net1, { network, pool, endpoint: 'e1', ip })
    await net2.store.read()
  })
  const asked = async (): Promise<string> =>
    [
      await lineOf(net2.services.attach('bar', web)),
      await lineOf(net2.services.unpublish('bar')),
      await lineOf(net2.services.attached('bar', 'web')),
    ].join('\n')

  test('can be had when that host is taken out, which is said', async () => {
    await net1.store.close()
    expect(await asked()).toMatchInlineSnapshot(`
      "taken: service bar.multihost is attached to a container on net-1; net-1 is away; if net-1 does not come back, remove it from the cluster: multihost host rm net-1
      in-use: service bar.multihost is attached to a container on net-1; net-1 is away; if net-1 does not come back, remove it from the cluster: multihost host rm net-1
      invalid: service bar.multihost is attached to a container on net-1; net-1 is away; if net-1 does not come back, remove it from the cluster: multihost host rm net-1"
    `)
    await evict(net2.store, 'net-1')
    expect((await net2.services.attach('bar', web)).service.name).toBe('bar')
  })

  test('is refused in the usual words while that host lives, or its state is unknown', async () => {
    expect(await asked()).not.toContain('host rm')
    await net1.store.close()
    net2.store.liveness = () => Promise.reject(new DriverError('unavailable', 'Consul does not answer'))
    expect(await asked()).not.toContain('host rm')
  })
})

describe('what cannot be', () => {
  test('publishing and attaching under the name of a container', async () => {
    await run(net1, { network, pool, endpoint: 'e1' })
    const [record] = [...net1.store.snapshot().endpoints.values()]
    if (record === undefined) throw new Error('no endpoint')
    const value = { ...record.value, container: web }
    await net1.store.commit([
      { op: 'update', table: 'endpoints', key: `${network}/e1`, value, index: record.index },
    ])
    expect(await lineOf(net2.services.publish('web'))).toMatchInlineSnapshot(
      `"taken: service web.multihost is the name of container web (cccccccccccc) on net-1; choose another name"`,
    )
    expect(await lineOf(net2.services.unpublish('web'))).toMatchInlineSnapshot(
      `"in-use: service web.multihost is the name of container web (cccccccccccc) on net-1, not a published service; it ends when the container leaves the network; publish the service under another name"`,
    )
  })

  test('detaching on another host, or another container', async () => {
    const { v4: ip } = await net1.services.publish('bar')
    await expect(net1.services.attached('bar', 'web')).rejects.toThrow('no container is attached')
    await net1.services.attach('bar', web)
    await run(net1, { network, pool, endpoint: 'e1', ip })
    await net2.store.read()
    await expect(net2.services.attached('bar', 'web')).rejects.toThrow('is attached to a container on net-1')
    await expect(net1.services.attached('bar', 'other')).rejects.toThrow('not to other')
  })

  test('attaching where the engine gives no fixed addresses, which is said before anything is changed', async () => {
    const own = id('3')
    const { v4 } = await createNetwork(net1, { id: own })
    await nameIt(net1, own, 'chosen')
    await net1.services.publish('bar.chosen')
    const before = show(net1)
    expect(await lineOf(net1.services.attach('bar.chosen', web))).toMatchInlineSnapshot(
      `"invalid: network chosen was created on net-1 without --subnet, so Docker on net-1 assigns no fixed addresses on it; attach on another host, or create the network again with --subnet 172.21.0.0/16"`,
    )
    expect(show(net1)).toBe(before)
    expect(v4.cidr).toBe('172.21.0.0/16')
  })
})
