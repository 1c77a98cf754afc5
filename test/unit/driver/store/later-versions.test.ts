/** Records that a later version wrote are read by this one, and keep what this one does not know. */
import { expect, test } from 'vitest'
import { desiredFor } from '../../../../driver/core/datapath/desired.ts'
import { createMemoryCluster } from '../../../fixtures/memory-store.ts'
import { endpoint, network } from '../../../fixtures/store-records.ts'

const text = (more: object): string => JSON.stringify({ ...network('n1'), ...more })

test('a field of a later version survives an update of the record', async () => {
  const cluster = createMemoryCluster()
  cluster.put('networks', 'n1', text({ quota: { endpoints: 9 } }))
  const store = cluster.open('net-1')
  const { value, index } = store.snapshot().networks.get('n1') ?? {}
  if (value === undefined || index === undefined) throw new Error('not read')
  await store.commit([
    { op: 'update', table: 'networks', key: 'n1', value: { ...value, name: 'foo' }, index },
  ])
  expect((await cluster.open('net-2').read()).networks.get('n1')?.value).toMatchObject({
    name: 'foo',
    quota: { endpoints: 9 },
  })
})

test('a datapath of a later version is readable, and refused where it would be built', async () => {
  const cluster = createMemoryCluster()
  cluster.put('networks', 'n1', text({ datapath: 'tcx' }))
  cluster.put('endpoints', 'n1/e1', JSON.stringify(endpoint('n1', 'e1')))
  const store = cluster.open('net-1')
  expect(store.status().corrupt).toEqual([])
  const place = { vtep: '192.168.33.11', mtuBytes: 1500, namespace: '/run/n1' }
  expect(() => desiredFor(store.snapshot(), 'net-1', 'n1', place)).toThrow(/does not know the datapath tcx/)
  expect(desiredFor(store.snapshot(), 'net-2', 'n1', place), 'where nothing is built').toBeUndefined()
})

test('a wider mark still marks', () => {
  const cluster = createMemoryCluster()
  cluster.put('networks', 'n1', text({ removing: { by: 'net-2' } }))
  const v4only = { ...endpoint('n1', 'e1'), withoutIpv6: { since: '2026-01-01T00:00:00Z' } }
  cluster.put('endpoints', 'n1/e1', JSON.stringify(v4only))
  const { networks, endpoints } = cluster.open('net-1').snapshot()
  expect(networks.get('n1')?.value.removing).toBeTruthy()
  expect(endpoints.get('n1/e1')?.value.withoutIpv6).toBeTruthy()
})
