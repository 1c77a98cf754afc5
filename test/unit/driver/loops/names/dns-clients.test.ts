/** Who may see which names, by the address that he asks from. */
import { beforeEach, expect, test } from 'vitest'
import type { Link } from '../../../../../driver/core/links.ts'
import type { EngineNetwork } from '../../../../../driver/engine/engine.ts'
import { createDnsClients, type DnsClients } from '../../../../../driver/loops/names/dns-clients.ts'
import { fastestOf } from '../../../../fixtures/fastest-of.ts'
import { createMemoryCluster } from '../../../../fixtures/memory-store.ts'
import { createNetwork, endpoint } from '../../../../fixtures/store-records.ts'
import { until } from '../../../../fixtures/until.ts'

let clients: DnsClients
let asked: number
let away: boolean
let awayHosts: ReadonlySet<string>
let gateways: Record<string, string>
let locked: Promise<void> | undefined
let links: Link[]
let ordered: string[]
let hostLinks: string[]
/** The system does not list the addresses. */
let isSilent: boolean
let otherBridges: EngineNetwork[]
let others: Record<string, string>
let inspected: string[]

function bridge(id: string, subnet: string, on: Record<string, string> = {}): EngineNetwork {
  const endpoints = Object.entries(on).map(([v4, container]) => {
    return { id: `e-${v4}`, container, name: container, mac: '', v4 }
  })
  return {
    ...{ id, name: id, driver: 'bridge', internal: false, attachable: false, options: {}, labels: {} },
    ...{ ipamDriver: 'default', ipamOptions: {}, pools: [{ subnet }], endpoints },
  }
}

