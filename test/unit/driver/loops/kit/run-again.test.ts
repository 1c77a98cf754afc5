import { afterEach, expect, test, vi } from 'vitest'
import { createRunAgain } from '../../../../../driver/loops/kit/run-again.ts'

afterEach(() => {
  vi.useRealTimers()
  vi.restoreAllMocks()
})

test('of several times the earliest counts', () => {
  vi.useFakeTimers()
  const run = vi.fn()
  const again = createRunAgain(run)
  again.after(100)
  again.after(50)
  again.after(70)
  vi.advanceTimersByTime(49)
  expect(run).not.toHaveBeenCalled()
  vi.advanceTimersByTime(200)
  expect(run).toHaveBeenCalledTimes(1)
})

test('is not early where a timer is', () => {
  vi.useFakeTimers()
  const run = vi.fn()
  const clock = vi.spyOn(performance, 'now').mockReturnValue(1000)
  createRunAgain(run).after(30)
  clock.mockReturnValue(1029.2)
  vi.advanceTimersByTime(30)
  expect(run).not.toHaveBeenCalled()
  clock.mockReturnValue(1030.1)
  vi.advanceTimersByTime(1)
  expect(run).toHaveBeenCalledTimes(1)
})
