import { expect, test } from 'vitest'
import { chaosPlan } from '../../../../scenarios/faults/chaos-plan.ts'

const acts = ['kill', 'freeze', 'restore']
const first = (seed: number, count: number) => {
  const plan = chaosPlan(seed, acts, 4)
  return Array.from({ length: count }, () => plan.next().value)
}

test('the same seed draws the same acts, and another seed others', () => {
  expect(first(1, 50)).toEqual(first(1, 50))
  expect(first(1, 50)).not.toEqual(first(2, 50))
})

test('each act comes, and each host', () => {
  const drawn = first(1, 200)
  expect(new Set(drawn.map(({ act }) => act))).toEqual(new Set(acts))
  expect(new Set(drawn.map(({ host }) => host))).toEqual(new Set([0, 1, 2, 3]))
})
