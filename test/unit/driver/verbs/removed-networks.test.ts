import { afterEach, expect, test, vi } from 'vitest'
import { followRemovedNetworks } from '../../../../driver/verbs/removed-networks.ts'
import { source } from '../../../fixtures/changing-store.ts'
import { heldOf } from '../../../fixtures/collected.ts'
import { network } from '../../../fixtures/store-records.ts'
import { cluster, createNetwork, id, removeNetwork } from './cluster.ts'

afterEach(() => void vi.useRealTimers())

test('a removed network’s VNI and pool rest while a host still has its replica', async () => {
  vi.useFakeTimers({ toFake: ['performance'] })
  const lab = cluster()
  const [net1, net2] = [lab.host(1), lab.host(2)]
  const { v4, vni } = await createNetwork(net1, { id: id('a') })
  const replica = { 'multihost.id': id('a') }
  await createNetwork(net2, { id: id('b'), subnet: v4.cidr, ipamOptions: replica, options: replica })
  await removeNetwork(net1, id('a'), v4.cidr, v4.gateway)
  expect([vni, v4.cidr]).toEqual([256, '172.21.0.0/16'])
  const second = await createNetwork(net1, { id: id('c') })
  expect([second.vni, second.v4.cidr]).toEqual([257, '172.22.0.0/16'])
  await net1.store.commit([{ op: 'drop', table: 'replicas', key: `net-2/${id('b')}` }])
  vi.advanceTimersByTime(60_000)
  const third = await createNetwork(net1, { id: id('d') })
  expect([third.vni, third.v4.cidr]).toEqual([258, '172.21.0.0/16'])
})

test('a VNI that was asked for does not move the count', async () => {
  const net1 = cluster().host(1)
  await createNetwork(net1, { id: id('a'), options: { vni: '5000' } })
  expect((await createNetwork(net1, { id: id('b') })).vni).toBe(256)
})

test('the count goes on after a restart, and follows the other hosts', async () => {
  const lab = cluster()
  const [net1, net2] = [lab.host(1), lab.host(2)]
  await createNetwork(net2, { id: id('b') })
  await net1.store.read()
  expect((await createNetwork(net1, { id: id('c') })).vni).toBe(257)
  const restarted = lab.host(1)
  expect((await createNetwork(restarted, { id: id('d') })).vni).toBe(258)
})

test('a host that makes no networks forgets those that others made and removed', async () => {
  const store = source()
  const removed = followRemovedNetworks(store)
  const ids = Array.from({ length: 50 }, (_, at) => `n${at}`)
  const networks = ids.map((each) => {
    const value = network(each)
    store.network(value)
    return new WeakRef(value)
  })
  store.map('net-2', Object.fromEntries(ids.map((each) => [`local-${each}`, each])))
  store.remove('networks', ...ids)
  expect(await heldOf(networks), 'each rests while a host has its replica').toBe(50)
  store.map('net-2', {})
  expect(await heldOf(networks)).toBe(0)
  expect(removed.restingPools()).toEqual([])
})
