/** Names of a network: which records there are, in which order, and what DNS makes of them. */
import { describe, expect, test } from 'vitest'
import { namedEndpoints, recordsFor, recordsForClient, zoneOf } from '../../../../driver/core/names.ts'
import type { Endpoint, Service } from '../../../../driver/core/records.ts'
import { type AnyDelta, applyDeltas, emptySnapshot } from '../../../../driver/core/snapshot.ts'
import { endpoint, network } from '../../../fixtures/store-records.ts'

const named = (id: string, v4: string, name: string, more: Partial<Endpoint> = {}): Endpoint =>
  endpoint('n1', id, { v4, joined: true, container: { id: `c-${id}`, name }, ...more })

function snapshotOf(endpoints: Endpoint[], services: Service[] = [], name: string | undefined = 'foobar') {
  const deltas: AnyDelta[] = [
    {
      table: 'networks',
      key: 'n1',
      record: { value: network('n1', name === undefined ? {} : { name }), index: 1 },
    },
    ...endpoints.map(
      (value): AnyDelta => ({
        table: 'endpoints',
        key: `${value.network}/${value.id}`,
        record: { value, index: 1 },
      }),
    ),
    ...services.map(
      (value): AnyDelta => ({
        table: 'services',
        key: `${value.network}/${value.name}`,
        record: { value, index: 1 },
      }),
    ),
  ]
  return applyDeltas(emptySnapshot(), deltas)
}
const lines = (...given: Parameters<typeof snapshotOf>): string =>
  recordsFor(snapshotOf(...given), 'n1')
    .map(({ ip, name }) => `${ip} ${name}`)
    .join('\n')

test('every container is there as NAME and as NAME.NETWORK, sorted by address as numbers', () => {
  const records = lines([
    named('e1', '172.21.0.10', 'modest_curie'),
    named('e2', '172.21.0.9', 'distracted_bohr'),
  ])
  expect(records).toMatchInlineSnapshot(`
    "172.21.0.9 distracted_bohr
    172.21.0.9 distracted_bohr.foobar
    172.21.0.10 modest_curie
    172.21.0.10 modest_curie.foobar"
  `)
})

test('aliases and the service follow the name, each also with the network', () => {
  const records = lines([
    named('e1', '10.0.0.2', 'web', { aliases: ['www', 'api', 'web'], service: 'front' }),
  ])
  expect(records).toMatchInlineSnapshot(`
    "10.0.0.2 web
    10.0.0.2 web.foobar
    10.0.0.2 front
    10.0.0.2 front.foobar
    10.0.0.2 api
    10.0.0.2 api.foobar
    10.0.0.2 www
    10.0.0.2 www.foobar"
  `)
})

test('names of a container that differ in case alone are one line, which has the capitals', () => {
  const records = recordsFor(
    snapshotOf([
      named('e1', '10.0.0.2', 'plex', { hostname: 'Plex' }),
      named('e2', '10.0.0.3', 'Db', { aliases: ['db'] }),
    ]),
    'n1',
  )
  expect(records.map(({ ip, name }) => `${ip} ${name}`)).toEqual([
    '10.0.0.2 Plex',
    '10.0.0.2 Plex.foobar',
    '10.0.0.3 Db',
    '10.0.0.3 Db.foobar',
  ])
})

test('both addresses of a dual-stack container have its names, IPv4 first', () => {
  const records = lines([
    named('e1', '10.0.0.3', 'a', { v6: 'fd00::3' }),
    named('e2', '10.0.0.2', 'b', { v6: 'fd00::2' }),
  ])
  expect(records.replaceAll(/.*\.foobar\n?/g, '')).toMatchInlineSnapshot(`
    "10.0.0.2 b
    10.0.0.3 a
    fd00::2 b
    fd00::3 a
    "
  `)
})

