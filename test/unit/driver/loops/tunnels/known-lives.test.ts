import { expect, test } from 'vitest'
import { DriverError } from '../../../../../driver/core/errors.ts'
import type { Liveness } from '../../../../../driver/core/liveness.ts'
import { createKnownLives, type Need } from '../../../../../driver/loops/tunnels/known-lives.ts'
import { createMemoryCluster } from '../../../../fixtures/memory-store.ts'

test('the store is asked while its answer is needed, every 5 s or every 10 s, and its last answer counts', async () => {
  let at = 0
  let asked = 0
  let isAway = false
  const liveness = async (): Promise<Liveness> => {
    asked += 1
    if (isAway) throw new DriverError('unavailable', 'the store is away')
    return { keys: new Map([['net-2', 's1']]), announced: new Map(), sessions: new Map() }
  }
  const { snapshot } = createMemoryCluster().open('net-1')
  const lives = createKnownLives({ store: { snapshot, liveness }, now: () => at })
  const pass = async (ms: number, need: Need): Promise<string> => {
    at += ms
    lives.refresh(need)
    await Promise.resolve()
    await Promise.resolve()
    return `${lives.life('net-2')}, asked ${asked}`
  }
  expect(await pass(10_000, 'none')).toBe('unknown, asked 0')
  expect(await pass(1000, 'quick')).toBe('alive, asked 1')
  expect(await pass(4000, 'quick')).toBe('alive, asked 1')
  expect(await pass(1000, 'slow')).toBe('alive, asked 1')
  isAway = true
  expect(await pass(0, 'quick')).toBe('alive, asked 2')
  expect(await pass(9000, 'slow')).toBe('alive, asked 2')
  expect(await pass(1000, 'slow')).toBe('alive, asked 3')
})
