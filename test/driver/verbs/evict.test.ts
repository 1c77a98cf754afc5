import { expect, test } from 'vitest'
import type { Store } from '../../../driver/store/store.ts'
import { evict } from '../../../driver/verbs/evict.ts'
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
})

test('a host that comes back while it is being taken out stays, with its networks', async () => {
  const { net1, net2, lab } = await twoHosts()
  await net2.store.close()
  const back = lab.host(2)
  const store: Store = {
    ...net1.store,
    async commit(changes) {
      if (changes.some(({ table }) => table === 'hosts')) await showAlive(back)
      await net1.store.commit(changes)
    },
  }
  await expect(evict(store, 'net-2')).rejects.toMatchObject({ code: 'in-use' })
  const { hosts, replicas } = await net1.store.read()
  expect([hosts.size, replicas.size]).toEqual([1, 1])
})

test('a live host is never taken out, and an unknown one is named beside those that exist', async () => {
  const { net1 } = await twoHosts()
  await expect(evict(net1.store, 'net-2')).rejects.toMatchObject({
    code: 'in-use',
    message: 'host net-2 is alive',
  })
  await expect(evict(net1.store, 'net-9')).rejects.toMatchObject({ code: 'not-found', hint: 'it has net-2' })
  expect((await net1.store.read()).endpoints.size).toBe(2)
})
