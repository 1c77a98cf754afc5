/**
 * Records that a person deletes in Consul by hand: the change log has no removal of them, so they come back.
 */
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { DriverError } from '../../../../driver/core/errors.ts'
import type { Change, Table } from '../../../../driver/core/records.ts'
import { applyDeltas, emptySnapshot, recordName } from '../../../../driver/core/snapshot.ts'
import type { ConsulClient } from '../../../../driver/store/consul/client.ts'
import { openConsulStore } from '../../../../driver/store/consul/store.ts'
import { commitsFor } from '../../../../driver/store/missing.ts'
import type { Store } from '../../../../driver/store/store.ts'
import { type ConsulInMemory, consulInMemory } from '../../../fixtures/consul-in-memory.ts'
import { createLease, createNetwork, endpoint, lease, network } from '../../../fixtures/store-records.ts'
import { temporaryFolder } from '../../../fixtures/temporary-folder.ts'
import { until } from '../../../fixtures/until.ts'

let consul: ConsulInMemory
let stores: Store[] = []
beforeEach(() => {
  consul = consulInMemory()
})
afterEach(async () => {
  await Promise.all(stores.map((store) => store.close()))
  stores = []
  vi.restoreAllMocks()
})

async function open(host: string, more: object = {}): Promise<Store> {
  const store = await openConsulStore({
    ...{ url: 'consul://consul', host, client: consul.client(), pauseMs: 1 },
    ...more,
  })
  stores.push(store)
  await until(`${host} is fresh`, () => store.status().fresh && store.status().doubt === undefined)
  await store.announce({ id: `id-of-${host}`, vtep: '192.168.33.11' })
  return store
}
const has = (path: string): boolean => consul.get(`multihost/${path}`) !== undefined
const remove = (path: string): void => consul.delete(`multihost/${path}`)
const key = (table: Table, key: string, value: unknown) => ({ op: 'create', table, key, value }) as Change
const host = (vtep: string) => ({ vtep, driverVersion: '1' })
const claim = {
  host: 'net-1',
  network: 'n1',
  gateway: '10.0.255.254',
  reserved: [],
  claimedAt: '2025-01-01T00:00:00Z',
}

