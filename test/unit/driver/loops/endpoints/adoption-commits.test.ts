import { expect, test } from 'vitest'
import type { Change } from '../../../../../driver/core/records.ts'
import { batched } from '../../../../../driver/loops/endpoints/adoption-commits.ts'

const network: Change = { op: 'expect', table: 'networks', key: 'a', index: 7 }
const adoption = (n: number, names: string[] = []) => {
  const use: Change = { op: 'create', table: 'uses', key: `net-1/${n}`, value: { containers: 1, names } }
  return { endpoint: `${n}`, changes: [network, use] }
}
const show = (adoptions: Parameters<typeof batched>[0]) =>
  batched(adoptions).map(({ adoptions, changes }) => `${adoptions.length} in ${changes.length}`)

test('adoptions share a commit, and what they all expect', () => {
  expect(show([1, 2, 3].map((n) => adoption(n)))).toEqual(['3 in 4'])
  expect(show(Array.from({ length: 60 }, (_, n) => adoption(n)))).toEqual(['49 in 50', '11 in 12'])
})

test('long texts make more commits', () => {
  expect(show([1, 2, 3].map((n) => adoption(n, ['x'.repeat(50_000)])))).toEqual(['2 in 3', '1 in 2'])
})
