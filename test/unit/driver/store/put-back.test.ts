import { Map as PersistentMap } from 'immutable'
import { expect, test } from 'vitest'
import { emptySnapshot } from '../../../../driver/core/snapshot.ts'
import { othersChanges, ownChanges, type Restored } from '../../../../driver/store/put-back.ts'

/** What the backup has is below `repairedAt`. */
const empty: Restored = { present: [], repairedAt: 20, order: 'by-index', isFromDisk: false, lacksAbove: 0 }

test('a host puts back its own uses, and those of other hosts only into an empty store', () => {
  const use = { value: { containers: 1, names: ['web'] }, index: 3 }
  const snapshot = {
    ...emptySnapshot(),
    uses: PersistentMap([
      ['net-1/a', use],
      ['net-2/a', use],
    ]),
  }
  const key = (changes: readonly { op: string; key: string }[]) => changes.map((it) => `${it.op} ${it.key}`)
  expect(key(ownChanges(snapshot, 'net-1', empty))).toEqual(['create net-1/a'])
  expect(key(othersChanges(snapshot, 'net-1', empty))).toEqual(['create net-2/a'])
  expect(key(othersChanges(snapshot, 'net-1', { ...empty, lacksAbove: 3 }))).toEqual([])
})

test('a host takes the lease of its endpoint from another host for which it lies idle', () => {
  const { takes, bound, idle } = leases(21)
  const taken = [{ op: 'update', table: 'addresses', key: 'a/10.9.0.2', value: bound, index: 21 }]
  expect(takes(bound, { ...idle, host: 'net-2' })).toEqual(taken)
  expect(takes(bound, { ...bound, host: 'net-2', endpoint: 'f' })).toEqual([])
  expect(takes(bound, { ...idle, host: 'net-2', service: 'web' })).toEqual([])
  expect(takes(idle, { ...idle, host: 'net-2' })).toEqual([])
})

test('a lease that this host has seen change hands since the backup stays with it', () => {
  const { takes, bound, idle } = leases(3)
  const taken = (value: object) => [{ op: 'update', table: 'addresses', key: 'a/10.9.0.2', value, index: 3 }]
  expect(takes(bound, { ...bound, host: 'net-2', endpoint: 'f' })).toEqual(taken(bound))
  expect(takes(idle, { ...idle, host: 'net-2' })).toEqual(taken(idle))
  expect(takes(bound, { ...bound, host: 'net-2', endpoint: 'f' }, { order: 'unknown' })).toEqual([])
  expect(leases(10).takes(bound, { ...bound, host: 'net-2', endpoint: 'f' })).toEqual([])
  const later = leases(10).takes(bound, { ...bound, host: 'net-2', endpoint: 'f' }, { order: 'later' })
  expect(later).toMatchObject([{ op: 'update', index: 10 }])
})

/** What net-1, which has seen a lease at index 9, does with the store's lease at `index`. */
function leases(index: number) {
  const bound = { host: 'net-1', leasedAt: '2026-01-01T00:00:00Z', endpoint: 'e' }
  const { endpoint, ...idle } = bound
  const key = 'a/10.9.0.2'
  const holding = (value: typeof idle) => ({
    ...emptySnapshot(),
    addresses: PersistentMap([[key, { value, index: 9 }]]),
  })
  const present = (value: object) => [{ table: 'addresses', key, index, value }] as const
  const takes = (own: typeof idle, value: object, more: object = {}) =>
    ownChanges(holding(own), 'net-1', { ...empty, present: present(value), ...more })
  return { takes, bound, idle }
}

test('a shared record goes over the backup’s earlier version, and over nothing that was written since', () => {
  const snapshot = { ...emptySnapshot(), vnis: PersistentMap([['300', { value: 'b', index: 9 }]]) }
  const changes = (index: number, order: Restored['order'] = 'by-index') =>
    othersChanges(snapshot, 'net-1', {
      ...{ ...empty, present: [{ table: 'vnis', key: '300', index, value: 'a' }], order },
    })
  expect(changes(3)).toEqual([{ op: 'update', table: 'vnis', key: '300', value: 'b', index: 3 }])
  expect([changes(10), changes(21), changes(21, 'later'), changes(3, 'unknown')]).toEqual([[], [], [], []])
  expect(changes(10, 'later')).toMatchObject([{ value: 'b', index: 10 }])
})
