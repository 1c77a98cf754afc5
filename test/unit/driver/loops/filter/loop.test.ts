import { expect, test } from 'vitest'
import type { TunnelFilter } from '../../../../../driver/core/tunnels/filter.ts'
import { silentLog } from '../../../../../driver/log.ts'
import { startFilter } from '../../../../../driver/loops/filter/loop.ts'
import { hostAddresses } from '../../../../fixtures/host-addresses.ts'
import { createMemoryCluster } from '../../../../fixtures/memory-store.ts'
import { endpoint, network } from '../../../../fixtures/store-records.ts'

const own = '192.168.33.11'
const other = '192.168.33.12'
const stranger = '192.168.33.99'

/** `have`: what an earlier driver let in. */
function start({
  have,
  filterIsOn = true,
  everyMs = 10,
}: {
  have?: TunnelFilter
  filterIsOn?: boolean
  everyMs?: number
} = {}) {
  const memory = createMemoryCluster()
  const host = (name: string, vtep: string) =>
    memory.put('hosts', name, JSON.stringify({ vtep, driverVersion: '1' }))
  host('net-1', own)
  host('net-2', other)
  memory.put('networks', 'n1', JSON.stringify(network('n1', { vni: 300, port: 4790 })))
  const store = memory.open('net-1')
  const state = { have, now: 0, vtep: own, here: [own], error: undefined as Error | undefined }
  const kernel = {
    addresses: async () => hostAddresses(...state.here.map((address) => `eth1 ${address}/24`)),
    async tunnelFilter(wanted: (have: TunnelFilter | undefined) => TunnelFilter | undefined) {
      if (state.error) throw state.error
      state.have = wanted(state.have)
      return { arriving: 3, misrouted: 0, leaving: 4 }
    },
  }
  const now = () => state.now
  const loop = startFilter({
    store,
    kernel,
    vtep: () => state.vtep,
    filterIsOn,
    log: silentLog,
    everyMs,
    now,
  })
  return { memory, store, state, loop, host }
}

test('the hosts and networks of the store are let in, and a host that joins at once, as a new network', async () => {
  const { state, store, loop } = start({ everyMs: 60_000 })
  await expect.poll(() => state.have).toEqual({ vteps: [own, other], ports: [4789, 4790], vnis: [0, 300] })
  expect(loop.counts()).toEqual({ arriving: 3, misrouted: 0, leaving: 4 })
  const value = { vtep: '192.168.33.13', driverVersion: '1' }
  await store.commit([{ op: 'create', table: 'hosts', key: 'net-3', value }])
  await expect.poll(() => state.have?.vteps).toContain('192.168.33.13')
  const late = network('n2', { vni: 301, port: 4791 })
  await store.commit([{ op: 'create', table: 'networks', key: 'n2', value: late }])
  await expect.poll(() => state.have).toMatchObject({ ports: [4789, 4790, 4791], vnis: [0, 300, 301] })
  await loop.close()
})

test('a host without a record that can be read is let in by those of its endpoints', async () => {
  const { store, state, loop } = start()
  const value = endpoint('n1', 'e1', { host: 'net-3', vtep: '192.168.33.13' })
  await store.commit([{ op: 'create', table: 'endpoints', key: 'n1/e1', value }])
  state.now = 600_000
  await expect.poll(() => state.have?.vteps).toEqual([own, other, '192.168.33.13'])
  await loop.close()
})

test('an address that no host has any more stays for a minute, also over a restart of the driver', async () => {
  const { state, store, loop } = start({ have: { vteps: [own, stranger], ports: [4789], vnis: [0] } })
  await expect.poll(() => state.have?.vteps).toEqual([own, other, stranger])
  await store.commit([{ op: 'drop', table: 'hosts', key: 'net-2' }])
  state.now = 59_000
  await expect.poll(() => loop.status().state).toBe('idle')
  expect(state.have?.vteps).toEqual([own, other, stranger])
  state.now = 61_000
  await expect.poll(() => state.have?.vteps).toEqual([own])
  await loop.close()
})

test('while the store’s word proves nothing, all that was let in stays', async () => {
  const have = { vteps: [stranger], ports: [4791], vnis: [0, 999] }
  const { memory, state, loop } = start({ have })
  memory.doubt = 'the store was emptied'
  state.now = 600_000
  await expect
    .poll(() => state.have)
    .toEqual({ vteps: [own, other, stranger], ports: [4789, 4790, 4791], vnis: [0, 300, 999] })
  state.now = 1_200_000
  await expect.poll(() => loop.status().state).toBe('idle')
  expect(state.have?.vteps).toContain(stranger)
  memory.doubt = undefined
  await expect.poll(() => state.have?.vteps).toEqual([own, other])
  await loop.close()
})

test('a filter that cannot be made is a problem; one that is not wanted is removed', async () => {
  const broken = start()
  broken.state.error = new Error('nft: not found')
  await expect.poll(() => broken.loop.problems()[0]).toMatch(/nft: not found; install nftables/)
  await broken.loop.close()
  const off = start({ have: { vteps: [own], ports: [4789], vnis: [0] }, filterIsOn: false })
  await expect.poll(() => off.state.have).toBeUndefined()
  expect([off.loop.counts(), off.loop.problems()]).toEqual([undefined, []])
  await off.loop.close()
})

test('an earlier VTEP of this host stays while an interface has it, also over a restart', async () => {
  const earlier = '192.168.33.50'
  const { state, loop } = start({ have: { vteps: [earlier, stranger], ports: [4789], vnis: [0] } })
  state.here = [own, earlier]
  await expect.poll(() => state.have?.vteps).toEqual([own, other, earlier, stranger])
  state.now = 61_000
  await expect.poll(() => state.have?.vteps).toEqual([own, other, earlier])
  state.vtep = '192.168.33.13'
  state.here = [own, '192.168.33.13']
  await expect.poll(() => state.have?.vteps).toEqual([own, other, '192.168.33.13'])
  await loop.close()
})
