import { describe, expect, test } from 'vitest'
import { ask } from '../../../../driver/control/client.ts'
import { isIdle } from '../../../../driver/core/reserve.ts'
import { replicasOn } from '../../../../driver/core/snapshot.ts'
import { evict } from '../../../../driver/verbs/evict-host.ts'
import { quickIntervals } from '../../../fixtures/intervals.ts'
import { until } from '../../../fixtures/until.ts'
import { has, host, net1, net2, useTwoHosts } from './two-hosts.ts'

useTwoHosts()

test('host rm waits until a live host whose session has ended would have claimed its name again', async () => {
  await until('net-1 knows net-2', () => net1.store.snapshot().hosts.has('net-2'))
  const session = net1.store.snapshot().hosts.get('net-2')?.value.session ?? ''
  await net2.store.endSession(session)
  await expect(ask(net1.controlSocket, 'DELETE', '/hosts/net-2')).rejects.toMatchObject({ code: 'in-use' })
  expect((await net1.store.read()).hosts.has('net-2')).toBe(true)
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
