import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createNamespaceWatch } from '../../../../../driver/loops/datapath/namespace-watch.ts'
import { fakeKernel } from '../../../../fixtures/fake-kernel.ts'
import { readableLog } from '../../../../fixtures/log.ts'

beforeEach(() => void vi.useFakeTimers({ toFake: ['performance'] }))
afterEach(() => void vi.useRealTimers())

const path = '/netns/aaaaaaaaaaaa'

test('a watch that a flood of misses has ended rests for 10 s, and the log has it once', async () => {
  const kernel = fakeKernel({ tells: true })
  const { log, entries } = readableLog()
  let asked = 0
  const watch = createNamespaceWatch({
    kernel,
    log,
    again: () => void asked++,
    lookPauseMs: () => 0,
    noticeMs: { first: 50, next: 300, afterOwn: 2000 },
  })
  const aliveAfter = async (ms: number): Promise<boolean> => {
    vi.advanceTimersByTime(ms)
    await watch.follow(path)
    return watch.isAlive()
  }
  expect(await aliveAfter(0)).toBe(true)
  const before = asked
  kernel.flood(path)
  expect(asked, 'the kernel is looked at').toBe(before + 1)
  expect(await aliveAfter(0)).toBe(false)
  expect(await aliveAfter(9_999)).toBe(false)
  expect(await aliveAfter(1)).toBe(true)
  vi.advanceTimersByTime(500)
  kernel.flood(path)
  expect(await aliveAfter(9_999)).toBe(false)
  expect(await aliveAfter(1)).toBe(true)
  expect(entries.map(({ level, fields }) => [level, fields])).toEqual([['warn', { namespace: path }]])
  expect(await aliveAfter(10_001)).toBe(true)
  kernel.flood(path)
  expect(entries, 'another flood, after a pause').toHaveLength(2)
  await watch.close()
})
