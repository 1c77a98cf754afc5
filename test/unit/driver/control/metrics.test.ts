import { createRequire } from 'node:module'
import { expect, test, vi } from 'vitest'
import { createMetrics } from '../../../../driver/control/metrics.ts'

test('no timer of the metrics wakes the process at rest', () => {
  const hooks: typeof import('node:perf_hooks') = createRequire(import.meta.url)('node:perf_hooks')
  const monitor = vi.spyOn(hooks, 'monitorEventLoopDelay')
  createMetrics()
  expect(monitor.mock.calls.map(([options]) => options?.resolution)).toEqual([3_600_000])
})
