import { afterEach, expect, test, vi } from 'vitest'
import { createGracePeriod } from '../../../../../driver/loops/kit/grace-period.ts'
import { createRetryBackoff } from '../../../../../driver/loops/kit/retry-backoff.ts'

afterEach(() => void vi.useRealTimers())

test('what fails is tried again after growing pauses, and told once per reason', () => {
  let now = 0
  const told: string[] = []
  const known = createRetryBackoff({
    now: () => now,
    firstPauseMs: 10,
    maxPauseMs: 25,
    onNew: (_, message) => told.push(message),
  })
  expect(known.mayTry('a')).toBe(true)
  const pauses = []
  for (let i = 0; i < 4; i++) {
    known.failed('a', 'taken')
    const failedAt = now
    while (!known.mayTry('a')) now++
    pauses.push(now - failedAt)
  }
  expect(pauses).toEqual([10, 20, 25, 25])
  expect(known.mayTry('b')).toBe(true)
  known.failed('a', 'another reason')
  expect(told).toEqual(['taken', 'another reason'])
  expect(known.messages()).toEqual(['another reason'])
  known.keep(new Set(['b']))
  expect(known.messages()).toEqual([])
})

test.each([3_600_000, -3_600_000])('a step of the system’s clock by %i ms changes no pause', (step) => {
  vi.useFakeTimers({ toFake: ['Date', 'performance'] })
  const known = createRetryBackoff()
  known.failed('a', 'taken')
  vi.setSystemTime(Date.now() + step)
  expect(known.mayTry('a')).toBe(false)
  expect(known.nextInMs()).toBe(1000)
  vi.advanceTimersByTime(1000)
  expect(known.mayTry('a')).toBe(true)
})

test('only what was seen in every look for long enough is believed', () => {
  let now = 0
  const seen = createGracePeriod(() => now)
  expect([...seen.since(['a', 'b'], 10)]).toEqual([])
  now = 6
  expect([...seen.since(['a'], 10)]).toEqual([])
  now = 12
  expect([...seen.since(['a', 'b'], 10)]).toEqual(['a'])
})

test('an answer counts from when it was asked for', () => {
  let now = 0
  const seen = createGracePeriod(() => now)
  expect([...seen.since(['a'], 10)]).toEqual([])
  now = 15
  expect([...seen.since(['a'], 10, 4)]).toEqual([])
  expect([...seen.since(['a'], 10, 14)]).toEqual(['a'])
})
