import { expect, test } from 'vitest'
import { recorder, rounds, summaryOf } from './samples.ts'

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