describe('an IPv6 address that the interface does not have', () => {
  const off = { v6: 'fd00::3', withoutIpv6: true, service: 'db' } as const
  const v4only = named('e1', '10.0.0.3', 'v4only', off)
  const db: Service = { id: 's1', network: 'n1', name: 'db', v4: '10.0.0.3', v6: 'fd00::3', endpoint: 'e1' }
  const snapshot = snapshotOf([v4only, named('e2', '10.0.0.2', 'dual', { v6: 'fd00::2' })], [db])

  test('has no line in hosts files', () => {
    const addresses = recordsFor(snapshot, 'n1').map(({ ip }) => ip)
    expect(new Set(addresses)).toEqual(new Set(['10.0.0.2', '10.0.0.3', 'fd00::2']))
  })

  test('has no name in DNS, also of the service in front of it', () => {
    const zone = zoneOf(snapshot, 'n1')
    expect(zone?.addressesOf('v4only')).toEqual(['10.0.0.3'])
    expect(zone?.addressesOf('db.foobar')).toEqual(['10.0.0.3'])
    expect(zone?.nameAt('fd00::3')).toBeUndefined()
    expect(zone?.nameAt('10.0.0.3')).toBe('db.foobar')
  })

  test('stands for the service again when nothing is behind it', () => {
    const { endpoint: _, ...free } = db
    expect(zoneOf(snapshotOf([], [free]), 'n1')?.addressesOf('db')).toEqual(['10.0.0.3', 'fd00::3'])
  })
})

test('a published service has its record before anything is behind it, and once when something is', () => {
  const service: Service = { id: 's1', network: 'n1', name: 'db', v4: '10.0.0.7' }
  expect(lines([], [service])).toBe('10.0.0.7 db\n10.0.0.7 db.foobar')
  const attached = lines(
    [named('e1', '10.0.0.7', 'mysql', { service: 'db' })],
    [{ ...service, endpoint: 'e1' }],
  )
  expect(attached.match(/ db$/gm)).toHaveLength(1)
})

test('an alias of several containers has all their addresses', () => {
  const all = ['10.0.0.3', '10.0.0.2'].map((ip, i) => named(`e${i}`, ip, `w${i}`, { aliases: ['web'] }))
  expect(lines(all).match(/.* web$/gm)).toEqual(['10.0.0.2 web', '10.0.0.3 web'])
})

describe('without a record', () => {
  test.each<[string, Partial<Endpoint>]>([
    ['an endpoint that has not joined', { joined: false }],
    ['one of another network', { network: 'n2' }],
  ])('%s', (_, more) => {
    expect(lines([named('e1', '10.0.0.2', 'web', more)])).toBe('')
  })

  test('one whose container is not known yet', () => {
    expect(lines([endpoint('n1', 'e1', { joined: true })])).toBe('')
  })

  test('a network that has no name yet, or is not there', () => {
    expect(recordsFor(emptySnapshot(), 'n1')).toEqual([])
    const nameless = applyDeltas(snapshotOf([named('e1', '10.0.0.2', 'web')]), [
      { table: 'networks', key: 'n1', record: { value: network('n1'), index: 2 } },
    ])
    expect(recordsFor(nameless, 'n1')).toEqual([])
  })

  test('an alias that is no word: it would be a line of its own', () => {
    const aliases = ['a b', 'x\n1.2.3.4\tbank', '#no', '', 'x'.repeat(300), 'naïve', 'ok']
    const words = lines([named('e1', '10.0.0.2', 'web', { aliases })]).match(/ \S+$/gm)
    expect(words).toEqual([' web', ' web.foobar', ' ok', ' ok.foobar'])
  })
})

test('a hostname stands behind the name, a short id only where it is asked for', () => {
  const id = '0123456789abcdef0123456789abcdef'
  const snapshot = snapshotOf([
    named('e1', '10.0.0.2', 'mq', { hostname: 'rabbit1', container: { id, name: 'mq' }, aliases: ['queue'] }),
  ])
  const names = (shortIds: boolean) => recordsFor(snapshot, 'n1', shortIds).map(({ name }) => name)
  const without = ['mq', 'mq.foobar', 'rabbit1', 'rabbit1.foobar', 'queue', 'queue.foobar']
  expect(names(false)).toEqual(without)
  expect(names(true)).toEqual([...without, '0123456789ab', '0123456789ab.foobar'])
  const zone = zoneOf(snapshot, 'n1')
  for (const name of ['rabbit1', 'RABBIT1.foobar', '0123456789ab', '0123456789ab.foobar']) {
    expect(zone?.addressesOf(name.toLowerCase())).toEqual(['10.0.0.2'])
  }
  expect(zone?.nameAt('10.0.0.2')).toBe('mq.foobar')
})

