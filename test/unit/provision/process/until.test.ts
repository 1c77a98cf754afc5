import { expect, test } from 'vitest'
import { poll, until } from '../../../../provision/process/until.ts'

test('poll returns the first value, and how often it looked', async () => {
  let looks = 0
  const { value, tries } = await poll(() => (++looks === 3 ? 'there' : undefined), 1000, 1)
  expect([value, tries]).toEqual(['there', 3])
})

test('poll looks a last time after the deadline', async () => {
  const start = performance.now()
  const afterMs: number[] = []
  const { value } = await poll(() => void afterMs.push(performance.now() - start), 20, 1)
  expect(value).toBeUndefined()
  expect(afterMs.at(-1)).toBeGreaterThan(20)
})

test('until says what did not come about, and how long it waited', async () => {
  await expect(until(() => false, 'cgroup x is busy', 10, 1)).rejects.toThrow(
    'cgroup x is busy (waited 0.01 s)',
  )
})

test('an error of the look is passed on', async () => {
  const broken = () => Promise.reject(new Error('no such file'))
  await expect(poll(broken, 1000)).rejects.toThrow('no such file')
})
