import { expect, test, vi } from 'vitest'
import { mayMeetEngines } from '../../../../../driver/core/pools.ts'
import { silentLog } from '../../../../../driver/log.ts'
import { createGatewayBridge } from '../../../../../driver/loops/host/gateway-bridge.ts'

test('is left to the engine while a network may have the subnet that the engine would choose', async () => {
  let mayClash = true
  const createNetwork = vi.fn(async () => 'made')
  const bridge = createGatewayBridge({
    engine: { network: async () => undefined, inSwarmMode: async () => false, createNetwork },
    ...{ log: silentLog, mayClash: () => mayClash, graceMs: 0 },
  })
  await bridge.keep()
  expect(createNetwork).not.toHaveBeenCalled()
  mayClash = false
  bridge.changed()
  await bridge.keep()
  expect(createNetwork).toHaveBeenCalledOnce()
})

test('the engine chooses from its own blocks, or from those that a person gave it', () => {
  expect(mayMeetEngines(['172.16.3.0/24', '10.0.0.0/8'])).toBe(false)
  expect(mayMeetEngines(['172.16.3.0/24', '172.30.1.0/24'])).toBe(true)
  expect(mayMeetEngines(['172.30.1.0/24'], ['10.200.0.0/16'])).toBe(false)
  expect(mayMeetEngines(['10.0.0.0/8'], ['10.200.0.0/16'])).toBe(true)
})