describe('a name that cannot be one is left out, and never becomes another', () => {
  test.each(['caf\u00e9', '\u65e5\u672c', 'a b', 'x\ty', 'a/b', '-a', '.a'])(
    'a network called %j',
    (network) => {
      const snapshot = snapshotOf([named('e1', '10.0.0.2', 'web')], [], network)
      const own = /^[.-]/.test(network) ? ['web', `web.${network}`] : ['web']
      expect(recordsFor(snapshot, 'n1').map(({ name }) => name)).toEqual(own)
      const zone = zoneOf(snapshot, 'n1')
      expect(zone?.addressesOf('web')).toEqual(['10.0.0.2'])
      expect(zone?.nameAt('10.0.0.2')).toBe(network === '-a' ? 'web.-a' : 'web')
    },
  )

  test.each(['localhost', 'LOCALHOST', 'localhost.localdomain', 'ip6-loopback', 'caf\u00e9', 'two words'])(
    'an alias or a hostname %j',
    (alias) => {
      const more = [{ aliases: [alias] }, { hostname: alias }]
      for (const each of more) {
        const snapshot = snapshotOf([named('e1', '10.0.0.2', 'web', each)])
        expect(recordsFor(snapshot, 'n1').map(({ name }) => name)).toEqual(['web', 'web.foobar'])
        expect(zoneOf(snapshot, 'n1')?.addressesOf(alias.toLowerCase())).toEqual([])
      }
    },
  )

  test('an alias below localhost is a name, as for the engine: app.localhost of a proxy', () => {
    const snapshot = snapshotOf([named('e1', '10.0.0.2', 'web', { aliases: ['app.localhost'] })])
    expect(recordsFor(snapshot, 'n1').map(({ name }) => name)).toContain('app.localhost')
    expect(zoneOf(snapshot, 'n1')?.addressesOf('app.localhost')).toEqual(['10.0.0.2'])
  })

  test('a label of 64 bytes is in hosts files, and not in DNS', () => {
    const [long, short] = ['x'.repeat(64), 'y'.repeat(63)]
    const snapshot = snapshotOf([named('e1', '10.0.0.2', long, { aliases: [short] })])
    expect(recordsFor(snapshot, 'n1').map(({ name }) => name)).toContain(`${long}.foobar`)
    const zone = zoneOf(snapshot, 'n1')
    expect(zone?.addressesOf(long)).toEqual([])
    expect(zone?.addressesOf(`${short}.foobar`)).toEqual(['10.0.0.2'])
    expect(zone?.nameAt('10.0.0.2')).toBe(`${short}.foobar`)
  })

  test('a name that is too long with its network has no name with it', () => {
    const network = Array.from({ length: 4 }, () => 'n'.repeat(60))
      .join('.')
      .slice(0, 240)
    const snapshot = snapshotOf([named('e1', '10.0.0.2', 'a-name-of-20-letters')], [], network)
    expect(recordsFor(snapshot, 'n1')).toHaveLength(1)
    expect(zoneOf(snapshot, 'n1')?.nameAt('10.0.0.2')).toBe('a-name-of-20-letters')
  })
})

describe('the addresses of one name, for each client', () => {
  const members = Array.from({ length: 6 }, (_, i) =>
    named(`e${i}`, `10.0.0.${i + 2}`, `w${i}`, { aliases: ['web'] }),
  )
  const records = recordsFor(snapshotOf(members), 'n1')
  const orderFor = (client: string, of = records) =>
    recordsForClient(of, client).flatMap(({ ip, name }) => (name === 'web' ? [ip] : []))

  test('every client knows all, and clients begin with different ones, each about as often', () => {
    const first = new Map<string, number>()
    for (let i = 0; i < 600; i++) {
      const order = orderFor(`client-${i}`)
      expect([...order].sort()).toEqual(members.map(({ v4 }) => v4).sort())
      first.set(order[0] ?? '', (first.get(order[0] ?? '') ?? 0) + 1)
    }
    expect(first.size).toBe(6)
    for (const times of first.values()) expect(times).toBeGreaterThan(60)
  })

  test('members whose name differs in case alone are spread, too', () => {
    const cased = ['Web', 'web', 'WEB'].map((name, at) => named(`e${at}`, `10.0.0.${at + 2}`, name))
    const records = recordsFor(snapshotOf(cased), 'n1')
    const first = (client: string) =>
      recordsForClient(records, client).find(({ name }) => name.toLowerCase() === 'web')?.ip
    expect(new Set(Array.from({ length: 50 }, (_, n) => first(`c${n}`))).size).toBe(3)
  })

  test('the same client has the same order, and a member that goes changes no more than its own place', () => {
    const before = orderFor('c')
    expect(orderFor('c')).toEqual(before)
    const without = recordsFor(snapshotOf(members.slice(1)), 'n1')
    expect(orderFor('c', without)).toEqual(before.filter((ip) => ip !== '10.0.0.2'))
  })

  test('names of one address, and the lines of other names, stay where they are', () => {
    const mixed = recordsForClient(records, 'c')
    expect(mixed.map(({ name }) => name)).toEqual(records.map(({ name }) => name))
    expect(mixed.filter(({ name }) => /^w\d/.test(name))).toEqual(
      records.filter(({ name }) => /^w\d/.test(name)),
    )
    const alone = recordsFor(snapshotOf([named('e1', '10.0.0.2', 'web')]), 'n1')
    expect(recordsForClient(alone, 'c')).toBe(alone)
  })
})

