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
