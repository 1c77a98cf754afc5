import fc from 'fast-check'
import { Map as PersistentMap } from 'immutable'
import { expect, test } from 'vitest'
import { type IndexKeys, lookUp } from '../../../../driver/core/record-index.ts'
import type { Endpoint, Network, Service, Snapshot, Versioned } from '../../../../driver/core/records.ts'
import {
  type AnyDelta,
  applyDeltas,
  emptySnapshot,
  endpoint,
  endpointsOf,
  endpointsOnHost,
  hostsUsing,
  keyIn,
  leasesOf,
  leasesOnHost,
  localIdOf,
  networkById,
  networkByName,
  networkOnHost,
  networksUsedBy,
  replicasOn,
  restOf,
  servicesOf,
} from '../../../../driver/core/snapshot.ts'
import {
  endpoint as endpointRecord,
  lease,
  network as networkRecord,
} from '../../../fixtures/store-records.ts'

const network = (id: string, name: string): Network => networkRecord(id, { name })
const endpointAt = (of: string, id: string, host: string): Endpoint =>
  endpointRecord(of, id, { host, joined: true })
const service = (of: string, name: string): Service => ({ id: 's', network: of, name, v4: '10.0.0.2' })

const put = (of: string, id: string, host: string, index = 1): AnyDelta => ({
  table: 'endpoints',
  key: keyIn(of, id),
  record: { value: endpointAt(of, id, host), index },
})
const gone = (of: string, id: string): AnyDelta => ({
  table: 'endpoints',
  key: keyIn(of, id),
  record: undefined,
})

function cluster(): Snapshot {
  const hostRecord = { vtep: '192.168.33.11', driverVersion: '1' }
  return applyDeltas(emptySnapshot(), [
    { table: 'networks', key: 'n1', record: { value: network('n1', 'foobar'), index: 1 } },
    { table: 'networks', key: 'n2', record: { value: network('n2', 'other'), index: 1 } },
    { table: 'network-names', key: 'foobar', record: { value: 'n1', index: 1 } },
    { table: 'network-names', key: 'coming', record: { value: 'n9', index: 1 } },
    { table: 'hosts', key: 'net-1', record: { value: hostRecord, index: 2 } },
    { table: 'hosts', key: 'net-2', record: { value: hostRecord, index: 3 } },
    { table: 'replicas', key: 'net-1/n1', record: { value: 'n1', index: 2 } },
    { table: 'replicas', key: 'net-2/local', record: { value: 'n1', index: 3 } },
    { table: 'addresses', key: 'n1/10.0.0.2', record: { value: lease('net-1'), index: 4 } },
    { table: 'addresses', key: 'n1/fd00::2', record: { value: lease('net-1'), index: 4 } },
    { table: 'addresses', key: 'n2/10.0.0.2', record: { value: lease('net-2'), index: 4 } },
    { table: 'services', key: 'n1/a/b', record: { value: service('n1', 'a/b'), index: 5 } },
    put('n1', 'e1', 'net-1'),
    put('n1', 'e2', 'net-2'),
    put('n2', 'e3', 'net-2'),
  ])
}

test('a change shares the tables that it does not touch, and leaves the old snapshot as it was', () => {
  const before = cluster()
  const after = applyDeltas(before, [gone('n1', 'e1')])
  expect(after.endpoints.has('n1/e1')).toBe(false)
  expect(before.endpoints.has('n1/e1')).toBe(true)
  expect(after.addresses).toBe(before.addresses)
})

test('a network is found by id, by name and by what this host’s Docker calls it', () => {
  const s = cluster()
  expect(networkById(s, 'n2')?.value.name).toBe('other')
  expect(networkByName(s, 'foobar')?.value.id).toBe('n1')
  expect(networkByName(s, 'unknown')).toBeUndefined()
  expect(networkByName(s, 'coming'), 'claimed, not there yet').toBeUndefined()
  expect(networkOnHost(s, 'net-2', 'local')?.value.id).toBe('n1')
  expect(networkOnHost(s, 'net-1', 'n2')?.value.id, 'made here, its replica not yet written').toBe('n2')
  expect(networkOnHost(s, 'net-1', 'local'), 'another host’s id').toBeUndefined()
  expect(localIdOf(s, 'net-2', 'n1')).toBe('local')
  expect(localIdOf(s, 'net-9', 'n1')).toBeUndefined()
})