describe('while a host is away', () => {
  const far = { host: 'net-9', aliases: ['Api'] }
  const all = [
    named('e1', '10.0.0.2', 'near', { aliases: ['api'], v6: 'fd00::2' }),
    named('e2', '10.0.0.3', 'far', { ...far, v6: 'fd00::3' }),
    named('e3', '10.0.0.4', 'lone', { host: 'net-9', aliases: ['only'] }),
    named('e4', '10.0.0.5', 'pair', { host: 'net-9', aliases: ['only'], service: 'db' }),
  ]
  const service: Service = { id: 's1', network: 'n1', name: 'db', v4: '10.0.0.5', endpoint: 'e4' }
  const inFiles = (name: string, snapshot: ReturnType<typeof snapshotOf>, away: string[]): string[] =>
    recordsFor(snapshot, 'n1', false, new Set(away)).flatMap((it) =>
      it.name.toLowerCase() === name ? [it.ip] : [],
    )
  const both = (name: string, away: string[], snapshot = snapshotOf(all, [service])): string[] => {
    const found = inFiles(name, snapshot, away)
    expect(inFiles(`${name}.foobar`, snapshot, away)).toEqual(found)
    for (const asked of [name, `${name}.foobar`])
      expect(zoneOf(snapshot, 'n1', new Set(away))?.addressesOf(asked)).toEqual(found)
    return found
  }

  test('a name has the members on other hosts, in hosts files and in DNS', () => {
    expect(both('api', [])).toEqual(['10.0.0.2', '10.0.0.3', 'fd00::2', 'fd00::3'])
    expect(both('api', ['net-9'])).toEqual(['10.0.0.2', 'fd00::2'])
  })

  test('a name whose members are all away keeps them', () => {
    expect(both('far', ['net-9'])).toEqual(['10.0.0.3', 'fd00::3'])
    expect(both('only', ['net-9'])).toEqual(['10.0.0.4', '10.0.0.5'])
    expect(both('api', ['net-1', 'net-9'])).toHaveLength(4)
  })

  test('a service is where its endpoint is', () => {
    const snapshot = snapshotOf([...all, named('e5', '10.0.0.6', 'other', { aliases: ['db'] })], [service])
    expect(both('db', [], snapshot)).toEqual(['10.0.0.5', '10.0.0.6'])
    expect(both('db', ['net-9'], snapshot)).toEqual(['10.0.0.6'])
  })
})

test('a published service without a container has its name only while no container has it', () => {
  const service: Service = { id: 's1', network: 'n1', name: 'DB', v4: '10.0.0.7' }
  const own = named('e1', '10.0.0.2', 'db', { host: 'net-9' })
  const addresses = (snapshot: ReturnType<typeof snapshotOf>, away: string[] = []): string[] => {
    const inFiles = recordsFor(snapshot, 'n1', false, new Set(away)).filter(({ name }) => /^db$/i.test(name))
    const inDns = zoneOf(snapshot, 'n1', new Set(away))?.addressesOf('db')
    expect(inFiles.map(({ ip }) => ip)).toEqual(inDns)
    return inDns ?? []
  }
  expect(addresses(snapshotOf([], [service]))).toEqual(['10.0.0.7'])
  expect(addresses(snapshotOf([own], [service]))).toEqual(['10.0.0.2'])
  expect(addresses(snapshotOf([own], [service]), ['net-9'])).toEqual(['10.0.0.2', '10.0.0.7'])
})

