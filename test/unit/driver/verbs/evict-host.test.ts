import { expect, test } from 'vitest'
import type { Change, Lease } from '../../../../driver/core/records.ts'
import type { Store } from '../../../../driver/store/store.ts'
import { evict } from '../../../../driver/verbs/evict-host.ts'
import { cluster, createNetwork, id, run, showAlive } from './cluster.ts'

async function twoHosts() {
  const lab = cluster()
  const [net1, net2] = [lab.host(1), lab.host(2)]
  const { v4 } = await createNetwork(net2, { id: id('a') })
  for (const digit of ['d', 'e']) await run(net2, { network: id('a'), pool: v4.cidr, endpoint: id(digit) })
  await showAlive(net2)
  return { lab, net1, net2 }
}

test('a host that is gone is taken out with its endpoints and addresses; its networks stay', async () => {
  const { net1, net2 } = await twoHosts()
  await net2.store.close()
  expect(await evict(net1.store, 'net-2')).toEqual({ endpoints: 2, addresses: 2 })
  const { hosts, replicas, endpoints, addresses, networks } = await net1.store.read()
  expect([hosts, replicas, endpoints, addresses, networks].map(({ size }) => size)).toEqual([0, 0, 0, 0, 1])
})

test('endpoints of a host without a record go too, and what it had of networks', async () => {
  const { net1, net2 } = await twoHosts()
  await net2.store.close()
  await net1.store.commit([{ op: 'drop', table: 'hosts', key: 'net-2' }])
  expect(await evict(net1.store, 'net-2')).toEqual({ endpoints: 2, addresses: 2 })
  const left = `net-2/${id('b')}`
  await net1.store.commit([{ op: 'create', table: 'replicas', key: left, value: id('a') }])
  expect(await evict(net1.store, 'net-2')).toEqual({ endpoints: 0, addresses: 0 })
  expect((await net1.store.read()).replicas.size).toBe(0)
  const use = { containers: 1, names: ['db'] }
  await net1.store.commit([{ op: 'create', table: 'uses', key: `net-2/${id('a')}`, value: use }])
  expect(await evict(net1.store, 'net-2')).toEqual({ endpoints: 0, addresses: 0 })
  expect((await net1.store.read()).uses.size).toBe(0)
})

test('an endpoint whose record cannot be read keeps its address and its network', async () => {
  const { lab, net2 } = await twoHosts()
  const key = `${id('a')}/${id('d')}`
  const { v4 = '' } = net2.store.snapshot().endpoints.get(key)?.value ?? {}
  await net2.store.close()
  lab.put('endpoints', key, '{"of": "a later version"}')
  const net3 = lab.host(3)
  await evict(net3.store, 'net-2')
  const { hosts, addresses } = await net3.store.read()
  expect([hosts.size, ...addresses.keys()]).toEqual([0, `${id('a')}/${v4}`])
})

test.each([
  ['was readable before', false],
  ['was never readable', true],
])('a host whose record cannot be read stays as it is, and the key is named: it %s', async (_, isNew) => {
  const { lab, net1, net2 } = await twoHosts()
  await net2.store.close()
  lab.put('hosts', 'net-2', '{"of": "a later version"}')
  const { store } = isNew ? lab.host(3) : net1
  const before = await store.read()
  await expect(evict(store, 'net-2')).rejects.toMatchObject({
    code: 'corrupt',
    message: expect.stringContaining('the record of host net-2 cannot be read'),
    hint: "run 'multihost host rm net-2' on a host whose driver can read it, or after you have corrected or deleted the key hosts/net-2 in the store",
  })
  const { endpoints, addresses } = await store.read()
  expect([endpoints.size, addresses.size]).toEqual([before.endpoints.size, before.addresses.size])
})

test('a host that has only an unreadable record is not taken for an unknown one', async () => {
  const { lab, net1 } = await twoHosts()
  lab.put('hosts', 'net-7', '{"of": "a later version"}')
  await net1.store.read()
  await expect(evict(net1.store, 'net-7')).rejects.toMatchObject({ code: 'corrupt' })
  await expect(evict(net1.store, 'net-9')).rejects.toMatchObject({ hint: 'its hosts are net-2, net-7' })
})

test('a live host is never taken out, and an unknown one is named beside those that exist', async () => {
  const { net1 } = await twoHosts()
  await expect(evict(net1.store, 'net-2')).rejects.toMatchObject({
    code: 'in-use',
    message: 'host net-2 is alive',
  })
  await expect(evict(net1.store, 'net-9')).rejects.toMatchObject({
    code: 'not-found',
    hint: 'its hosts are net-2',
  })
  expect((await net1.store.read()).endpoints.size).toBe(2)
})

test('a host that claims its name again between two looks was alive all the time', async () => {
  const { net1, net2, lab } = await twoHosts()
  await net2.store.close()
  const back = lab.open('net-2')
  const betweenLooks = async (): Promise<void> => {
    await back.announce({ id: 'net-2', vtep: '192.168.33.12' })
  }
  await expect(evict(net1.store, 'net-2', betweenLooks)).rejects.toMatchObject({
    code: 'in-use',
    message: 'host net-2 is alive',
  })
  const { hosts, endpoints, addresses } = await net1.store.read()
  expect([hosts, endpoints, addresses].map(({ size }) => size)).toEqual([1, 2, 2])
})