test('of two copies of a network the one that was there first counts, however the table is read', () => {
  const replica = (local: string, index: number): AnyDelta => {
    return { table: 'replicas', key: keyIn('net-1', local), record: { value: 'n1', index } }
  }
  for (const deltas of [
    [replica('z', 3), replica('a', 4)],
    [replica('a', 4), replica('z', 3)],
  ])
    expect(localIdOf(applyDeltas(emptySnapshot(), deltas), 'net-1', 'n1')).toBe('z')
})

test('what belongs to a network or a host is found', () => {
  const s = cluster()
  expect(endpointsOf(s, 'n1').map((e) => e.value.id)).toEqual(['e1', 'e2'])
  expect(endpointsOf(s, 'n9')).toEqual([])
  expect(endpointsOnHost(s, 'net-2').map((e) => e.value.id)).toEqual(['e2', 'e3'])
  expect(endpoint(s, 'n2', 'e3')?.value.host).toBe('net-2')
  expect([...leasesOf(s, 'n1').keys()]).toEqual(['n1/10.0.0.2', 'n1/fd00::2'])
  expect([...leasesOnHost(s, 'net-2').keys()]).toEqual(['n2/10.0.0.2'])
  expect(servicesOf(s, 'n1').map((x) => x.value.name)).toEqual(['a/b'])
  expect(hostsUsing(s, 'n1')).toEqual(['net-1', 'net-2'])
  expect(networksUsedBy(s, 'net-2')).toEqual(['n1', 'n2'])
  expect([...replicasOn(s, 'net-2').keys()]).toEqual(['local'])
  expect(restOf('n1/a/b')).toBe('a/b')
})

test('an endpoint that moves host is found on the new one alone', () => {
  const before = cluster()
  expect(endpointsOnHost(before, 'net-1')).toHaveLength(1)
  const after = applyDeltas(before, [put('n1', 'e1', 'net-2', 9)])
  expect(endpointsOnHost(after, 'net-1')).toEqual([])
  expect(
    endpointsOnHost(after, 'net-2')
      .map((e) => e.value.id)
      .sort(),
  ).toEqual(['e1', 'e2', 'e3'])
})

test('a change of one network leaves the list of another untouched, and no scan is made for it', () => {
  const before = cluster()
  leasesOf(before, 'n1')
  const onHost = leasesOnHost(before, 'net-1')
  const after = applyDeltas(before, [
    { table: 'addresses', key: 'n2/10.0.0.3', record: { value: lease('net-2'), index: 9 } },
  ])
  expect(leasesOnHost(after, 'net-1')).toBe(onHost)
})

test('groups of a table that was empty when they were asked for are not given to another table', () => {
  const seen: unknown[] = []
  const byHost: IndexKeys<Versioned<Endpoint>> = (_, { value }) => {
    seen.push(value)
    return [value.host]
  }
  const empty = emptySnapshot()
  expect(lookUp(empty.endpoints, byHost, 'net-1').size).toBe(0)
  const record = { value: lease('net-1'), index: 9 }
  const after = applyDeltas(empty, [
    { table: 'addresses', key: 'n1/10.0.0.3', record },
    put('n1', 'e1', 'net-1'),
  ])
  expect(lookUp(after.endpoints, byHost, 'net-1').size).toBe(1)
  expect(seen).toEqual([after.endpoints.get('n1/e1')?.value])
})

test('groups that were carried along say what groups made anew say', () => {
  const step = fc.record({
    of: fc.constantFrom('n1', 'n2', 'n3'),
    id: fc.constantFrom('e1', 'e2', 'e3', 'e4'),
    host: fc.constantFrom('net-1', 'net-2', undefined),
  })
  fc.assert(
    fc.property(fc.array(fc.array(step, { maxLength: 4 }), { maxLength: 12 }), (batches) => {
      let s = cluster()
      for (const batch of batches) {
        endpointsOf(s, 'n1')
        endpointsOnHost(s, 'net-1')
        s = applyDeltas(
          s,
          batch.map(({ of, id, host }) => (host === undefined ? gone(of, id) : put(of, id, host))),
        )
      }
      const anew: Snapshot = { ...s, endpoints: PersistentMap([...s.endpoints]) }
      for (const of of ['n1', 'n2', 'n3']) {
        expect(new Set(endpointsOf(s, of))).toEqual(new Set(endpointsOf(anew, of)))
      }
      for (const host of ['net-1', 'net-2']) {
        expect(new Set(endpointsOnHost(s, host))).toEqual(new Set(endpointsOnHost(anew, host)))
      }
    }),
  )
})
