/**
 * What a host tells of its new endpoints while the store is away, and what another host believes of it.
 */
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { Endpoint, Snapshot } from '../../../../../driver/core/records.ts'
import { silentLog } from '../../../../../driver/log.ts'
import { createPeerEndpoints } from '../../../../../driver/loops/tunnels/peer-endpoints/receive.ts'
import { sendEndpoints } from '../../../../../driver/loops/tunnels/peer-endpoints/send.ts'
import { createMemoryCluster } from '../../../../fixtures/memory-store.ts'
import { endpoint, lease, network } from '../../../../fixtures/store-records.ts'

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }))
afterEach(() => void vi.useRealTimers())

const vteps = { 'net-1': '192.168.33.11', 'net-2': '192.168.33.12' } as const

const at = (
  name: string,
  host: keyof typeof vteps,
  last: number,
  change: Partial<Endpoint> = {},
): Endpoint => ({
  ...endpoint('n1', name),
  host,
  vtep: vteps[host],
  v4: `10.0.0.${last}`,
  mac: `02:42:0a:00:00:0${last}`,
  joined: true,
  ...change,
})

/** net-1 has e1 and leases .1 and .3; net-2 has e2 and leases .2; each host with its own time. */
function cluster() {
  const memory = createMemoryCluster()
  memory.put('networks', 'n1', JSON.stringify(network('n1')))
  for (const [name, vtep] of Object.entries(vteps))
    memory.put('hosts', name, JSON.stringify({ vtep, driverVersion: '1' }))
  for (const it of [at('e1', 'net-1', 1), at('e2', 'net-2', 2)])
    memory.put('endpoints', `n1/${it.id}`, JSON.stringify(it))
  for (const [last, host] of [
    [1, 'net-1'],
    [2, 'net-2'],
    [3, 'net-1'],
  ] as const)
    memory.put('addresses', `n1/10.0.0.${last}`, JSON.stringify(lease(host)))
  return memory
}

/** The listener of a host, with the names of the changed endpoints and a clock. */
function listener(memory: ReturnType<typeof createMemoryCluster>) {
  const store = memory.open('net-2')
  const clock = { now: 0 }
  const peers = createPeerEndpoints({ store, host: 'net-2', log: silentLog, now: () => clock.now })
  const changed: string[] = []
  peers.store.onChange((_, keys) => void changed.push(...keys.map(({ key }) => key)))
  const seen = () => [...peers.store.snapshot().endpoints.keys()].sort()
  const pass = async (ms: number): Promise<void> => {
    clock.now += ms
    await vi.advanceTimersByTimeAsync(ms)
  }
  const hears = (...endpoints: unknown[]) => peers.receive(vteps['net-1'], JSON.stringify(endpoints))
  return { store, peers, seen, changed, pass, hears }
}

test('an endpoint that its host tells is seen, until its host is silent about it', async () => {
  const { seen, changed, pass, hears, peers } = listener(cluster())
  hears(at('e3', 'net-1', 3))
  expect(seen()).toEqual(['n1/e1', 'n1/e2', 'n1/e3'])
  expect(changed).toEqual(['n1/e3'])
  await pass(4000)
  hears(at('e3', 'net-1', 3))
  expect(changed, 'a repetition is no change').toEqual(['n1/e3'])
  await pass(4000)
  expect(seen()).toContain('n1/e3')
  await pass(3000)
  expect(seen()).toEqual(['n1/e1', 'n1/e2'])
  expect(changed).toEqual(['n1/e3', 'n1/e3'])
  peers.stop()
})

test('nothing is forgotten while the store is away from the listener, too', async () => {
  const memory = cluster()
  const { seen, pass, hears, peers } = listener(memory)
  memory.away = true
  hears(at('e3', 'net-1', 3))
  await pass(60_000)
  expect(seen()).toContain('n1/e3')
  memory.away = false
  await pass(2000)
  expect(seen()).not.toContain('n1/e3')
  peers.stop()
})

test('the store’s word counts more, also when it says that the endpoint is gone', async () => {
  const { store, seen, hears, peers } = listener(cluster())
  hears(at('e3', 'net-1', 3))
  const key = 'n1/e3'
  await store.commit([
    { op: 'create', table: 'endpoints', key, value: at('e3', 'net-1', 3, { aliases: ['x'] }) },
  ])
  expect(peers.store.snapshot().endpoints.get(key)?.value.aliases).toEqual(['x'])
  await store.commit([{ op: 'drop', table: 'endpoints', key }])
  expect(seen()).toEqual(['n1/e1', 'n1/e2'])
  peers.stop()
})