beforeEach(async () => {
  ;[asked, away, gateways, locked] = [0, false, { '172.18.0.2': 'web' }, undefined]
  ordered = ['n1']
  awayHosts = new Set()
  ;[otherBridges, others, inspected] = [[], {}, []]
  links = []
  isSilent = false
  hostLinks = [
    '127.0.0.1/8',
    '192.168.33.11/24',
    'fe80::1/64',
    '10.1.0.1/24',
    '172.18.0.1/16',
    '172.17.0.1/16',
  ]
  const store = createMemoryCluster().open('net-1')
  await store.commit([
    createNetwork('n1', { name: 'foobar' }),
    createNetwork('n2', { name: 'other', vni: 257 }),
    {
      op: 'create',
      table: 'endpoints',
      key: 'n1/e1',
      value: endpoint('n1', 'e1', { joined: true, container: { id: 'web', name: 'web' }, aliases: ['all'] }),
    },
    {
      op: 'create',
      table: 'endpoints',
      key: 'n1/e2',
      value: endpoint('n1', 'e2', {
        ...{ v4: '10.0.0.9', host: 'net-2', joined: true, aliases: ['all'] },
        container: { id: 'db', name: 'db' },
      }),
    },
  ])
  clients = createDnsClients({
    store,
    host: 'net-1',
    networks: {
      inOrder: (container) =>
        container === 'web'
          ? [{ names: new Set(['sql']), aliases: new Set() }, ...ordered.map((id) => ({ id }))]
          : [],
    },
    away: () => awayHosts,
    linksOf: (container) => (container === 'web' ? links : []),
    shared: () => ['192.168.33.11'],
    links: () => (isSilent ? undefined : hostLinks),
    pauseMs: 0,
    waitMs: 50,
    engine: {
      async bridges() {
        asked += 1
        if (away) throw new Error('away')
        return [
          bridge('docker_gwbridge', '172.18.0.0/16'),
          bridge('bridge', '172.17.0.0/16'),
          ...otherBridges,
        ]
      },
      async network(id) {
        inspected.push(id)
        await locked
        const on = id === 'docker_gwbridge' ? gateways : id === 'bridge' ? { '172.17.0.2': 'plain' } : others
        return bridge(id, '', on)
      },
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
  ['a machine on another link of this host, which is no bridge', '10.1.0.9', 'refused'],
  ['the world', '8.8.8.8', 'refused'],
  ['the world, in IPv6', '2001:db8::1', 'refused'],
])('%s', async (_, address, expected) => {
  expect(await view(address)).toBe(expected)
})

test('a container’s networks are in the engine’s order', async () => {
  ordered = ['n2', 'n1']
  expect(await view('172.18.0.2')).toBe('other,foobar')
  ordered = ['n1', 'n2']
  expect(await view('172.18.0.2')).toBe('foobar,other')
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

test('the first container on a bridge that the engine has just made sees its names at once', async () => {
  hostLinks = hostLinks.filter((it) => !it.startsWith('172.18.'))
  expect(await view('172.17.0.2')).toBe('')
  hostLinks = [...hostLinks, '172.18.0.1/16']
  clients.forget('web')
  expect(await view('172.18.0.2')).toBe('foobar')
})

test('clients see their names while the system does not list the host’s addresses', async () => {
  expect(await view('172.18.0.2')).toBe('foobar')
  isSilent = true
  clients.forget('web')
  expect(await view('172.18.0.2')).toBe('foobar')
})

test('of many bridges, those are looked at that an event or an unknown client tells of', async () => {
  otherBridges = Array.from({ length: 200 }, (_, n) => bridge(`br-${n}`, `10.1.${n}.0/24`))
  hostLinks.push('10.1.0.0/16')
  const looked = async (address: string): Promise<string> => {
    inspected = []
    const seen = await view(address)
    await until('the look is over', () => inspected.includes('docker_gwbridge'))
    return `${seen}: ${inspected.sort().join()}`
  }
  await view('172.18.0.2')
  expect(inspected).toHaveLength(202)
  clients.forget('another')
  expect(await looked('172.18.0.2')).toBe('foobar: docker_gwbridge')
  others = { '10.1.7.2': 'web' }
  clients.forget('web', 'br-7')
  expect(await looked('10.1.7.2')).toBe('foobar: br-7,docker_gwbridge')
  others = { '10.1.9.2': 'web' }
  expect(await looked('10.1.9.2')).toBe('foobar: br-9,docker_gwbridge')
  clients.forget()
  await looked('172.18.0.2')
  expect(inspected).toHaveLength(202)
})

test('while the engine is away, those that were known are known', async () => {
  expect(await view('172.18.0.2')).toBe('foobar')
  away = true
  clients.forget()
  expect(await view('172.18.0.2')).toBe('foobar')
})

test('strangers, this host and containers that are known do not make the engine work', async () => {
  expect(await view('172.18.0.2')).toBe('foobar')
  const before = asked
  for (const address of ['192.168.33.12', '8.8.8.8', '127.0.0.1', '172.18.0.2']) await view(address)
  expect(asked).toBe(before)
})

test('while the engine is slow, a known container is answered at once, and an unknown one soon', async () => {
  expect(await view('172.18.0.2')).toBe('foobar')
  locked = new Promise(() => undefined)
  clients.forget('another')
  const known = async () => expect(await view('172.18.0.2')).toBe('foobar')
  expect(await fastestOf(5, known)).toBeLessThan(40)
  expect(await view('172.18.0.9')).toBe(' unambiguous')
})

test('the address of a container that has stopped belongs to none until the engine names the next', async () => {
  expect(await view('172.18.0.2')).toBe('foobar')
  gateways = { '172.18.0.2': 'plain' }
  clients.forget('web')
  expect(await view('172.18.0.2')).toBe('')
})

test('a member on a host that is away is not an answer, and is one again when the host is back', async () => {
  const all = async () => (await clients.viewOf('172.18.0.2'))?.zones[0]?.addressesOf('all')
  expect(await all()).toEqual(['10.0.0.2', '10.0.0.9'])
  awayHosts = new Set(['net-2'])
  expect(await all()).toEqual(['10.0.0.2'])
  awayHosts = new Set()
  expect(await all()).toEqual(['10.0.0.2', '10.0.0.9'])
})

test('a container with --link TARGET:ALIAS reaches the target by the alias; others do not', async () => {
  const zone = async (address: string) => (await clients.viewOf(address))?.zones[0]
  links = [{ endpoint: 'e1', target: 'db', alias: 'Base' }]
  for (const name of ['base', 'base.foobar'])
    expect((await zone('172.18.0.2'))?.addressesOf(name)).toEqual(['10.0.0.9'])
  expect((await zone('127.0.0.1'))?.addressesOf('base')).toEqual([])
  links = [{ endpoint: 'of another network', target: 'db', alias: 'base' }]
  expect((await zone('172.18.0.2'))?.addressesOf('base')).toEqual([])
})
