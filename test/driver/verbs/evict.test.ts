import { expect, test } from 'vitest'
import { evict } from '../../../driver/verbs/evict.ts'
import { cluster, createNetwork, id, run, showAlive } from './cluster.ts'

async function twoHosts() {
  const lab = cluster()
  const [net1, net2] = [lab.host(1), lab.host(2)]
  const { v4 } = await createNetwork(net2, { id: id('a') })
  for (const digit of ['d', 'e']) await run(net2, { network: id('a'), pool: v4.cidr, endpoint: id(digit) })
  await showAlive(net2)
  return { net1, net2 }
}

test('a host that is gone is taken out with its endpoints and addresses; its networks stay', async () => {
  const { net1, net2 } = await twoHosts()
  await net2.store.close()
  expect(await evict(net1.store, 'net-2')).toEqual({ endpoints: 2, addresses: 2 })
  const { hosts, endpoints, addresses, networks } = await net1.store.read()
  expect([hosts, endpoints, addresses, networks].map(({ size }) => size)).toEqual([0, 0, 0, 1])
})

test('endpoints of a host without a record go too', async () => {
  const { net1, net2 } = await twoHosts()
  await net2.store.close()
  await net1.store.commit([{ op: 'drop', table: 'hosts', key: 'net-2' }])
  expect(await evict(net1.store, 'net-2')).toEqual({ endpoints: 2, addresses: 2 })
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
