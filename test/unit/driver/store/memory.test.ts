import { expect, test } from 'vitest'
import { createMemoryCluster, createMemoryStore, type MemoryCluster } from '../../../fixtures/memory-store.ts'
import { storeContract } from '../../../fixtures/store-contract.ts'
import { createNetwork } from '../../../fixtures/store-records.ts'

let cluster: MemoryCluster = createMemoryCluster()

storeContract('memory', {
  open: async (host) => cluster.open(host),
  fresh: async () => {
    cluster = createMemoryCluster()
  },
  put: async (table, key, text) => cluster.put(table, key, text),
  away: async () => {
    cluster.away = true
  },
  back: async () => {
    cluster.away = false
  },
  timeoutMs: 0,
})

test('a store that was away while others committed knows it when it is back', async () => {
  const store = createMemoryStore()
  await store.commit([createNetwork('n1')])
  expect(store.snapshot().networks.size).toBe(1)
  await store.close()
  await expect(store.commit([createNetwork('n2')])).rejects.toThrow('the store is closed')
})
