import { Map as PersistentMap } from 'immutable'
import { expect, test } from 'vitest'
import { emptySnapshot } from '../../../../driver/core/snapshot.ts'
import { missingChanges, ownChanges } from '../../../../driver/store/put-back.ts'

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
  expect(key(ownChanges(snapshot, 'net-1', []))).toEqual(['create net-1/a'])
  expect(key(missingChanges(snapshot, 'net-1', [], { all: true }))).toEqual(['create net-2/a'])
  expect(key(missingChanges(snapshot, 'net-1', [], { all: false }))).toEqual([])
})

test('a host takes the lease of its endpoint from another host for which it lay idle in the backup', () => {
  const bound = { host: 'net-1', leasedAt: '2026-01-01T00:00:00Z', endpoint: 'e' }
  const { endpoint, ...idle } = bound
  const key = 'a/10.9.0.2'
  const holding = (value: typeof idle) => ({
    ...emptySnapshot(),
    addresses: PersistentMap([[key, { value, index: 9 }]]),
  })
  const present = (value: object) => [{ table: 'addresses', key, index: 3, value }] as const
  const takes = (own: typeof idle, value: object) => ownChanges(holding(own), 'net-1', present(value))
  const taken = [{ op: 'update', table: 'addresses', key, value: bound, index: 3 }]
  expect(takes(bound, { ...idle, host: 'net-2' })).toEqual(taken)
  expect(takes(bound, { ...bound, host: 'net-2', endpoint: 'f' })).toEqual([])
  expect(takes(bound, { ...idle, host: 'net-2', service: 'web' })).toEqual([])
  expect(takes(idle, { ...idle, host: 'net-2' })).toEqual([])
})
