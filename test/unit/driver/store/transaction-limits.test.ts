import { expect, test } from 'vitest'
import type { Change } from '../../../../driver/core/records.ts'
import { perCommit, splitIntoCommits } from '../../../../driver/store/transaction-limits.ts'

const use = (name: string): Change => {
  return {
    op: 'create',
    table: 'uses',
    key: `net-1/${name.slice(0, 3)}`,
    value: { containers: 1, names: [name] },
  }
}

test('a commit is limited by bytes, not by characters; a change that is too large stands alone', () => {
  const size = (changes: readonly Change[]): number => Buffer.byteLength(JSON.stringify(changes))
  const third = '\u20ac'.repeat(perCommit.bytes / 9)
  const commits = splitIntoCommits([
    ...[0, 1, 2, 3, 4].map((n) => use(`${n}${third}`)),
    use('x'.repeat(200_000)),
  ])
  expect(commits.map((changes) => changes.length)).toEqual([2, 2, 1, 1])
  expect(commits.slice(0, -1).every((changes) => size(changes) <= perCommit.bytes)).toBe(true)
})

test('a commit is limited by its number of changes', () => {
  const many = Array.from({ length: 2 * perCommit.changes + 1 }, (_, n) => use(`${n}`))
  expect(splitIntoCommits(many).map((changes) => changes.length)).toEqual([
    perCommit.changes,
    perCommit.changes,
    1,
  ])
})
