import { createRequire } from 'node:module'
import { expect, test, vi } from 'vitest'

/** A copy of the module: the numbers of the process are made once, and other tests of it may have had them. */
const fresh = '../../../../driver/control/metrics.ts?fresh'

test('no timer of the metrics wakes the process at rest', async () => {
  const hooks: typeof import('node:perf_hooks') = createRequire(import.meta.url)('node:perf_hooks')
  const monitor = vi.spyOn(hooks, 'monitorEventLoopDelay')
  const { createMetrics }: typeof import('../../../../driver/control/metrics.ts') = await import(fresh)
  createMetrics()
  expect(monitor.mock.calls.map(([options]) => options?.resolution)).toEqual([3_600_000])
})
