/** Who may see which names, by the address that he asks from. */
import { beforeEach, expect, test } from 'vitest'
import type { EngineContainer, EngineNetwork } from '../../../../../driver/engine/engine.ts'
import { createDnsClients, type DnsClients } from '../../../../../driver/loops/names/dns-clients.ts'
import { createMemoryCluster } from '../../../../fixtures/memory-store.ts'
import { createNetwork, endpoint } from '../../../../fixtures/store-records.ts'

let clients: DnsClients
let asked: number
let away: boolean
let gateways: Record<string, string>

beforeEach(async () => {
  ;[asked, away, gateways] = [0, false, { '172.18.0.2': 'web' }]
  const store = createMemoryCluster().open('net-1')
  await store.commit([
    createNetwork('n1', { name: 'foobar' }),
    createNetwork('n2', { name: 'other', vni: 257 }),
    {
      op: 'create',
      table: 'endpoints',
      key: 'n1/e1',
      value: endpoint('n1', 'e1', { joined: true, container: { id: 'web', name: 'web' } }),
    },
  ])
  const bridged = (id: string, v4: string): EngineContainer => ({
    ...{ id, name: id, running: true, hostname: '', readonlyRootfs: false, mounts: [] },
    attachments: [{ network: 'bridge', endpoint: 'e', v4, mac: '', aliases: [] }],
  })
  clients = createDnsClients({
    store,
    host: 'net-1',
    listens: '192.168.33.11',
    interfaces: () => ['127.0.0.1/8', '192.168.33.11/24', '172.18.0.1/16', '172.17.0.1/16', 'fe80::1/64'],
    pauseMs: 0,
    engine: {
      async network() {
        asked += 1
        if (away) throw new Error('away')
        const endpoints = Object.entries(gateways).map(([v4, container]) => ({
          id: 'e',
          container,
          name: '',
          mac: '',
          v4,
        }))
        return { endpoints } as EngineNetwork
      },
      containers: async () => [bridged('plain', '172.17.0.2')],
    },
  })
})

const view = async (address: string): Promise<string> => {
  const seen = await clients.viewOf(address)
  return seen === undefined
    ? 'refused'
    : `${seen.zones.map(({ domain }) => domain)}${seen.onlyUnambiguous ? ' unambiguous' : ''}`
}

test.each([
  ['a container of ours, at its address on docker_gwbridge', '172.18.0.2', 'foobar'],
  ['a container that is on none of our networks', '172.17.0.2', ''],
  ['this host', '127.0.0.1', 'foobar,other unambiguous'],
  ['this host, by its address', '::ffff:192.168.33.11', 'foobar,other unambiguous'],
  ['a build on a bridge of this host', '172.17.0.99', ' unambiguous'],
  ['another machine', '192.168.33.12', 'refused'],
  ['the world', '8.8.8.8', 'refused'],
  ['the world, in IPv6', '2001:db8::1', 'refused'],
])('%s', async (_, address, expected) => {
  expect(await view(address)).toBe(expected)
})

test('a container is looked for when it first asks, and known from then on until something has changed', async () => {
  expect(await view('172.18.0.3')).toBe(' unambiguous')
  gateways['172.18.0.3'] = 'web'
  expect(await view('172.18.0.3')).toBe('foobar')
  const before = asked
  expect(await view('172.18.0.3')).toBe('foobar')
  expect(asked).toBe(before)
  gateways = {}
  clients.forget()
  expect(await view('172.18.0.3')).toBe(' unambiguous')
})

test('while the engine is away, those that were known are known', async () => {
  expect(await view('172.18.0.2')).toBe('foobar')
  away = true
  clients.forget()
  expect(await view('172.18.0.2')).toBe('foobar')
})