/** `net1.store`, with something that happens before a commit. */
function disturbed(store: Store, before: (changes: readonly Change[]) => Promise<void>): Store {
  return {
    ...store,
    async commit(changes) {
      await before(changes)
      await store.commit(changes)
    },
  }
}

test.each(['endpoints', 'addresses', 'hosts'] as const)(
  'a host that comes back when its %s are being removed stays',
  async (table) => {
    const { net1, net2, lab } = await twoHosts()
    const loose: Lease = { host: 'net-2', leasedAt: '2026-01-01T00:00:00Z' }
    await net2.store.commit([
      { op: 'create', table: 'addresses', key: `${id('a')}/172.21.0.99`, value: loose },
    ])
    await net2.store.close()
    const back = lab.host(2)
    let returned = false
    const store = disturbed(net1.store, async (changes) => {
      if (returned || changes.find(({ op }) => op !== 'expect')?.table !== table) return
      returned = true
      await showAlive(back)
    })
    await expect(evict(store, 'net-2')).rejects.toMatchObject({ code: 'in-use' })
    const { hosts, replicas } = await net1.store.read()
    expect([hosts.size, replicas.size]).toEqual([1, 1])
  },
)

test('a host that had no record any more, and comes back meanwhile, stays', async () => {
  const { net1, net2, lab } = await twoHosts()
  await net2.store.close()
  await net1.store.commit([{ op: 'drop', table: 'hosts', key: 'net-2' }])
  const back = lab.host(2)
  const store: Store = {
    ...net1.store,
    async commit(changes) {
      await net1.store.commit(changes)
      if (back.store.snapshot().hosts.has('net-2')) return
      await showAlive(back)
      await net1.store.read()
    },
  }
  await expect(evict(store, 'net-2')).rejects.toMatchObject({ code: 'in-use' })
  const { hosts, replicas } = await net1.store.read()
  expect([hosts.size, replicas.size]).toEqual([1, 1])
})

test('an endpoint that came back meanwhile keeps its address', async () => {
  const { net1, net2, lab } = await twoHosts()
  const [known] = [...(await net2.store.read()).endpoints]
  if (known === undefined) throw new Error('there are two')
  const [key, { value }] = known
  const lease = { host: 'net-2', endpoint: value.id, leasedAt: '2026-01-01T00:00:00Z' }
  await net2.store.close()
  const back = lab.open('net-2')
  let returned = false
  const store: Store = {
    ...net1.store,
    async commit(changes) {
      await net1.store.commit(changes)
      if (returned || !changes.some((change) => change.table === 'endpoints' && change.key === key)) return
      returned = true
      await back.commit([
        { op: 'create', table: 'endpoints', key, value },
        { op: 'create', table: 'addresses', key: `${value.network}/${value.v4}`, value: lease },
      ])
      await net1.store.read()
    },
  }
  await evict(store, 'net-2')
  const { endpoints, addresses } = await net1.store.read()
  expect([endpoints.size, addresses.size]).toEqual([1, 1])
})

/** net-2 has 30 further endpoints: more than one commit can remove. */
async function manyEndpoints() {
  const lab = await twoHosts()
  const pool = [...lab.net2.store.snapshot().pools.keys()][0] ?? ''
  for (let n = 0; n < 30; n++) {
    await run(lab.net2, { network: id('a'), pool, endpoint: n.toString(16).padStart(64, '0') })
  }
  return lab
}

test('endpoints share commits, with a look at the host before each', async () => {
  const { net1, net2 } = await manyEndpoints()
  await net2.store.close()
  const log: string[] = []
  const store: Store = {
    ...net1.store,
    async liveness() {
      log.push('look')
      return net1.store.liveness()
    },
    async commit(changes) {
      const removed = changes.filter(({ table, op }) => table === 'endpoints' && op === 'remove').length
      log.push(removed > 0 ? 'endpoints' : 'others')
      await net1.store.commit(changes)
    },
  }
  expect(await evict(store, 'net-2')).toEqual({ endpoints: 32, addresses: 32 })
  expect(log.filter((it) => it === 'endpoints')).toHaveLength(2)
  expect(log.join(' ')).toMatch(/^look( look (endpoints|others))+$/)
})

test('a host that claims its name again, and has not changed its record yet, keeps the rest of its endpoints', async () => {
  const { net1, net2, lab } = await manyEndpoints()
  await net2.store.close()
  const back = lab.open('net-2')
  let returned = false
  const store = disturbed(net1.store, async (changes) => {
    if (returned || changes.find(({ op }) => op !== 'expect')?.table !== 'endpoints') return
    returned = true
    await back.announce({ id: 'net-2', vtep: '192.168.33.12' })
  })
  await expect(evict(store, 'net-2')).rejects.toMatchObject({ code: 'in-use' })
  expect((await net1.store.read()).endpoints.size).toBeGreaterThan(0)
})
