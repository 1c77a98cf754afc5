import { expect, test } from 'vitest'
import { ratioOf, recorder, rounds, summaryOf } from '../../bench/samples.ts'

test('each round meets all, and begins with another one', async () => {
  const met: string[] = []
  await rounds(3, ['bare', 'swarm', 'multihost'], async (peer, round) => void met.push(`${round} ${peer}`))
  expect(met).toMatchInlineSnapshot(`
    [
      "0 bare",
      "0 swarm",
      "0 multihost",
      "1 swarm",
      "1 multihost",
      "1 bare",
      "2 multihost",
      "2 bare",
      "2 swarm",
    ]
  `)
})

test('a summary is of one figure and one peer, and absent without samples', () => {
  const { add, samples } = recorder()
  add('run', 'bare', 200)
  add('run', 'bare', 100)
  add('run', 'swarm', 500)
  add('connect', 'bare', 1)
  expect(summaryOf(samples, 'run', 'bare')).toMatchObject({ count: 2, min: 100, median: 150, max: 200 })
  expect(summaryOf(samples, 'run', 'bridge')).toBeUndefined()
})

test('a ratio is made of what was measured in the same round', () => {
  const { add, samples } = recorder()
  // the second round met a busy machine, the ratio does not
  for (const value of [10, 2, 12]) add('tcp-1', 'swarm', value)
  for (const value of [9, 1.8, 10.8]) add('tcp-1', 'multihost', value)
  expect(ratioOf(samples, 'tcp-1', 'swarm')).toBeCloseTo(0.9)
  expect(ratioOf(samples, 'tcp-1', 'bare')).toBeUndefined()
})

test('there is no ratio to nothing', () => {
  const { add, samples } = recorder()
  add('udp-loss', 'bare', 0)
  add('udp-loss', 'multihost', 0.1)
  expect(ratioOf(samples, 'udp-loss', 'bare')).toBeUndefined()
})
