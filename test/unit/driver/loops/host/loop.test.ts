/** What a host publishes in its record. */
import { expect, test, vi } from 'vitest'
import { silentLog } from '../../../../../driver/log.ts'
import { startHost } from '../../../../../driver/loops/host/loop.ts'
import { createMemoryCluster } from '../../../../fixtures/memory-store.ts'
import { createNetwork } from '../../../../fixtures/store-records.ts'

const common = {
  host: 'net-1',
  claim: { renew: async () => 'session' },
  blank: () => ({ vtep: '192.168.33.11', driverVersion: '1' }),
  routes: async () => [],
  foreignVxlans: async () => [],
  tunnel: () => undefined,
  log: silentLog,
}

test('the blocks of the engine’s bridges are asked for once, until the engine may have restarted', async () => {
  const store = createMemoryCluster().open('net-1')
  let pools: string[] | undefined
  let asked = 0
  const loop = startHost({
    ...common,
    store,
    engine: {
      version: async () => '28.5.2',
      async addressPools() {
        asked++
        if (pools === undefined) throw new Error('the engine is away')
        return pools
      },
    },
    everyMs: 10,
  })
  const published = () => store.snapshot().hosts.get('net-1')?.value
  await vi.waitFor(() => expect(asked).toBeGreaterThan(1))
  expect(published()).not.toHaveProperty('enginePools')
  pools = ['10.10.0.0/16']
  await vi.waitFor(() => expect(published()?.enginePools).toEqual(['10.10.0.0/16']))
  const before = asked
  pools = []
  await new Promise((resolve) => setTimeout(resolve, 100))
  expect(asked).toBe(before)
  loop.engineRestarted()
  await vi.waitFor(() => expect(published()?.enginePools).toEqual([]))
  await loop.close()
})

test('VXLAN devices of other programs are published sorted, and looked for again when the links change', async () => {
  const store = createMemoryCluster().open('net-1')
  let devices: { vni: number; port: number }[] | undefined
  let [looks, runs] = [0, 0]
  const loop = startHost({
    ...common,
    store,
    engine: { version: async () => '28.5.2', addressPools: async () => [] },
    async foreignVxlans() {
      looks++
      if (devices === undefined) throw new Error('ip does not answer')
      return devices
    },
    everyMs: 10,
    onRun: () => void runs++,
  })
  const published = () => store.snapshot().hosts.get('net-1')?.value
  await vi.waitFor(() => expect(looks).toBeGreaterThan(1))
  expect(published()).not.toHaveProperty('foreignVxlans')
  const [one, other, swarms] = [
    { vni: 256, port: 4789 },
    { vni: 256, port: 8472 },
    { vni: 4097, port: 4789 },
  ]
  devices = [swarms, one, other, one]
  await vi.waitFor(() => expect(published()?.foreignVxlans).toEqual([one, other, swarms]))
  const before = { looks, runs }
  devices = []
  await vi.waitFor(() => expect(runs).toBeGreaterThan(before.runs + 2))
  expect(looks).toBe(before.looks)
  loop.linksChanged()
  await vi.waitFor(() => expect(published()?.foreignVxlans).toEqual([]))
  await loop.close()
})

test('a host that was removed has its networks again while the engine is starting, which then is described', async () => {
  const store = createMemoryCluster().open('net-1')
  await store.commit([createNetwork('n1')])
  let started: (version: string) => void = () => undefined
  const version = new Promise<string>((resolve) => {
    started = resolve
  })
  const loop = startHost({
    ...common,
    store,
    engine: { version: () => version, addressPools: async () => [] },
    replicas: new Map([['local', 'n1']]),
    everyMs: 10_000,
  })
  await vi.waitFor(() => expect(store.snapshot().replicas.get('net-1/local')?.value).toBe('n1'))
  started('28.5.2')
  await vi.waitFor(() => expect(store.snapshot().hosts.get('net-1')?.value.engineVersion).toBe('28.5.2'))
  await loop.close()
})