test.each<[string, string, unknown]>([
  ['its address is leased to another host', vteps['net-1'], at('e3', 'net-1', 2)],
  ['its address is leased to nobody', vteps['net-1'], at('e3', 'net-1', 9)],
  [
    'its MAC is that of another host’s endpoint',
    vteps['net-1'],
    at('e3', 'net-1', 3, { mac: '02:42:0a:00:00:02' }),
  ],
  ['its sender is no host of the cluster', '192.168.33.99', at('e3', 'net-1', 3)],
  ['its sender is this host', vteps['net-2'], at('e3', 'net-2', 2)],
  ['it is no endpoint', vteps['net-1'], { network: 'n1', id: 'e3', v4: 'nonsense' }],
])('an endpoint is not believed when %s', (_, from, value) => {
  const { peers, seen, changed } = listener(cluster())
  peers.receive(from, JSON.stringify([value]))
  peers.receive(from, 'no JSON')
  expect(seen()).toEqual(['n1/e1', 'n1/e2'])
  expect(changed).toEqual([])
  peers.stop()
})

test('host and VTEP are those of the sender, whatever the message says', () => {
  const { peers, hears } = listener(cluster())
  hears(at('e3', 'net-1', 3, { host: 'net-9', vtep: '10.9.9.9' }))
  expect(peers.store.snapshot().endpoints.get('n1/e3')?.value).toMatchObject({
    host: 'net-1',
    vtep: vteps['net-1'],
  })
  peers.stop()
})

test('the hosts of the network are told at once and each second while the store is away, and some seconds longer', async () => {
  const memory = cluster()
  const store = memory.open('net-1')
  const clock = { now: 100_000 }
  const sent: string[] = []
  const waiting: string[] = []
  const sender = sendEndpoints({
    store: { ...store, journal: { waiting: () => waiting } },
    host: 'net-1',
    withPeerEndpoints: (snapshot) => snapshot,
    send: (to, text) => void sent.push(`${to} ${JSON.parse(text).map(({ id }: Endpoint) => id)}`),
    now: () => clock.now,
  })
  const tick = (): string[] => {
    clock.now += 1000
    sender.tick()
    return sent.splice(0)
  }
  const create = (id: string, last: number) =>
    store.commit([{ op: 'create', table: 'endpoints', key: `n1/${id}`, value: at(id, 'net-1', last) }])

  await create('e3', 3)
  expect([...sent, ...tick(), ...tick()], 'while the store carries the news').toEqual([])

  memory.away = true
  tick()
  memory.away = false
  await create('e4', 4)
  expect(sent.splice(0), 'the others may not have found the store again').toEqual(['192.168.33.12 e4'])
  expect(tick()).toEqual(['192.168.33.12 e4'])
  for (let s = 0; s < 10; s++) tick()
  expect(tick()).toEqual([])

  await create('e5', 5)
  waiting.push('n1/e5')
  vi.advanceTimersByTime(400)
  expect([...sent, ...tick()], 'a commit is under way').toEqual([])
  vi.advanceTimersByTime(100)
  expect(sent.splice(0), 'the store does not take it').toEqual(['192.168.33.12 e5'])
  expect(tick()).toEqual(['192.168.33.12 e5'])
  sender.stop()
})

test('many endpoints are told in packets that fit', async () => {
  const memory = cluster()
  memory.away = true
  const store = memory.open('net-1')
  const sent: string[] = []
  for (let n = 10; n < 40; n++) memory.put('endpoints', `n1/x${n}`, JSON.stringify(at(`x${n}`, 'net-1', 3)))
  memory.away = false
  await store.read()
  memory.away = true
  const waiting = [...store.snapshot().endpoints.keys()].filter((key) => key.startsWith('n1/x'))
  const withPeerEndpoints = (snapshot: Snapshot) => snapshot
  const options = {
    host: 'net-1',
    withPeerEndpoints,
    send: (_: string, text: string) => void sent.push(text),
    now: () => 0,
  }
  sendEndpoints({ ...options, store: { ...store, journal: { waiting: () => waiting } } }).tick()
  expect(sent.flatMap((text) => JSON.parse(text))).toHaveLength(30)
  for (const text of sent) expect(text.length).toBeLessThanOrEqual(1100)
  expect(sent.length).toBeLessThan(15)
})
