import { expect, test } from 'vitest'
import { callTable, figureTable } from '../../bench/figures.ts'
import { goals, goalTable } from '../../bench/goals.ts'
import { recorder } from '../../bench/samples.ts'

const { add, samples } = recorder()
for (const [peer, times] of [
  ['bare', [200, 190, 230]],
  ['swarm', [500, 540, 520]],
  ['multihost', [370, 400, 390]],
] as const)
  for (const ms of times) add('run', peer, ms)
for (let i = 1; i <= 100; i++) add('start-reply', 'multihost', i - 99)
for (const ms of [12, 14, 90]) add('call/further/Join', 'multihost', ms)
add('call/first/Join', 'multihost', 40)
add('memory-used', 'multihost', 121)

/** The rows that have a sample. */
function filled(text: string): string {
  return text
    .split('\n')
    .filter((line) => !/^\|[^|]+(\| –\s+)+\|$/.test(line))
    .map((line) => line.replaceAll(/ {2,}/g, ' ').replaceAll(/-{2,}/g, '--'))
    .join('\n')
}

test('a row per figure: medians with their spread, or percentiles, and the ratios', () => {
  expect(filled(figureTable(samples))).toMatchInlineSnapshot(`
    "| | bare | bridge | swarm | multihost | macvlan | ÷ swarm | ÷ bare | macvlan ÷ bare |
    | -- | -- | -- | -- | -- | -- | -- | -- | -- |
    | \`docker run --rm … true\`, ms | 200 (190–230) | – | 520 (500–540) | 390 (370–400) | – | 0.74 | 1.85 | – |
    | process started → reply on the other host, ms (p50 / p90 / p99) | – | – | – | -49 / -9 / 0 | – | – | – | – |
    | driver’s memory, after the run, MB | – | – | – | 121 (121–121) | – | – | – | – |"
  `)
})

test('the driver’s calls, for the first container of a network and for further ones', () => {
  expect(callTable(samples)).toMatchInlineSnapshot(`
    "| call | container of its network | kind      | p50, ms | p90, ms | max, ms | samples |
    | ---- | ------------------------ | --------- | ------- | ------- | ------- | ------- |
    | Join | first                    | multihost | 40.0    | 40.0    | 40.0    | 1       |
    | Join | further                  | multihost | 14.0    | 90.0    | 90.0    | 3       |"
  `)
})

test('goals stand beside what was reached, also where nothing was measured', () => {
  expect(goalTable(goals(samples))).toMatchInlineSnapshot(`
    "| goal                        |                | this run      |              |
    | --------------------------- | -------------- | ------------- | ------------ |
    | TCP, one stream             | ≥ 1 × swarm    | –             | not measured |
    | TCP, four streams           | ≥ 1 × swarm    | –             | not measured |
    | TCP, one stream             | ≥ 0.7 × bare   | –             | not measured |
    | TCP, four streams           | ≥ 0.7 × bare   | –             | not measured |
    | TCP, one stream, macvlan    | ≥ 0.8 × bare   | –             | not measured |
    | TCP, four streams, macvlan  | ≥ 0.8 × bare   | –             | not measured |
    | container start             | ≤ 0.75 × swarm | 0.741 × swarm | reached      |
    | convergence, p99            | ≤ 100 ms       | 0 ms          | reached      |
    | convergence of names, p99   | ≤ 100 ms       | –             | not measured |
    | a network on the other host | ≤ 300 ms       | –             | not measured |
    | CreateEndpoint, p50         | ≤ 15 ms        | –             | not measured |
    | Join, p50                   | ≤ 15 ms        | 14 ms         | reached      |
    | CPU at rest, no network     | ≤ 0.2 %        | –             | not measured |
    | CPU at rest, two networks   | ≤ 0.3 %        | –             | not measured |
    | memory                      | ≤ 120 MB       | 121 MB        | missed       |"
  `)
})
