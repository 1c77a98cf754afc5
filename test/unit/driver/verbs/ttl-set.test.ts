import { afterEach, expect, test, vi } from 'vitest'
import { createTtlSet } from '../../../../driver/verbs/ttl-set.ts'

afterEach(() => void vi.useRealTimers())

test('a member leaves the set some time after it was last added', () => {
  vi.useFakeTimers({ toFake: ['performance'] })
  const set = createTtlSet<string>(1000)
  set.add('a')
  set.add('b')
  vi.advanceTimersByTime(600)
  set.add('a')
  vi.advanceTimersByTime(600)
  expect(set.all()).toEqual(['a'])
  set.remove('a')
  expect(set.all()).toEqual([])
})

test.each([3_600_000, -3_600_000])('a step of the system’s clock by %i ms ends nothing', (step) => {
  vi.useFakeTimers({ toFake: ['Date', 'performance'] })
  const set = createTtlSet<string>(1000)
  set.add('a')
  vi.setSystemTime(Date.now() + step)
  expect(set.all()).toEqual(['a'])
  vi.advanceTimersByTime(1001)
  expect(set.all()).toEqual([])
})
