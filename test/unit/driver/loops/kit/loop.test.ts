import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { silentLog } from '../../../../../driver/log.ts'
import { type Loop, startLoop } from '../../../../../driver/loops/kit/loop.ts'
import { until } from '../../../../fixtures/until.ts'

const start = (everyMs: number): { loop: Loop; runs: string[] } => {
  const runs: string[] = []
  const loop = startLoop({
    name: 'test',
    everyMs,
    log: silentLog,
    work: async () => void runs.push('run'),
    onTick: () => void runs.push('tick'),
  })
  return { loop, runs }
}

test('a tick comes before the runs that the loop asks for itself, and not before a poke’s', async () => {
  const { loop, runs } = start(60_000)
  await until('the first run', () => runs.length === 1)
  loop.poke()
  await until('the run of the poke', () => runs.length === 2)
  loop.pokeAfter(5)
  await until('the run that was asked for', () => runs.length === 4)
  await loop.close()
  expect(runs).toEqual(['run', 'run', 'tick', 'run'])
})

test('of several times asked for, the earliest counts', async () => {
  const { loop, runs } = start(60_000)
  for (const ms of [60_000, 5, 30]) loop.pokeAfter(ms)
  await until('the run that was asked for', () => runs.length === 3)
  await delay(80) // the later ones do not come
  await loop.close()
  expect(runs).toEqual(['run', 'tick', 'run'])
})

test('a loop that is closed neither ticks nor runs', async () => {
  const { loop, runs } = start(5)
  loop.pokeAfter(10)
  await loop.close()
  const before = [...runs]
  await delay(30)
  expect(runs).toEqual(before)
})
