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
  resolvers: async () => [],
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

test('the record follows the host’s name servers, and keeps those of before while the files cannot be read', async () => {
  const store = createMemoryCluster().open('net-1')
  let resolvers: string[] | undefined = ['172.16.0.10']
  let asked = 0
  const loop = startHost({
    ...common,
    store,
    engine: { version: async () => '28.5.2', addressPools: async () => [] },
    async resolvers() {
      asked++
      return resolvers
    },
    everyMs: 10,
  })
  const published = () => store.snapshot().hosts.get('net-1')?.value.resolvers
  await vi.waitFor(() => expect(published()).toEqual(['172.16.0.10']))
  resolvers = undefined
  const before = asked
  await vi.waitFor(() => expect(asked).toBeGreaterThan(before + 2))
  expect(published()).toEqual(['172.16.0.10'])
  resolvers = []
  await vi.waitFor(() => expect(published()).toEqual([]))
  await loop.close()
})
