/**
 * A small cluster that agrees with itself, to be broken by each test: one network, a container on each of two
 * hosts.
 */
import type { Endpoint, Lease, Snapshot, Table, Tables } from '../../../../../driver/core/records.ts'
import { applyDeltas, emptySnapshot } from '../../../../../driver/core/snapshot.ts'
import { endpoint, id, network } from '../../../../fixtures/datapath.sample.ts'

const localOnTwo = 'b'.repeat(64)
export const mine: Endpoint = endpoint('1', 'net-1', '172.21.0.2', {
  container: { id: 'c'.repeat(64), name: 'one' },
})
export const theirs: Endpoint = endpoint('2', 'net-2', '172.21.0.3', {
  container: { id: 'd'.repeat(64), name: 'two' },
})

const lease = (host: string, more: Partial<Lease>): Lease => ({
  host,
  leasedAt: '2026-01-01T00:00:00Z',
  ...more,
})
const host = (n: number) => ({ vtep: `192.168.33.1${n}`, driverVersion: '0.1.0' })

export function agreeing(): Snapshot {
  const n = network({ name: 'foobar' })
  return [
    put('hosts', 'net-1', host(1)),
    put('hosts', 'net-2', host(2)),
    put('replicas', `net-1/${n.id}`, n.id),
    put('replicas', `net-2/${localOnTwo}`, n.id),
    put('networks', n.id, n),
    put('network-names', 'foobar', n.id),
    put('vnis', '256', n.id),
    put('pools', n.v4.cidr, {
      host: 'net-1',
      network: n.id,
      reserved: [],
      claimedAt: '2026-01-01T00:00:00Z',
    }),
    put('endpoints', `${n.id}/${mine.id}`, mine),
    put('endpoints', `${n.id}/${theirs.id}`, theirs),
    put('addresses', `${n.id}/${mine.v4}`, lease('net-1', { endpoint: mine.id })),
    put('addresses', `${n.id}/${theirs.v4}`, lease('net-2', { endpoint: theirs.id })),
    put('addresses', `${n.id}/172.21.0.9`, lease('net-1', { service: 'bar' })),
    put('services', `${n.id}/bar`, { id: id('e'), network: n.id, name: 'bar', v4: '172.21.0.9' }),
  ].reduce((snapshot, change) => change(snapshot), emptySnapshot())
}

type Edit = (snapshot: Snapshot) => Snapshot

export function put<T extends Table>(table: T, key: string, value: Tables[T]): Edit {
  // The value is of the table that stands beside it.
  return (snapshot) => applyDeltas(snapshot, [{ table, key, record: { value, index: 7 } } as never])
}

export function gone(table: Table, key: string): Edit {
  return (snapshot) => applyDeltas(snapshot, [{ table, key, record: undefined } as never])
}
