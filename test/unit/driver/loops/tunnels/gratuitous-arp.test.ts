import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { Endpoint } from '../../../../../driver/core/records.ts'
import { startGratuitousArp } from '../../../../../driver/loops/tunnels/gratuitous-arp.ts'
import { createMemoryCluster } from '../../../../fixtures/memory-store.ts'
import { endpoint, network } from '../../../../fixtures/store-records.ts'

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }))
afterEach(() => void vi.useRealTimers())

const at = (name: string, host: string, last: number, change: Partial<Endpoint> = {}): Endpoint => {
  const mac = `02:42:0a:00:00:0${last}`
  return { ...endpoint('n1', name), host, v4: `10.0.0.${last}`, mac, joined: true, ...change }
}

function start(...endpoints: Endpoint[]) {
  const memory = createMemoryCluster()
  memory.put('networks', 'n1', JSON.stringify({ ...network('n1'), port: 4790 }))
  for (const it of endpoints) memory.put('endpoints', `n1/${it.id}`, JSON.stringify(it))
  const store = memory.open('net-1')
  const sent: string[] = []
  const stop = startGratuitousArp({
    store,
    host: 'net-1',
    vtep: () => '192.168.33.11',
    socket: () => ({
      async send(packet, to, port) {
        const hex = packet.toString('hex')
        sent.push(`${hex.slice(60, 72)} to ${hex.slice(16, 28)} by ${to}:${port}`)
        return undefined
      },
    }),
  })
  const write = async (value: Endpoint): Promise<void> => {
    const key = `n1/${value.id}`
    const index = store.snapshot().endpoints.get(key)?.index
    const common = { table: 'endpoints', key, value } as const
    await store.commit([
      index === undefined ? { op: 'create', ...common } : { op: 'update', ...common, index },
    ])
  }
  return { sent, write, stop }
}

test('an endpoint that joins elsewhere is announced to all, twice, on the network’s port', async () => {
  const { sent, write, stop } = start(at('e1', 'net-1', 1))
  await write(at('e2', 'net-2', 2))
  expect(sent).toEqual(['02420a000002 to ffffffffffff by 192.168.33.11:4790'])
  vi.advanceTimersByTime(1000)
  expect(sent).toHaveLength(2)
  await write(at('e2', 'net-2', 2, { container: { id: 'c2', name: 'two' } }))
  expect(sent, 'a name is no move').toHaveLength(2)
  await write(at('e2', 'net-2', 2, { mac: '06:42:0a:00:00:02' }))
  expect(sent.at(-1)).toBe('06420a000002 to ffffffffffff by 192.168.33.11:4790')
  stop()
})

test('an endpoint of this host is announced to the other ones, and not to itself', async () => {
  const { sent, write, stop } = start(at('e1', 'net-1', 1))
  await write(at('e3', 'net-1', 3))
  expect(sent).toEqual(['02420a000003 to 02420a000001 by 192.168.33.11:4790'])
  stop()
})

test('a network without containers here is left alone', async () => {
  const { sent, write, stop } = start()
  await write(at('e2', 'net-2', 2))
  expect(sent).toEqual([])
  stop()
})

test('an IPv6 address that the interface does not have is not announced', async () => {
  const { sent, write, stop } = start(at('e1', 'net-1', 1))
  await write(at('e2', 'net-2', 2, { v6: 'fd00::2' }))
  expect(sent).toHaveLength(2)
  await write(at('e3', 'net-2', 3, { v6: 'fd00::3', withoutIpv6: true }))
  expect(sent).toHaveLength(3)
  stop()
})
