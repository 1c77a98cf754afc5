import { expect, test } from 'vitest'
import type { Store } from '../../../../driver/store/store.ts'
import { followLeases } from '../../../../driver/verbs/last-leased.ts'
import { createMemoryCluster } from '../../../fixtures/memory-store.ts'
import { network } from '../../../fixtures/store-records.ts'
import { until } from '../../../fixtures/until.ts'

async function lease(store: Store, ip: string, time: string): Promise<void> {
  const value = { host: 'net-1', leasedAt: `2026-01-01T${time}:00Z` }
  await store.commit([{ op: 'create', table: 'addresses', key: `n1/${ip}`, value }])
}

test('of what is there at the start the latest is the last, a family each', async () => {
  const store = createMemoryCluster().open('net-1')
  await lease(store, '10.0.0.9', '10:00')
  await lease(store, '10.0.0.2', '09:00')
  await lease(store, '10.0.0.3', '08:00')
  await lease(store, 'fd00::7', '08:00')
  const last = followLeases(store)
  expect(last.of('n1', '10.0.0.0/16')).toBe('10.0.0.3')
  expect(last.of('n1', 'fd00::/64')).toBe('fd00::7')
  expect(last.of('n2', '10.0.0.0/16')).toBeUndefined()
})

test('one that another host has leased counts, also when it is gone again', async () => {
  const cluster = createMemoryCluster()
  const [one, two] = [cluster.open('net-1'), cluster.open('net-2')]
  const last = followLeases(one)
  await lease(two, '10.0.0.2', '11:00')
  await until('it is known', () => last.of('n1', '10.0.0.0/16') === '10.0.0.2')
  await one.commit([{ op: 'drop', table: 'addresses', key: 'n1/10.0.0.2' }])
  expect(last.of('n1', '10.0.0.0/16')).toBe('10.0.0.2')
})

test('clocks do not matter: it is the one that came last, and not one that got its endpoint', async () => {
  const store = createMemoryCluster().open('net-1')
  const last = followLeases(store)
  await lease(store, '10.0.0.200', '18:00')
  await lease(store, '10.0.0.3', '12:00')
  await lease(store, '10.0.0.4', '11:00')
  const ahead = store.snapshot().addresses.get('n1/10.0.0.200')
  if (ahead === undefined) throw new Error('it was leased')
  const value = { ...ahead.value, endpoint: 'e1' }
  await store.commit([{ op: 'update', table: 'addresses', key: 'n1/10.0.0.200', value, index: ahead.index }])
  expect(last.of('n1', '10.0.0.0/16')).toBe('10.0.0.4')
})

test('one that was asked for outside of the range does not count as handed out', async () => {
  const store = createMemoryCluster().open('net-1')
  const last = followLeases(store)
  const v4 = { ...network('n1').v4, cidr: '10.0.0.0/16', range: '10.0.9.0/24' }
  await store.commit([{ op: 'create', table: 'networks', key: 'n1', value: { ...network('n1'), v4 } }])
  await lease(store, '10.0.9.7', '11:00')
  await lease(store, '10.0.0.200', '12:00')
  expect(last.of('n1', '10.0.0.0/16')).toBe('10.0.9.7')
})

test('a network that has gone leaves nothing behind', async () => {
  const store = createMemoryCluster().open('net-1')
  const last = followLeases(store)
  await store.commit([{ op: 'create', table: 'networks', key: 'n1', value: network('n1') }])
  await lease(store, '10.0.0.2', '11:00')
  await store.commit([
    { op: 'drop', table: 'addresses', key: 'n1/10.0.0.2' },
    { op: 'drop', table: 'networks', key: 'n1' },
  ])
  expect(last.of('n1', '10.0.0.0/16')).toBeUndefined()
})
