import { expect, test } from 'vitest'
import type { Change } from '../../../../driver/core/records.ts'
import {
  perCommit,
  splitGroupsIntoCommits,
  splitIntoCommits,
} from '../../../../driver/store/transaction-limits.ts'

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

test('a group of changes stays in one commit, and several share it; one that is too large is split', () => {
  const group = (size: number): Change[] => Array.from({ length: size }, (_, n) => use(`${n}`))
  const half = perCommit.changes / 2
  const commits = splitGroupsIntoCommits([
    ...[2, half, half - 1, 3, perCommit.changes + 1].map(group),
    [use('x'.repeat(perCommit.bytes - 1000))],
    [use('y'.repeat(1000))],
  ])
  expect(commits.map(({ length }) => length)).toEqual([2 + half, half + 2, perCommit.changes, 1, 1, 1])
})
