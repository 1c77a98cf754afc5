import { afterEach, expect, test, vi } from 'vitest'
import { DriverError } from '../../../../driver/core/errors.ts'
import { engineHas } from '../../../../driver/daemon/engine-of-request.ts'
import type { EngineNetwork } from '../../../../driver/engine/engine.ts'

afterEach(() => {
  vi.useRealTimers()
})

test('a network is the engine’s own or another one’s; an engine that does not answer says nothing', async () => {
  vi.useFakeTimers()
  const has = engineHas({
    async network(id) {
      if (id === 'silent') return new Promise(() => undefined)
      if (id === 'refused') throw new DriverError('unavailable', 'connection refused')
      return id === 'own' ? ({ id } as EngineNetwork) : undefined
    },
  })
  expect(await Promise.all(['own', 'other', 'refused'].map(has))).toEqual([true, false, undefined])
  const silent = has('silent')
  await vi.advanceTimersByTimeAsync(1000)
  expect(await silent).toBe(undefined)
})