test('a container that is called tasks.NAME hides the members of NAME', () => {
  const all = [named('e1', '10.0.0.2', 'db'), named('e2', '10.0.0.3', 'tasks.db')]
  expect(zoneOf(snapshotOf(all), 'n1')?.addressesOf('tasks.db')).toEqual(['10.0.0.3'])
  expect(zoneOf(snapshotOf(all.slice(0, 1)), 'n1')?.addressesOf('tasks.db')).toEqual(['10.0.0.2'])
})

test('a zone finds names in any case, all addresses of a name, and the name of an address', () => {
  const all = [
    named('e1', '10.0.0.2', 'Web', { aliases: ['all'] }),
    named('e2', '10.0.0.3', 'db', { aliases: ['all'] }),
  ]
  const zone = zoneOf(snapshotOf(all), 'n1')
  expect(zone?.addressesOf('web.foobar')).toEqual(['10.0.0.2'])
  expect(zone?.addressesOf('all')).toEqual(['10.0.0.2', '10.0.0.3'])
  expect(zone?.addressesOf('foobar')).toEqual([])
  expect(zone?.nameAt('10.0.0.2')).toBe('Web.foobar')
  expect(zone?.nameAt('10.0.0.4')).toBeUndefined()
  expect(zone?.pools).toEqual(['10.0.0.0/16'])
  expect(zoneOf(snapshotOf(all), 'n2')).toBeUndefined()
})

test('an alias that ends like NAME.NETWORK is that container’s alone, in hosts files and in DNS', () => {
  const snapshot = snapshotOf([
    named('e1', '10.0.0.2', 'db'),
    named('e2', '10.0.0.3', 'proxy', { aliases: ['DB.foobar', 'proxy.foobar'] }),
  ])
  const records = recordsFor(snapshot, 'n1')
  const of = (name: string) => records.filter((it) => it.name.toLowerCase() === name && !it.hidden)
  expect(of('db.foobar').map(({ ip }) => ip)).toEqual(['10.0.0.3'])
  expect(of('db').map(({ ip }) => ip)).toEqual(['10.0.0.2'])
  expect(of('proxy.foobar').map(({ ip }) => ip)).toEqual(['10.0.0.3'])
  expect(records).toContainEqual({ ip: '10.0.0.2', name: 'db.foobar', hidden: true })
  const zone = zoneOf(snapshot, 'n1')
  expect(zone?.addressesOf('db.foobar')).toEqual(['10.0.0.3'])
  expect(zone?.addressesOf('db')).toEqual(['10.0.0.2'])
  expect(zone?.addressesOf('tasks.db.foobar')).toEqual(['10.0.0.3'])
})

test('DNS says what hosts files say, before and after a change', () => {
  const service: Service = { id: 's', network: 'n1', name: 'front', v4: '10.0.0.9', v6: 'fd00::9' }
  const before = snapshotOf(
    [
      named('e1', '10.0.0.10', 'Web', { aliases: ['all', 'b.foobar', 'no word'], v6: 'fd00::10' }),
      named('e2', '10.0.0.9', 'db', { aliases: ['all', 'ALL'], service: 'front' }),
      named('e3', '10.0.0.3', 'web'),
      endpoint('n1', 'e4', { v4: '10.0.0.4' }),
    ],
    [service],
  )
  expect(zoneOf(before, 'n1')?.nameAt('10.0.0.9')).toBe('db.foobar')
  const renamed = named('e3', '10.0.0.3', 'other', { aliases: ['all'] })
  const after = applyDeltas(before, [
    { table: 'endpoints', key: 'n1/e3', record: { value: renamed, index: 2 } },
    { table: 'endpoints', key: 'n1/e2', record: undefined },
  ])
  expect(zoneOf(after, 'n1')?.nameAt('10.0.0.9')).toBe('front.foobar')
  for (const snapshot of [before, after]) {
    const records = recordsFor(snapshot, 'n1')
    const names = new Set(records.map(({ name }) => name.toLowerCase()))
    for (const name of names) {
      const own = records.filter((it) => it.name.toLowerCase() === name && !it.hidden).map(({ ip }) => ip)
      expect(zoneOf(snapshot, 'n1')?.addressesOf(name), name).toEqual([...new Set(own)])
    }
  }
  expect(zoneOf(after, 'n1')?.addressesOf('db')).toEqual([])
})

test('endpoints without a name do not count towards a full hosts file', () => {
  expect(namedEndpoints(snapshotOf([named('e1', '10.0.0.2', 'a'), endpoint('n1', 'e2')]), 'n1')).toBe(1)
})