/** A network with all its claims, and an endpoint on each host. */
async function cluster(more: object = {}): Promise<[Store, Store]> {
  const [one, two] = [await open('net-1', more), await open('net-2')]
  await one.commit([
    key('hosts', 'net-1', host('192.168.33.11')),
    key('hosts', 'net-2', host('192.168.33.12')),
    key('networks', 'n1', network('n1', { name: 'sn' })),
    key('network-names', 'sn', 'n1'),
    key('vnis', '256', 'n1'),
    key('pools', network('n1').v4.cidr, claim),
    ...endpointOn('net-1', 'e1', '10.0.0.2'),
  ])
  await two.read()
  await two.commit([key('replicas', 'net-2/n2', 'n1'), ...endpointOn('net-2', 'e2', '10.0.0.3')])
  await until('both know all', () => one.snapshot().endpoints.size + two.snapshot().endpoints.size === 4)
  return [one, two]
}
const endpointOn = (host: string, id: string, v4: string): Change[] => [
  key('endpoints', `n1/${id}`, endpoint('n1', id, { host, v4 })),
  key('addresses', `n1/${v4}`, { ...lease(host), endpoint: id }),
]
const recordsIn = (): string[] => consul.keys().filter((it) => !/\/(changes|alive)\//.test(it))

test('records with long texts are put back in commits that Consul takes', () => {
  const aliases = ['x'.repeat(50_000)]
  const keys = Array.from({ length: 20 }, (_, n) => `n1/e${n}`)
  const values = keys.map((key, n) => {
    const value = { ...endpoint('n1', key.slice(3), { host: 'net-1', v4: `10.0.0.${n + 2}` }), aliases }
    return { table: 'endpoints', key, record: { value, index: 7 } } as const
  })
  const records = keys.map((key) => ({ table: 'endpoints', key }) as const)
  const commits = commitsFor(applyDeltas(emptySnapshot(), values), records, records)
  expect(commits.map((changes) => changes.length)).toEqual(Array.from({ length: 10 }, () => 2))
})

test.each(['networks', 'network-names', 'vnis', 'pools', 'endpoints', 'addresses', 'replicas', 'hosts'])(
  'the folder %s is whole again after one host has read it, and no host sees it without a record',
  async (table) => {
    const [one, two] = await cluster()
    const before = recordsIn()
    const losses: string[] = []
    for (const store of stores)
      store.onChange((snapshot, keys) => {
        for (const at of keys) if (!snapshot[at.table].has(at.key)) losses.push(`${at.table}/${at.key}`)
      })
    remove(`${table}/`)
    await one.read()
    await until('everything is back', () => recordsIn().join() === before.join())
    await until('neither misses a key', () => stores.every((store) => store.status().missing.length === 0))
    expect(losses).toEqual([])
    for (const store of [one, two]) {
      const at = [...store.snapshot()[table as Table].values()]
      expect(at.every(({ index }) => index > 0)).toBe(true)
      expect([...store.snapshot()[table as Table]]).toEqual([...(await store.read())[table as Table]])
    }
  },
)

test('a record that is deleted a second time stays, too', async () => {
  const [one] = await cluster()
  const isBack = (): boolean => has('endpoints/n1/e2') && one.status().missing.length === 0
  remove('endpoints/n1/e2')
  await one.read()
  await until('it is back', isBack)
  const { now } = performance
  vi.spyOn(performance, 'now').mockImplementation(() => now.call(performance) + 31_000)
  remove('endpoints/n1/e2')
  await one.read()
  expect(one.snapshot().endpoints.has('n1/e2')).toBe(true)
  await until('it is back again', isBack)
})

test('a machine whose name another host holds puts nothing back', async () => {
  await cluster()
  const twin = await openConsulStore({
    ...{ url: 'consul://consul', host: 'net-1', client: consul.client(), pauseMs: 1 },
  })
  stores.push(twin)
  await until('it is fresh', () => twin.status().fresh && twin.status().doubt === undefined)
  expect(await twin.announce({ id: 'twin', vtep: '192.168.33.13' })).toMatchObject({ held: false })
  remove('endpoints/n1/e1')
  await twin.read()
  expect([has('endpoints/n1/e1'), twin.snapshot().endpoints.has('n1/e1')]).toEqual([false, true])
})

test('a network comes back with the claims that were deleted with it', async () => {
  const [one] = await cluster()
  const before = recordsIn()
  for (const table of ['networks', 'network-names', 'vnis', 'pools', 'endpoints', 'addresses'])
    remove(`${table}/`)
  await one.read()
  await until('everything is back', () => recordsIn().join() === before.join())
})

test('a record of a host that is away stays, and is named', async () => {
  const [one, two] = await cluster()
  await two.close()
  remove('endpoints/n1/e2')
  await one.read()
  expect(one.snapshot().endpoints.has('n1/e2')).toBe(true)
  expect(one.lookup('endpoints', 'n1/e2').is).toBe('known')
  expect(one.status().missing).toEqual([{ table: 'endpoints', key: 'n1/e2' }])
  const index = one.snapshot().endpoints.get('n1/e2')?.index ?? 0
  await one.commit([{ op: 'remove', table: 'endpoints', key: 'n1/e2', index }])
  expect([one.status().missing, one.snapshot().endpoints.size]).toEqual([[], 1])
  await one.read()
  expect(one.status().missing).toEqual([])
})

test('what a driver has removed does not come back, whichever arrives first', async () => {
  const [one, two] = await cluster()
  let busy = true
  const writing = (async () => {
    for (let i = 0; busy; i++) {
      const at = `n1/10.0.1.${i % 250}`
      await two.commit([createLease(at, 'net-2')])
      const index = two.snapshot().addresses.get(at)?.index ?? 0
      await two.commit([{ op: 'remove', table: 'addresses', key: at, index }])
    }
  })()
  consul.onList = () => new Promise((resolve) => setTimeout(resolve, 3))
  for (let i = 0; i < 40; i++) {
    await Promise.all([one.read(), two.read()])
    expect([...one.status().missing, ...two.status().missing]).toEqual([])
  }
  busy = false
  await writing
  await Promise.all([one.read(), two.read()])
  expect(recordsIn().filter((it) => it.includes('/10.0.1.'))).toEqual([])
})

test('a host that starts puts back what its copy on disk has and the log does not explain, and nothing else', async () => {
  const more = {
    diskPath: join(temporaryFolder(), 'net-1.json'),
    saveEveryMs: 1,
  }
  const [first] = await cluster(more)
  await Promise.all(stores.map((store) => store.close()))
  const two = await open('net-2')
  await two.commit([{ op: 'drop', table: 'endpoints', key: 'n1/e2' }])
  await two.close()
  remove('networks/')
  remove('endpoints/')
  const one = await open('net-1', more)
  await until('its own endpoint is back', () => has('endpoints/n1/e1'))
  expect([has('networks/n1'), has('endpoints/n1/e1'), has('endpoints/n1/e2')]).toEqual([true, true, false])
  expect(one.snapshot().endpoints.get('n1/e1')?.value).toEqual(first.snapshot().endpoints.get('n1/e1')?.value)
  expect(one.snapshot().endpoints.has('n1/e2')).toBe(false)
})

test('a host that starts after a loss keeps what another host has yet to put back, and lets go of what it does not have', async () => {
  const diskPath = (host: string) => join(temporaryFolder(), `${host}.json`)
  const [more, others] = ['net-1', 'net-2'].map((it) => ({ diskPath: diskPath(it), saveEveryMs: 1 }))
  const [, old] = await cluster(more)
  await Promise.all(stores.map((store) => store.close()))
  const gone = { table: 'endpoints', key: 'n1/e3' } as const
  const two = await open('net-2', others)
  await two.commit([
    { op: 'create', ...gone, value: endpoint('n1', 'e3', { host: 'net-2', v4: '10.0.0.9' }) },
  ])
  const seen = await open('net-1', more)
  expect(seen.snapshot().endpoints.has('n1/e3')).toBe(true)
  await seen.close()
  await two.commit([{ op: 'drop', ...gone }])
  remove('')
  await two.read()
  await until('the store is repaired', () => has('endpoints/n1/e2'))
  await two.close()
  remove('endpoints/')
  remove('hosts/net-2')
  const one = await open('net-1', more)
  expect(has('endpoints/n1/e2')).toBe(false)
  const known = () => [...one.snapshot().endpoints.keys()].sort()
  expect(known()).toEqual(['n1/e1', 'n1/e2', 'n1/e3'])
  await one.read()
  expect(known()).toEqual(['n1/e1', 'n1/e2', 'n1/e3'])
  expect(one.snapshot().endpoints.get('n1/e2')?.index).toBe(1)
  expect(one.snapshot().addresses.has('n1/10.0.0.3')).toBe(true)
  const back = await open('net-2', others)
  await until('the endpoint is back', () => has('endpoints/n1/e2'))
  expect(back.snapshot().endpoints.get('n1/e2')?.value).toEqual(old.snapshot().endpoints.get('n1/e2')?.value)
  await one.read()
  vi.spyOn(performance, 'now').mockReturnValue(performance.now() + 31_000)
  await one.read()
  expect(known()).toEqual(['n1/e1', 'n1/e2'])
})

test('a host that starts after a loss lets go of the records of a host that stays away', async () => {
  const more = {
    ...{ diskPath: join(temporaryFolder(), 'net-1.json'), saveEveryMs: 1 },
  }
  await cluster(more)
  await Promise.all(stores.map((store) => store.close()))
  const three = await open('net-3')
  remove('')
  await three.read()
  await until('the store is repaired', () => has('endpoints/n1/e2'))
  remove('endpoints/n1/e2')
  await three.close()
  const one = await open('net-1', more)
  expect(one.snapshot().endpoints.has('n1/e2')).toBe(true)
  vi.spyOn(performance, 'now').mockReturnValue(performance.now() + 31_000)
  await one.read()
  expect(one.snapshot().endpoints.has('n1/e2')).toBe(false)
})

test('a host that was away for longer than the log reaches puts nothing back', async () => {
  const two = await open('net-2', { retentionMs: 0 })
  const client = consul.client()
  let cut = false
  const one = await open('net-1', {
    timeoutMs: 400,
    client: {
      ...client,
      list: (...query: Parameters<typeof client.list>) =>
        cut ? Promise.reject(new Error('cut off')) : client.list(...query),
    },
  })
  await two.commit([createNetwork('n1'), createNetwork('n2'), key('vnis', '257', 'n2')])
  await one.read()
  cut = true
  const index = two.snapshot().networks.get('n1')?.index ?? 0
  await two.commit([{ op: 'remove', table: 'networks', key: 'n1', index }])
  for (let i = 0; i < 60; i++) await two.commit([createLease(`n2/10.0.2.${i}`, 'net-2')])
  expect(has('changes/1/head')).toBe(false)
  cut = false
  await one.read()
  expect([has('networks/n1'), one.snapshot().networks.has('n1')]).toEqual([false, false])
})

test('what belongs to no network, or to one that is being removed, may be deleted by hand', async () => {
  const one = await open('net-1')
  await one.commit([
    key('networks', 'n1', network('n1', { removing: true })),
    key('vnis', '256', 'n1'),
    key('vnis', '300', 'gone'),
    createLease('gone/10.0.0.2'),
  ])
  for (const table of ['networks', 'vnis', 'addresses']) remove(`${table}/`)
  await one.read()
  expect(one.status().missing).toEqual([])
  expect(recordsIn()).toEqual(['multihost/cluster'])
  expect(one.snapshot().networks.size + one.snapshot().vnis.size + one.snapshot().addresses.size).toBe(0)
})

test('a key that cannot be read comes back with its last readable value when it is deleted', async () => {
  const [one] = await cluster()
  consul.put('multihost/networks/n1', 'not JSON')
  consul.put('multihost/networks/n9', 'not JSON')
  await one.read()
  expect(one.status().corrupt.map(({ key }) => key)).toEqual(['n1', 'n9'])
  remove('networks/')
  await one.read()
  expect(one.status()).toMatchObject({ corrupt: [], missing: [] })
  expect(JSON.parse(consul.get('multihost/networks/n1') ?? '')).toMatchObject({ name: 'sn' })
  expect(has('networks/n9')).toBe(false)
})

test.each([
  ['whose host has a record that cannot be read', 'hosts/net-2'],
  ['of a network whose record cannot be read', 'networks/n1'],
])('records %s stay, and are named', async (_, unreadable) => {
  const [one, two] = await cluster()
  const value = consul.get(`multihost/${unreadable}`) ?? ''
  await Promise.all([one.close(), two.close()])
  consul.put(`multihost/${unreadable}`, 'of a later version')
  const three = await open('net-3')
  const known = [...three.snapshot().endpoints.keys()]
  expect(known).toContain('n1/e2')
  remove('endpoints/n1/e2')
  remove('pools/')
  await three.read()
  expect([...three.snapshot().endpoints.keys()]).toEqual(known)
  expect([three.snapshot().pools.size, has('endpoints/n1/e2')]).toEqual([1, false])
  expect(three.status().missing).toContainEqual({ table: 'endpoints', key: 'n1/e2' })
  consul.put(`multihost/${unreadable}`, value)
  await open('net-2')
  await three.read()
  await until('all but the endpoint, which a new host does not have, is back', () => has('pools/10.0.0.0-16'))
  expect(three.snapshot().endpoints.has('n1/e2')).toBe(true)
})

test('a network that has become unreadable keeps its records, and no other network from coming back', async () => {
  const [one, two] = await cluster()
  const v4 = { cidr: '10.1.0.0/16', gateway: '10.1.255.254', aux: {} }
  await one.commit([
    createNetwork('n2', { v4, vni: 257 }),
    key('endpoints', 'n2/e3', endpoint('n2', 'e3', { host: 'net-1' })),
  ])
  consul.put('multihost/networks/n1', 'of a later version')
  remove('endpoints/')
  await one.read()
  await two.read()
  const { now } = performance
  vi.spyOn(performance, 'now').mockImplementation(() => now.call(performance) + 31_000)
  for (const store of [one, two]) {
    await store.read()
    expect([...store.snapshot().endpoints.keys()].sort()).toEqual(['n1/e1', 'n1/e2', 'n2/e3'])
  }
  expect([has('endpoints/n1/e1'), has('endpoints/n2/e3')]).toEqual([false, true])
})

const web = { id: 's1', network: 'n1', name: 'web', v4: '10.0.0.9' }
test.each([
  ['an endpoint whose lease', 'endpoints/n1/e1', 'addresses/n1/10.0.0.2'],
  ['a service whose lease', 'services/n1/web', 'addresses/n1/10.0.0.9'],
  ['a lease whose service', 'addresses/n1/10.0.0.9', 'services/n1/web'],
])(
  '%s cannot be read stays away, and keeps no other record from coming back',
  async (_, gone, unreadable) => {
    const [one] = await cluster()
    await one.commit([
      ...endpointOn('net-1', 'e3', '10.0.0.8'),
      key('services', 'n1/web', web),
      key('addresses', 'n1/10.0.0.9', { ...lease('net-1'), service: 'web' }),
      key('services', 'n1/db', { ...web, id: 's2', name: 'db', v4: '10.0.0.7' }),
    ])
    const value = consul.get(`multihost/${unreadable}`) ?? ''
    consul.put(`multihost/${unreadable}`, 'of a later version')
    for (const path of [gone, 'endpoints/n1/e3', 'services/n1/db']) remove(path)
    await one.read()
    expect([has(gone), has('endpoints/n1/e3'), has('services/n1/db')]).toEqual([false, true, true])
    expect(one.status().missing.map(recordName)).toEqual([gone])
    consul.put(`multihost/${unreadable}`, value)
    await one.read()
    expect([has(gone), one.status().missing]).toEqual([true, []])
  },
)

test.each([
  ['whose host has a record that cannot be read', 'hosts/net-2', 0],
  ['of a network whose record cannot be read', 'networks/n1', 1],
])('after a loss, too, records %s stay', async (_, unreadable, pools) => {
  const more = { diskPath: join(temporaryFolder(), 'net-3.json'), saveEveryMs: 1 }
  const [one, two] = await cluster()
  await two.close()
  await (await open('net-3', more)).close()
  remove('')
  await one.read()
  await until('the store is repaired', () => has('endpoints/n1/e2') && has('pools/10.0.0.0-16'))
  await one.close()
  consul.put(`multihost/${unreadable}`, 'of a later version')
  remove('endpoints/n1/e2')
  remove('pools/')
  const three = await open('net-3', more)
  const { now } = performance
  for (const laterMs of [0, 31_000, 62_000]) {
    vi.spyOn(performance, 'now').mockImplementation(() => now.call(performance) + laterMs)
    await three.read()
    expect([three.snapshot().endpoints.has('n1/e2'), three.snapshot().pools.size]).toEqual([true, pools])
  }
  expect(three.status().missing).toContainEqual({ table: 'endpoints', key: 'n1/e2' })
})

test('records that the token hides, as Consul before 1.11 does without a word, are not let go', async () => {
  const [one] = await cluster()
  const seen = consul.client()
  const isHidden = (path: string): boolean => hidden && path.startsWith('multihost/endpoints/')
  let hidden = false
  const client: ConsulClient = {
    ...seen,
    async list(prefix, query) {
      const listing = await seen.list(prefix, query)
      return { ...listing, items: listing.items.filter((item) => !isHidden(item.key)) }
    },
    async transact(steps) {
      if (!steps.some((step) => isHidden(step.Key))) return seen.transact(steps)
      const cause = new Error('Permission denied')
      throw new DriverError('unavailable', 'Consul refuses: Permission denied', { cause })
    },
  }
  const three = await open('net-3', { client })
  expect(three.snapshot().endpoints.size).toBe(2)
  hidden = true
  await three.read().catch(() => undefined)
  await one.read()
  vi.spyOn(performance, 'now').mockReturnValue(performance.now() + 31_000)
  await three.read().catch(() => undefined)
  expect(three.snapshot().endpoints.size).toBe(2)
  expect(three.status().doubt?.why).toContain('token may not read every key')
  hidden = false
  await three.read()
  expect([three.status().doubt, three.status().missing]).toEqual([undefined, []])
})

test('what a driver has removed after the keys were imported into another Consul does not come back', async () => {
  let cut = false
  const client = consul.client()
  const list: ConsulClient['list'] = async (prefix, query) => {
    const listing = await client.list(prefix, query)
    if (cut) throw new DriverError('unavailable', 'Consul does not answer')
    return listing
  }
  // Other programs use the first Consul, too: the second one has lower indexes.
  for (let n = 0; n < 500; n++) consul.put('other', `${n}`)
  const [one, two] = await cluster({ client: { ...client, list } })
  const at = { table: 'services', key: 'n1/web' } as const
  await two.commit([{ op: 'create', ...at, value: { id: 's1', network: 'n1', name: 'web', v4: '10.0.0.9' } }])
  await until('both know it', () => one.snapshot().services.has('n1/web'))
  const imported = consul.keys().map((path) => [path, consul.get(path) ?? ''] as const)
  cut = true
  consul.replace(1)
  for (const [path, text] of imported) consul.put(path, text)
  await two.read()
  await two.commit([{ op: 'drop', ...at }])
  cut = false
  await one.read()
  expect([has('services/n1/web'), one.snapshot().services.has('n1/web')]).toEqual([false, false])
})
