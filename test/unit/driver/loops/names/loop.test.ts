/** Names in hosts files: what the loop does with real files, a store in memory and an engine that only tells. */
import {
  appendFileSync,
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { setImmediate as nextTurn, setTimeout } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { DriverError } from '../../../../../driver/core/errors.ts'
import type { Change, Endpoint } from '../../../../../driver/core/records.ts'
import type { EngineContainer, EngineNetwork } from '../../../../../driver/engine/engine.ts'
import type { WatchFile } from '../../../../../driver/loops/kit/watch-file.ts'
import { createClientNetworks } from '../../../../../driver/loops/names/client-networks.ts'
import { type NamesLoop, type NamesOptions, startNames } from '../../../../../driver/loops/names/loop.ts'
import { keepNameRecords, type NameRecords } from '../../../../../driver/loops/names/network-lines.ts'
import type { Store } from '../../../../../driver/store/store.ts'
import { fastestOf } from '../../../../fixtures/fastest-of.ts'
import { type Entry, readableLog } from '../../../../fixtures/log.ts'
import { createMemoryCluster, type MemoryCluster } from '../../../../fixtures/memory-store.ts'
import { createNetwork, endpoint } from '../../../../fixtures/store-records.ts'
import { temporaryFolder } from '../../../../fixtures/temporary-folder.ts'
import { until } from '../../../../fixtures/until.ts'

type Attachment = EngineContainer['attachments'][number]

const engineLines = '127.0.0.1\tlocalhost\n172.18.0.2\t0b194846e7b4\n'

let folder: string
let memory: MemoryCluster
let store: Store
let elsewhere: Store
let records: NameRecords
let loop: NamesLoop
let entries: Entry[]
let containers: Map<string, EngineContainer>
/** Names of the engine's bridges that are internal. */
let internalBridges: string[]
/** By name: networks of this host alone that are no bridges. */
let otherNetworks: Record<string, Pick<EngineNetwork, 'driver' | 'options'>>
let engineAway: boolean
/** Inspections. */
let asked: number
/** A container that the engine does not tell about: `docker cp` holds its lock. */
let locked: string | undefined
/** The engine's answer about a container, as it was when it was asked for, waits for this. */
let held: Promise<void> | undefined
let answers: boolean
let away: ReadonlySet<string>

const pathOf = (id: string): string => join(folder, id, 'hosts')
const fileOf = (id: string): string => readFileSync(pathOf(id), 'latin1')
/** Our lines in a container's file, without addresses' first three numbers. */
const namesIn = (id: string): string =>
  (fileOf(id).match(/^10\.0\.0\..*$/gm) ?? []).map((line) => line.slice(7).replace('\t', ' ')).join(', ')

function container(id: string, more: Partial<EngineContainer> = {}): void {
  mkdirSync(join(folder, id), { recursive: true })
  writeFileSync(pathOf(id), engineLines)
  const hostsPath = pathOf(id)
  containers.set(id, {
    ...{ id, name: id, running: true, hostname: '', hostsPath, mounts: [], dns: [] },
    attachments: [],
    ...more,
  })
}
/** A connection: to a bridge of that name on this host, or to a network of the cluster. */
const on = (name: string, more: Partial<Attachment> = {}): Attachment => ({
  ...{ network: `id-${name}`, name, endpoint: 'e', v4: '172.20.0.2', mac: '', aliases: [], links: [] },
  ...{ dnsNames: [], hasGateway: !internalBridges.includes(name), priority: 0 },
  ...more,
})
const started = (id: string): void =>
  loop.onEvent({ type: 'container', action: 'start', id, attributes: { name: id } })

const joins = (name: string, last: number, more: Partial<Endpoint> = {}): Change => {
  const network = more.network ?? 'n1'
  return {
    op: 'create',
    table: 'endpoints',
    key: `${network}/e-${name}`,
    value: endpoint(network, `e-${name}`, {
      v4: `10.0.0.${last}`,
      joined: true,
      container: { id: name, name },
      ...more,
    }),
  }
}
const linked = (target: string, alias: string, endpoint = 'e-web'): Partial<EngineContainer> => ({
  attachments: [on('local', { endpoint, links: [{ target, alias }] })],
})
const leave = (name: string, network = 'n1'): Change => ({
  op: 'drop',
  table: 'endpoints',
  key: `${network}/e-${name}`,
})

function start(more: Partial<NamesOptions> = {}): void {
  const readable = readableLog()
  entries = readable.entries
  const engine = {
    running: async () => {
      if (engineAway) throw new DriverError('unavailable', 'dockerd is away')
      return [...containers.values()].filter(({ running }) => running).map(({ id }) => id)
    },
    container: async (id: string) => {
      asked += 1
      if (engineAway) throw new DriverError('unavailable', 'dockerd is away')
      if (id === locked) return new Promise<undefined>(() => undefined)
      const found = structuredClone(containers.get(id))
      await held
      return found
    },
    containersFolder: async () => folder,
    configuredContainer: async (id: string) => {
      const { name, attachments } = containers.get(id) as EngineContainer
      return {
        name,
        networks: attachments.map(({ network, name }) => ({ name, id: network, addresses: [] })),
      }
    },
    async network(id: string) {
      const name = id.slice('id-'.length)
      const isOurs = [...store.snapshot().networks.values()].some(({ value }) => value.name === name)
      const plain = { driver: isOurs ? 'vxlan' : 'bridge', options: {} }
      return { ...plain, ...otherNetworks[name], internal: internalBridges.includes(name) } as EngineNetwork
    },
  }
  const networks = createClientNetworks({ store, engine, host: 'net-1' })
  loop = startNames({
    ...{ store, engine, records, networks, host: 'net-1', hostsFileLimit: 500, log: readable.log },
    fileRoot: '',
    everyMs: 20,
    unwatchedEveryMs: 20,
    dnsAddress: '169.254.255.53',
    dnsAnswers: () => answers,
    ...more,
  })
}

beforeEach(async () => {
  folder = temporaryFolder()
  containers = new Map()
  ;[engineAway, answers, locked, held, away] = [false, true, undefined, undefined, new Set()]
  internalBridges = []
  otherNetworks = {}
  asked = 0
  memory = createMemoryCluster()
  store = memory.open('net-1')
  elsewhere = memory.open('net-2')
  records = keepNameRecords(store, () => away)
  await store.commit([
    createNetwork('n1', { name: 'foobar' }),
    { op: 'create', table: 'network-names', key: 'foobar', value: 'n1' },
    {
      op: 'create',
      table: 'hosts',
      key: 'net-1',
      value: { vtep: '192.168.33.11', driverVersion: '0' },
    },
  ])
})
afterEach(async () => {
  await loop.close()
  records.close()
  await Promise.all([store.close(), elsewhere.close()])
})

describe('a container that the engine is starting', () => {
  const starting = async (...attachments: Attachment[]): Promise<void> => {
    container('web', { attachments })
    locked = 'web'
    start()
    await store.commit([joins('web', 2)])
    await elsewhere.commit([joins('db', 3, { host: 'net-2' })])
    connected()
  }
  const connected = (): void =>
    loop.onEvent({ type: 'network', action: 'connect', id: 'n1', attributes: { container: 'web' } })
  const all = '2 web, 2 web.foobar, 3 db, 3 db.foobar'

  test('has all names before the engine describes it, each time that the engine has written its file', async () => {
    await starting(on('foobar', { network: 'n1' }))
    await until('it knows all names', () => namesIn('web') === all)
    const writtenAgain = (): Promise<void> => {
      writeFileSync(pathOf('web'), engineLines)
      return until('it knows them again', () => namesIn('web') === all)
    }
    expect(await fastestOf(3, writtenAgain)).toBeLessThan(200)
  })

  test('has them at its first start, when its networks have no ids yet', async () => {
    await starting(on('foobar', { network: '' }))
    await until('it knows all names', () => namesIn('web') === all)
  })

  test('waits for that when it is on a bridge too, whose names may come first', async () => {
    await starting(on('foobar', { network: 'n1' }), on('local'))
    await setTimeout(60)
    expect(namesIn('web')).toBe('')
  })

  test('is forgotten when its start fails', async () => {
    let release = (): void => undefined
    held = new Promise((resolve) => {
      release = resolve
    })
    await starting(on('foobar', { network: 'n1' }))
    containers.set('web', { ...(containers.get('web') as EngineContainer), running: false })
    locked = undefined
    release()
    loop.poke()
    await until('it is no file of ours', () => loop.status().files === 0)
  })

  test('and has a file of the user’s is left alone when the engine describes it, which is said', async () => {
    let release = (): void => undefined
    held = new Promise((resolve) => {
      release = resolve
    })
    container('web', {
      attachments: [on('foobar', { network: 'n1' })],
      mounts: [{ destination: '/etc/hosts', source: '/x' }],
    })
    const watched = new Set<string>()
    start({
      watch(path) {
        watched.add(path)
        return { close: () => watched.delete(path) }
      },
    })
    await store.commit([joins('web', 2)])
    connected()
    await until('the engine’s file has its names', () => namesIn('web') !== '')
    release()
    await until('it is said', () => entries.some(({ message }) => message === 'hosts file is left alone'))
    expect([...watched]).toEqual([])
  })
})

describe('a container with --link TARGET:ALIAS', () => {
  const withLink = async (target: string, ...others: Change[]): Promise<void> => {
    container('web', linked(target, 'DB'))
    start()
    await store.commit([joins('web', 2)])
    await elsewhere.commit([joins('pg', 3, { host: 'net-2' }), ...others])
    started('web')
  }

  test('knows the target by the alias, until the target leaves', async () => {
    await withLink('pg')
    const own = '2 web, 2 web.foobar, 3 pg, 3 pg.foobar'
    await until('it knows the alias', () => namesIn('web') === `${own}, 3 DB db, 3 DB.foobar db.foobar`)
    await elsewhere.commit([leave('pg')])
    await until('the alias is gone', () => namesIn('web') === '2 web, 2 web.foobar')
  })

  test('reaches the target and not a container that has the alias as its name', async () => {
    await withLink('pg', joins('db', 4, { host: 'net-2' }))
    const own = '2 web, 2 web.foobar, 3 pg, 3 pg.foobar'
    await until(
      'the alias is the target’s',
      () => namesIn('web') === `${own}, 3 DB db, 3 DB.foobar db.foobar`,
    )
  })

  test('knows it by a short id, in a network that is left to DNS too', async () => {
    const id = 'abcdef012345'.padEnd(64, '0')
    container('web', linked('ABCDEF012345', 'db'))
    start({ hostsFileLimit: 0 })
    await store.commit([joins('web', 2), joins('pg', 3, { container: { id, name: 'pg' } })])
    started('web')
    await until('it knows the alias', () => namesIn('web') === '3 db, 3 db.foobar')
  })

  test('knows by it a target whose name is too long for DNS', async () => {
    const long = 'p'.repeat(64)
    await withLink(long.toUpperCase(), joins('p2', 5, { host: 'net-2', aliases: [long] }))
    await until('it knows the alias', () => namesIn('web').endsWith('5 DB db, 5 DB.foobar db.foobar'))
  })

  test('has the name of its next network while the target is away, and the target’s address when it is there', async () => {
    await store.commit([
      createNetwork('n2', { name: 'zz', vni: 257 }),
      joins('in', 7, { network: 'n2', container: { id: 'web', name: 'web' } }),
    ])
    const next = joins('p2', 9, { network: 'n2', host: 'net-2', aliases: ['db', 'db.foobar'] })
    await withLink('pg', joins('db', 4, { host: 'net-2' }), next)
    const named = () => namesIn('web').match(/\d+ DB(?=[ ,])|\d+ db(\.foobar)?(?=,|$)/g) ?? []
    await until('it knows the target', () => namesIn('web').includes('3 DB db'))
    expect(named()).toEqual(['3 DB'])
    await elsewhere.commit([leave('pg')])
    await until('it knows the next one', () => !namesIn('web').includes('3 '))
    expect(named()).toEqual(['9 db', '9 db.foobar'])
  })

  test('that is connected with it while it runs', async () => {
    container('web')
    start()
    await store.commit([joins('web', 2), joins('pg', 3)])
    started('web')
    await until('it knows pg', () => namesIn('web').endsWith('3 pg.foobar'))
    Object.assign(containers.get('web') ?? {}, linked('pg', 'db'))
    const attributes = { container: 'web' }
    loop.onEvent({ type: 'network', action: 'connect', id: 'local', attributes })
    await until('it knows the alias', () => namesIn('web').endsWith('3 pg.foobar, 3 db, 3 db.foobar'))
    expect(loop.linksOf('web')).toEqual([{ endpoint: 'e-web', target: 'pg', alias: 'db' }])
  })
})

describe('a container', () => {
  beforeEach(async () => {
    container('web')
    start()
    await store.commit([joins('web', 2)])
    started('web')
    await until('it knows itself', () => namesIn('web') === '2 web, 2 web.foobar')
  })

  test('knows a container that joins elsewhere, until that one leaves', async () => {
    await elsewhere.commit([joins('db', 3, { host: 'net-2', aliases: ['sql'] })])
    await until('it knows db', () =>
      namesIn('web').endsWith('web.foobar, 3 db, 3 db.foobar, 3 sql, 3 sql.foobar'),
    )
    await elsewhere.commit([leave('db')])
    await until('it has forgotten db', () => namesIn('web') === '2 web, 2 web.foobar')
  })

  test('keeps its file, and what others have written into it', async () => {
    const { ino } = statSync(pathOf('web'))
    appendFileSync(pathOf('web'), '1.2.3.4\tmine\n')
    await elsewhere.commit([joins('db', 3)])
    await until('it knows db', () => namesIn('web').includes('db'))
    await elsewhere.commit([leave('db')])
    await until('it has forgotten db', () => !namesIn('web').includes('db'))
    expect(fileOf('web')).toBe(
      `${engineLines}# multihost: begin\n10.0.0.2\tweb\n10.0.0.2\tweb.foobar\n# multihost: end\n1.2.3.4\tmine\n`,
    )
    expect(statSync(pathOf('web')).ino).toBe(ino)
  })

  test('has its names again after the engine has made its file anew', async () => {
    writeFileSync(pathOf('web'), engineLines)
    started('web')
    await until('it knows itself', () => namesIn('web') === '2 web, 2 web.foobar')
  })

  test('has its names again after another writer has taken them out, without an event', async () => {
    writeFileSync(pathOf('web'), engineLines)
    await until('it knows itself', () => namesIn('web') === '2 web, 2 web.foobar')
  })

  test('whose file is empty for a moment is waited for', async () => {
    writeFileSync(pathOf('web'), '')
    await elsewhere.commit([joins('db', 3)])
    writeFileSync(pathOf('web'), engineLines)
    await until('it knows db', () => namesIn('web').includes('db'))
    expect(fileOf('web').startsWith(engineLines)).toBe(true)
  })

  test('whose file was emptied for good has its names in it', async () => {
    writeFileSync(pathOf('web'), '')
    await until('it knows itself', () => namesIn('web') === '2 web, 2 web.foobar')
  })

  test('follows a rename', async () => {
    const before = store.snapshot().endpoints.get('n1/e-web')
    const value = endpoint('n1', 'e-web', {
      v4: '10.0.0.2',
      joined: true,
      container: { id: 'web', name: 'site' },
    })
    await store.commit([
      { op: 'update', table: 'endpoints', key: 'n1/e-web', value, index: before?.index ?? 0 },
    ])
    await until('it has its new name', () => namesIn('web') === '2 site, 2 site.foobar')
  })

  test('that is disconnected has the engine’s file again', async () => {
    await store.commit([leave('web')])
    await until('the names are gone', () => fileOf('web') === engineLines)
  })

  test('that has stopped is left as it is', async () => {
    containers.set('web', { ...(containers.get('web') as EngineContainer), running: false })
    loop.onEvent({ type: 'container', action: 'die', id: 'web', attributes: {} })
    const before = fileOf('web')
    await store.commit([leave('web')])
    container('other')
    await store.commit([joins('other', 4)])
    started('other')
    await until('the other is done', () => namesIn('other') !== '')
    expect(fileOf('web')).toBe(before)
  })

  test('is written while the engine is away', async () => {
    engineAway = true
    loop.poke()
    await elsewhere.commit([joins('db', 3)])
    await until('it knows db', () => namesIn('web').includes('db'))
    await until('the loop says so', () => loop.status().state === 'failing')
  })

  test('costs nothing when another network changes', async () => {
    await elsewhere.commit([
      createNetwork('n2', { name: 'other', vni: 257 }),
      joins('db', 3, { network: 'n2' }),
    ])
    container('late')
    await store.commit([joins('late', 4)])
    started('late')
    await until('they know each other', () => namesIn('web').includes('late') && namesIn('late') !== '')
    await until('the loop has run', () => loop.status().state === 'idle')
    expect(loop.status()).toMatchObject({ files: 2, writes: 3, skipped: [], dnsOnly: [] })
  })
})

test('a container that is locked holds up no other one’s names', async () => {
  container('stuck')
  container('web')
  locked = 'stuck'
  await store.commit([joins('stuck', 2), joins('web', 3)])
  start()
  await until('the other one has names', () => namesIn('web').includes('3 web.foobar'))
  expect(namesIn('stuck')).toBe('')
})

test('clients of one alias begin with different members', async () => {
  const ids = Array.from({ length: 12 }, (_, i) => `client-${i}`)
  for (const id of ids) container(id)
  const members = ['m1', 'm2'].map((name, i) => joins(name, i + 100, { aliases: ['pool'], host: 'net-2' }))
  await store.commit([...ids.map((id, i) => joins(id, i + 2)), ...members])
  start()
  const first = (id: string) => /(\d+)\tpool\n/.exec(fileOf(id))?.[1]
  await until('all know it', () => ids.every((id) => first(id) !== undefined))
  expect(new Set(ids.map(first)).size).toBe(2)
})

test.each<[string, Partial<EngineContainer>, boolean, string?]>([
  ['servers of its own', { dns: ['192.0.2.1'] }, true],
  ['ours after another one', { dns: ['192.0.2.1', '169.254.255.53'] }, true],
  ['a resolv.conf of its own', { mounts: [{ destination: '/etc/resolv.conf', source: '/x' }] }, true],
  ['ours alone', { dns: ['169.254.255.53'] }, false],
  ['the engine’s servers', {}, false],
  ['the engine’s servers, which are ours', {}, false, '# ExtServers: [169.254.255.53 10.0.0.2]\n'],
  ['the engine’s servers, of daemon.json', {}, true, '# ExtServers: [10.0.0.2 169.254.255.53]\n'],
  ['the host’s servers', {}, true, '# ExtServers: [host(10.0.0.2)]\n'],
  ['--dns-opt ndots:1', {}, true, 'nameserver 127.0.0.11\noptions ndots:1\n'],
])('a container with %s has in its file what DNS does not answer it', async (_, more, hasAll, resolvConf) => {
  const resolvConfPath = join(folder, 'web', 'resolv.conf')
  container('web', { ...more, resolvConfPath })
  if (resolvConf !== undefined) writeFileSync(resolvConfPath, resolvConf)
  container('odd', { hostname: 'odd' })
  await store.commit([joins('web', 2), joins('odd', 3)])
  await elsewhere.commit([
    joins('db', 4, { host: 'net-2', container: { id: '0b194846e7b4d00d', name: 'db' } }),
  ])
  start()
  const hasShortId = (id: string) => namesIn(id).includes('4 0b194846e7b4')
  await until('both files are written', () => namesIn('web').includes('4 db') && namesIn('odd') !== '')
  expect([hasShortId('web'), hasShortId('odd')]).toEqual([hasAll, false])
  await loop.close()

  start({ hostsFileLimit: 1 })
  await until('the other file is DNS’s', () => fileOf('odd') === engineLines)
  await until('its own is not, or is', () => namesIn('web').includes('4 db.foobar') === hasAll)
})

test('members on a host that is away are left out, and are back with the host, in one writing each', async () => {
  container('web')
  const members = [joins('near', 3), joins('far', 4, { host: 'net-2' })]
  for (const member of members) if (member.op === 'create') Object.assign(member.value, { aliases: ['api'] })
  await store.commit([joins('web', 2), ...members])
  start()
  const api = () => (fileOf('web').match(/\d+(?=\tapi$)/gm) ?? []).sort().join(' ')
  await until('all are known', () => api() === '3 4')
  const before = loop.status().writes
  away = new Set(['net-2'])
  loop.awayChanged()
  await until('the member is left out', () => api() === '3')
  expect(namesIn('web'), 'a name without another member').toContain('4 far.foobar')
  expect(loop.differing()).toEqual([])
  away = new Set()
  loop.awayChanged()
  await until('the member is back', () => api() === '3 4')
  expect(loop.status().writes - before).toBe(2)
})

test('a container on two networks knows both, and a name of both by the first network alone', async () => {
  container('web')
  await store.commit([
    createNetwork('n2', { name: 'another', vni: 257 }),
    joins('web', 2),
    joins('web', 9, { network: 'n2' }),
    joins('db', 10, { network: 'n2', host: 'net-2' }),
  ])
  start()
  await until(
    'it knows both',
    () => namesIn('web') === '9 web, 9 web.another, 10 db, 10 db.another, 2 web.foobar',
  )
  expect(loop.differing()).toEqual([])
})

describe('a name that two networks of a container have', () => {
  const aliases = ['db']
  const file = (): string => (namesIn('app').match(/\d+ db(\.\S+)?(?=,|$)/g) ?? []).join(', ')
  const twoNetworks = async (internal: boolean): Promise<void> => {
    await store.commit([
      createNetwork('n2', { name: 'aa', vni: 257, internal }),
      joins('app', 2),
      joins('app', 9, { network: 'n2' }),
      joins('d1', 10, { network: 'n2', host: 'net-2', aliases }),
      joins('d2', 3, { host: 'net-2', aliases }),
    ])
  }

  test.each<[string, boolean, Attachment[], string]>([
    ['the first name', false, [], '10 db, 10 db.aa, 3 db.foobar'],
    ['the one that is not internal', true, [], '3 db, 3 db.foobar, 10 db.aa'],
  ])('is that of %s', async (_, internal, attachments, expected) => {
    container('app', { attachments })
    await twoNetworks(internal)
    start()
    await until('it knows both', () => file() === expected)
    expect(loop.differing()).toEqual([])
  })

  test('is that of the one with the higher priority, also when it is connected later', async () => {
    container('app')
    await twoNetworks(false)
    start()
    await until('it knows both', () => file() === '10 db, 10 db.aa, 3 db.foobar')
    Object.assign(containers.get('app') as object, { attachments: [on('foobar', { priority: 1 }), on('aa')] })
    loop.onEvent({ type: 'network', action: 'connect', id: 'n1', attributes: { container: 'app' } })
    await until('the order is another', () => file() === '3 db, 3 db.foobar, 10 db.aa')
  })

  test('is that of the first one alone, also when another one has it with IPv6', async () => {
    container('app')
    await twoNetworks(false)
    await elsewhere.commit([joins('d3', 4, { v6: 'fd00::4', host: 'net-2', aliases: ['db'] })])
    start()
    const lines = () =>
      fileOf('app')
        .match(/^#?\S+(?=\tdb$)/gm)
        ?.sort()
    await until('all are there', () => lines()?.length === 4)
    expect(lines()).toEqual(['#10.0.0.3', '#10.0.0.4', '#fd00::4', '10.0.0.10'])
    expect(loop.differing()).toEqual([])
  })

  test('is not in the file with IPv6 either when the first one is left to DNS', async () => {
    container('app')
    await twoNetworks(false)
    await elsewhere.commit([
      joins('d3', 4, { v6: 'fd00::4', host: 'net-2', aliases: ['db'] }),
      ...[20, 21, 22].map((last) => joins(`more${last}`, last, { network: 'n2', host: 'net-2' })),
    ])
    start({ hostsFileLimit: 3 })
    await until(
      'the second one is there',
      () => file().split(', ').sort().join() === '3 db.foobar,4 db.foobar',
    )
    expect(fileOf('app')).toContain('\n#fd00::4\tdb\n')
  })

  test('is not in the file when the first one is left to DNS', async () => {
    container('app')
    await twoNetworks(false)
    await elsewhere.commit(
      [20, 21, 22].map((last) => joins(`more${last}`, last, { network: 'n2', host: 'net-2' })),
    )
    start({ hostsFileLimit: 3 })
    await until('the second one is there', () => file() === '3 db.foobar')
  })
})

describe('a name that a bridge of the engine’s has', () => {
  const own = (id: string, names: string[]): void =>
    container(id, { attachments: [on('own', { dnsNames: [id, ...names] })] })
  const knowsDb = () => fileOf('app').includes('\n10.0.0.3\tdb\n')

  beforeEach(async () => {
    await store.commit([joins('app', 2), joins('p2', 3, { host: 'net-2', aliases: ['db'] })])
  })

  test('is the bridge’s while a container there has it', async () => {
    own('p1', [])
    container('app', { attachments: [on('own', { dnsNames: ['app'] }), on('foobar')] })
    start()
    await until('it knows that of ours', knowsDb)
    own('p1', ['DB'])
    loop.onEvent({ type: 'network', action: 'connect', id: 'own', attributes: { container: 'p1' } })
    await until('ours is hidden', () => fileOf('app').includes('\n#10.0.0.3\tdb\n'))
    expect(namesIn('app')).toContain('3 db.foobar')
    expect(loop.differing()).toEqual([])
    containers.delete('p1')
    loop.onEvent({ type: 'container', action: 'die', id: 'p1', attributes: {} })
    await until('it knows that of ours again', knowsDb)
  })

  test('is that of an overlay network of Swarm’s, which the engine asks before all others', async () => {
    otherNetworks = { own: { driver: 'overlay', options: {} } }
    own('p1', ['db'])
    const attachments = [on('own', { dnsNames: ['app'], hasGateway: false }), on('foobar', { priority: 1 })]
    container('app', { attachments })
    start()
    await until('ours is hidden', () => fileOf('app').includes('\n#10.0.0.3\tdb\n'))
    expect(namesIn('app')).toContain('3 db.foobar')
  })

  test('is the target’s of a link on the bridge while that runs, wherever the bridge comes in the order', async () => {
    internalBridges = ['own']
    own('pg', [])
    const links = [{ target: 'PG', alias: 'DB' }]
    container('app', { attachments: [on('own', { dnsNames: ['app'], links }), on('foobar')] })
    start()
    await until('ours is hidden', () => fileOf('app').includes('\n#10.0.0.3\tdb\n'))
    containers.delete('pg')
    loop.onEvent({ type: 'container', action: 'die', id: 'pg', attributes: {} })
    await until('it knows that of ours', knowsDb)
  })

  test('is ours while a link on the bridge has it as its alias and the target is not there', async () => {
    own('p1', ['db'])
    own('other', [])
    const links = [{ target: 'other', alias: 'db' }]
    container('app', { attachments: [on('own', { dnsNames: ['app'], links }), on('foobar')] })
    start()
    await until('the target’s is hidden', () => fileOf('app').includes('\n#10.0.0.3\tdb\n'))
    containers.delete('other')
    loop.onEvent({ type: 'container', action: 'die', id: 'other', attributes: {} })
    await until('it knows that of ours', knowsDb)
  })

  test('is ours when the bridge is internal', async () => {
    internalBridges = ['own']
    own('p1', ['db'])
    container('app', { attachments: [on('own', { dnsNames: ['app'] }), on('foobar')] })
    start()
    await until('it knows that of ours', knowsDb)
  })

  test('is ours for a container that is not on the bridge', async () => {
    own('p1', ['db'])
    container('app', { attachments: [on('foobar')] })
    start()
    await until('it knows that of ours', knowsDb)
  })

  test.each<[string, Partial<EngineContainer>, boolean]>([
    ['ours for', { mounts: [{ destination: '/etc/resolv.conf', source: '/x' }] }, false],
    ['the bridge’s for', { dns: ['192.0.2.1'] }, true],
  ])('is %s a container with %j', async (_, more, isHidden) => {
    own('p1', ['db'])
    const attachments = [on('own', { dnsNames: ['app'] }), on('foobar')]
    container('app', { attachments, ...more })
    container('other', { attachments })
    await store.commit([joins('other', 4)])
    start()
    await until('p1 is known', () => fileOf('other').includes('\n#10.0.0.3\tdb\n'))
    await until('app is written', () => namesIn('app') !== '' && loop.differing().length === 0)
    expect(knowsDb()).toBe(!isHidden)
  })

  test('is the bridge’s for a container that is connected to it while it runs', async () => {
    own('p1', ['db'])
    container('app', { attachments: [on('foobar')] })
    start()
    await until('it knows that of ours', knowsDb)
    Object.assign(containers.get('app') as object, { attachments: [on('foobar'), on('own')] })
    loop.onEvent({ type: 'network', action: 'connect', id: 'own', attributes: { container: 'app' } })
    await until('ours is hidden', () => fileOf('app').includes('\n#10.0.0.3\tdb\n'))
  })
})

test('a container that was disconnected before the loop ran is cleaned', async () => {
  container('web')
  writeFileSync(pathOf('web'), `${engineLines}# multihost: begin\n10.0.0.2\tweb\n# multihost: end\n`)
  start()
  await until('the names are gone', () => fileOf('web') === engineLines)
})

test.each<[string, Partial<EngineContainer>, RegExp]>([
  [
    'a file of the user’s',
    { hostsPath: '/etc/hosts', mounts: [{ destination: '/etc/hosts', source: '/etc/hosts' }] },
    /is mounted over/,
  ],
  ['no file', { hostsPath: undefined } as object, /made no hosts file/],
  ['a file elsewhere', { hostsPath: '/etc/hosts' }, /is \/etc\/hosts, which is not the engine’s/],
])('a container with %s is left alone, which is said once', async (_, more, reason) => {
  container('odd', more)
  container('web')
  await store.commit([joins('odd', 2), joins('web', 3)])
  start()
  await until('web is done', () => namesIn('web') !== '')
  await store.commit([joins('db', 4)])
  await until('web knows db', () => namesIn('web').includes('db'))
  expect(fileOf('odd')).toBe(engineLines)
  expect(entries.filter(({ level }) => level === 'warn')).toMatchObject([
    { message: 'hosts file is left alone' },
  ])
  expect(loop.status().skipped).toMatchObject([{ name: 'odd', reason: expect.stringMatching(reason) }])
})

test('a file that cannot be written is reported once, holds up no other file, and is written when it can be', async () => {
  container('bad')
  rmSync(pathOf('bad'))
  mkdirSync(pathOf('bad'))
  container('web')
  await store.commit([joins('bad', 2), joins('web', 3)])
  start()
  await until('web is done', () => namesIn('web') !== '')
  await until('it is reported', () => loop.status().skipped.length === 1)
  rmSync(pathOf('bad'), { recursive: true })
  writeFileSync(pathOf('bad'), engineLines)
  await until('it is written', () => namesIn('bad') !== '')
  expect(loop.status().skipped).toEqual([])
  expect(entries.filter(({ level }) => level === 'warn')).toHaveLength(1)
})

describe('without a look at intervals', () => {
  const knowsItself = () => namesIn('web') === '2 web, 2 web.foobar'
  const begin = async (more: Partial<NamesOptions> = {}): Promise<void> => {
    container('web')
    start({ everyMs: 60_000, unwatchedEveryMs: 60_000, ...more })
    await store.commit([joins('web', 2)])
    started('web')
    await until('it knows itself', knowsItself)
  }
  const renamed = (): void => {
    writeFileSync(`${pathOf('web')}.new`, engineLines)
    renameSync(`${pathOf('web')}.new`, pathOf('web'))
  }
  const removed = (): void => {
    rmSync(pathOf('web'))
    writeFileSync(pathOf('web'), engineLines)
  }

  test.each<[string, () => void]>([
    ['in place', () => writeFileSync(pathOf('web'), engineLines)],
    ['by a rename', renamed],
    ['after its removal', removed],
    [
      'by the removal of our lines, as by docker network disconnect',
      () => writeFileSync(pathOf('web'), '127.0.0.1\tlocalhost\n'),
    ],
  ])('a hosts file that is written anew %s has its names again, each time', async (_, write) => {
    await begin()
    for (let times = 0; times < 3; times++) {
      write()
      await until('it knows itself again', knowsItself)
    }
    write()
    renamed()
    removed()
    await until('it knows itself in the end', knowsItself)
  })

  test('a file that a mount keeps alive is followed to the file that took its place', async () => {
    await begin()
    linkSync(pathOf('web'), join(folder, 'mounted'))
    for (let times = 0; times < 2; times++) {
      renamed()
      await until('it knows itself again', knowsItself)
    }
  })

  test('a file that changes all the time is looked at a few times a second', async () => {
    let told = (): void => undefined
    let looks = 0
    let wakes = 0
    const watch: WatchFile = (_path, changed) => {
      const tell = (): void => {
        wakes += 1
        changed('change')
      }
      told = tell
      return {
        close() {
          if (told === tell) told = () => undefined
        },
      }
    }
    await begin({ watch })
    const { writes } = loop.status()
    const end = performance.now() + 600
    while (performance.now() < end) {
      writeFileSync(pathOf('web'), engineLines)
      told()
      looks += 1
      await nextTurn()
    }
    await until('it knows itself', knowsItself)
    expect(looks).toBeGreaterThan(20)
    expect(wakes, 'times that the kernel tells').toBeLessThan(6)
    expect(loop.status().writes - writes).toBeLessThan(6)
  })

  test('files that the kernel cannot watch are looked at more often, which is said once', async () => {
    let isFull = true
    const watched = new Set<string>()
    const watch: WatchFile = (path) => {
      if (!isFull) {
        watched.add(path)
        return { close: () => undefined }
      }
      throw Object.assign(new Error(`ENOSPC: no space left, watch '${path}'`), { code: 'ENOSPC' })
    }
    container('db')
    await begin({ unwatchedEveryMs: 20, watch })
    await store.commit([joins('db', 3)])
    started('db')
    await until('db has names', () => namesIn('db') !== '')
    for (let times = 0; times < 2; times++) {
      writeFileSync(pathOf('web'), engineLines)
      await until('it knows itself again', () => namesIn('web').includes('2 web.foobar'))
    }
    expect(entries.filter(({ level }) => level === 'warn')).toMatchObject([
      { message: 'hosts files cannot be watched: they are looked at more often' },
    ])
    isFull = false
    await until('both are watched', () => watched.size === 2)
  })

  test('a container that does not run, or is on no network, has no watch', async () => {
    const watched = new Set<string>()
    const watch: WatchFile = (path) => {
      watched.add(path)
      return { close: () => void watched.delete(path) }
    }
    container('alone')
    await begin({ watch })
    expect([...watched]).toEqual([pathOf('web')])
    loop.onEvent({ type: 'container', action: 'die', id: 'web', attributes: {} })
    expect(watched.size).toBe(0)
    started('web')
    await until('it is watched again', () => watched.size === 1)
    await store.commit([leave('web')])
    await until('it is not watched', () => watched.size === 0)
  })

  test('a container that could not be inspected is inspected again', async () => {
    await begin({ unwatchedEveryMs: 20 })
    container('db')
    await store.commit([joins('db', 3)])
    engineAway = true
    started('db')
    await until('it is asked for', () => asked > 1)
    engineAway = false
    await until('db has names', () => namesIn('db') !== '')
  })
})

describe('a container that is connected while it runs', () => {
  const knowsDb = () => fileOf('app').includes('\n10.0.0.3\tdb\n')
  const hidesDb = () => fileOf('app').includes('\n#10.0.0.3\tdb\n')
  const connect = (): void => {
    Object.assign(containers.get('app') as object, { attachments: [on('foobar'), on('own')] })
    loop.onEvent({ type: 'network', action: 'connect', id: 'own', attributes: { container: 'app' } })
  }
  const begin = async (): Promise<void> => {
    container('p1', { attachments: [on('own', { dnsNames: ['db'] })] })
    container('app', { attachments: [on('foobar')] })
    await store.commit([joins('app', 2), joins('p2', 3, { host: 'net-2', aliases: ['db'] })])
    start({ everyMs: 60_000 })
    await until('it knows that of ours', knowsDb)
    await until('the loop has run', () => loop.status().state === 'idle')
  }

  test('is inspected again when the engine did not answer', async () => {
    await begin()
    const before = asked
    engineAway = true
    connect()
    await until('it is asked for', () => asked > before)
    engineAway = false
    await until('ours is hidden', hidesDb)
  })

  test('is inspected once more when its start is being inspected', async () => {
    await begin()
    let answer = (): void => undefined
    held = new Promise((resolve) => {
      answer = resolve
    })
    started('app')
    connect()
    answer()
    await until('ours is hidden', hidesDb)
  })
})

describe('a container whose file is not there', () => {
  const begin = async (answer: () => EngineContainer | undefined): Promise<() => number> => {
    let runs = 0
    container('web')
    await store.commit([joins('web', 2)])
    rmSync(pathOf('web'))
    const engine = {
      running: async () => ['web'],
      container: async () => {
        asked += 1
        return answer()
      },
      containersFolder: async () => folder,
      configuredContainer: async () => undefined,
    }
    const onRun = (): void => {
      runs += 1
    }
    start({ engine, onRun, everyMs: 60_000 })
    return () => runs
  }

  test('is forgotten when it was learned after its end', async () => {
    await begin(() => (asked === 1 ? containers.get('web') : undefined))
    await until('the engine was asked once more', () => asked === 2)
    await until('it is forgotten', () => loop.status().files === 0)
  })

  test('is asked about once more while it runs, and has names when the file is there', async () => {
    const runs = await begin(() => containers.get('web'))
    await until('the loop has run some times', () => runs() > 8)
    expect(asked).toBe(2)
    writeFileSync(pathOf('web'), engineLines)
    await until('it knows itself', () => namesIn('web') === '2 web, 2 web.foobar')
  })

  test('is asked about until the engine answers', async () => {
    await begin(() => {
      if (asked === 2) throw new DriverError('unavailable', 'dockerd is away')
      return asked === 1 ? containers.get('web') : undefined
    })
    await until('it is forgotten', () => asked === 3 && loop.status().files === 0)
  })
})

test('a file that could not be written is tried again soon', async () => {
  container('bad')
  rmSync(pathOf('bad'))
  mkdirSync(pathOf('bad'))
  await store.commit([joins('bad', 2)])
  start({ everyMs: 60_000, watch: () => ({ close: () => undefined }) })
  await until('it is reported', () => loop.status().skipped.length === 1)
  rmSync(pathOf('bad'), { recursive: true })
  writeFileSync(pathOf('bad'), engineLines)
  await until('it is written', () => namesIn('bad') !== '')
  expect(loop.status().skipped).toEqual([])
})

test('names whose removal failed are removed when it can be done', async () => {
  container('web')
  await store.commit([joins('web', 2)])
  start({ everyMs: 60_000, watch: () => ({ close: () => undefined }) })
  await until('it knows itself', () => namesIn('web') !== '')
  renameSync(pathOf('web'), join(folder, 'aside'))
  mkdirSync(pathOf('web'))
  await store.commit([leave('web')])
  await until('it is reported', () => entries.some(({ level }) => level === 'warn'))
  rmSync(pathOf('web'), { recursive: true })
  renameSync(join(folder, 'aside'), pathOf('web'))
  await until('the names are gone', () => fileOf('web') === engineLines)
})

describe('after a long writing', () => {
  let writtenAt: number
  /** Writes app's file for 100 ms, after which the loop rests for 400 ms. */
  const longWriting = async (more: Partial<EngineContainer> = {}): Promise<void> => {
    let blockMs = 0
    const slow: NameRecords = {
      ...records,
      of(network, withShortIds) {
        const end = performance.now() + blockMs
        while (performance.now() < end);
        if (blockMs > 0) writtenAt = performance.now()
        blockMs = 0
        return records.of(network, withShortIds)
      },
    }
    container('app', more)
    await store.commit([joins('app', 2)])
    start({ records: slow, everyMs: 60_000, watch: () => ({ close: () => undefined }) })
    await until('it knows itself', () => namesIn('app') !== '')
    blockMs = 100
    await elsewhere.commit([joins('db', 3, { host: 'net-2' })])
    await until('it knows db', () => namesIn('app').includes('db'))
  }

  test('a look at one file does not shorten the rest', async () => {
    await longWriting()
    loop.onEvent({ type: 'network', action: 'connect', id: 'n1', attributes: { container: 'app' } })
    await until('the loop has run', () => loop.status().state === 'idle')
    await elsewhere.commit([joins('late', 4, { host: 'net-2' })])
    await until('it knows the late one', () => namesIn('app').includes('late'))
    expect(performance.now() - writtenAt).toBeGreaterThan(350)
  })

  test('a container that starts on a bridge of the engine’s shortens no rest of the others there', async () => {
    await longWriting({ attachments: [on('own', { dnsNames: ['app'] }), on('foobar')] })
    container('p1', { attachments: [on('own', { dnsNames: ['db'] })] })
    started('p1')
    await until('ours is hidden', () => fileOf('app').includes('\n#10.0.0.3\tdb\n'))
    expect(performance.now() - writtenAt).toBeGreaterThan(350)
  })
})

describe('a network that is too large for hosts files', () => {
  beforeEach(async () => {
    container('web')
    await store.commit([joins('web', 2), joins('db', 3, { host: 'net-2' })])
  })

  test('is left to DNS, and is back when it has shrunk', async () => {
    start({ hostsFileLimit: 2 })
    await until('both are there', () => namesIn('web').includes('db'))
    await elsewhere.commit([joins('more', 4, { host: 'net-2' })])
    await until('the block is empty', () => fileOf('web') === engineLines)
    expect(loop.status().dnsOnly).toEqual(['foobar'])
    await elsewhere.commit([leave('more')])
    await until('both are there again', () => namesIn('web').includes('db'))
    expect(loop.status().dnsOnly).toEqual([])
  })

  test('stays in hosts files while there is no DNS to ask', async () => {
    answers = false
    start({ hostsFileLimit: 1 })
    await until('both are there', () => namesIn('web').includes('db'))
    answers = true
    await until('the block is empty', () => fileOf('web') === engineLines)
    answers = false
    await until('both are there again', () => namesIn('web').includes('db'))
  })

  test('is back where a file was written while DNS answered for a moment', async () => {
    answers = false
    start({ hostsFileLimit: 1, everyMs: 500 })
    await until('both are there', () => namesIn('web').includes('db'))
    answers = true
    await elsewhere.commit([joins('more', 4, { host: 'net-2' })])
    await until('the block is empty', () => fileOf('web') === engineLines)
    answers = false
    await until('both are there again', () => namesIn('web').includes('db'))
  })

  test('follows DNS at once when that answers, and when it does so no more', async () => {
    answers = false
    start({ hostsFileLimit: 1, everyMs: 60_000 })
    await until('both are there', () => namesIn('web').includes('db'))
    answers = true
    loop.dnsChanged()
    await until('the block is empty', () => fileOf('web') === engineLines)
    answers = false
    loop.dnsChanged()
    await until('both are there again', () => namesIn('web').includes('db'))
  })

  test('is looked up name by name, and not listed, for another network’s lines and for links', async () => {
    Object.assign(containers.get('web') as object, linked('pg', 'sql'))
    await store.commit([
      createNetwork('n2', { name: 'zz', vni: 257 }),
      joins('web', 7, { network: 'n2' }),
      joins('p2', 8, { network: 'n2', host: 'net-2', aliases: ['db', 'more'] }),
      joins('pg', 5, { host: 'net-2' }),
      joins('p3', 6, { host: 'net-2' }),
    ])
    const listed = new Set<string>()
    const listing: NameRecords = {
      ...records,
      of(network, withShortIds) {
        listed.add(network)
        return records.of(network, withShortIds)
      },
    }
    start({ hostsFileLimit: 3, records: listing })
    const others = '7 web.zz, 8 p2, 8 p2.zz, 8 db.zz, 8 more, 8 more.zz'
    await until('both are there', () => namesIn('web') === `5 sql, 5 sql.foobar, ${others}`)
    await elsewhere.commit([joins('more', 4, { host: 'net-2' })])
    await until('the name is foobar’s', () => !namesIn('web').includes('8 more, '))
    expect([...listed]).toEqual(['n2'])
  })

  test('stays in hosts files when it is internal: no resolver is reached from it', async () => {
    await store.commit([
      createNetwork('n2', { name: 'inner', vni: 257, internal: true }),
      joins('in', 7, { network: 'n2', container: { id: 'web', name: 'web' } }),
    ])
    start({ hostsFileLimit: 0 })
    await until(
      'inner is there alone, and the name is that of foobar',
      () => namesIn('web') === '7 web.inner',
    )
  })
})

describe('a container on a network that is no bridge, beside one that is too large for hosts files', () => {
  const id = 'abcdef012345'.padEnd(64, '0')
  const allNames = '2 web, 2 web.foobar, 3 db, 3 db.foobar, 3 abcdef012345, 3 abcdef012345.foobar'
  const without = () => fileOf('web') === engineLines
  const begin = async (attachments: Attachment[], more: Partial<EngineContainer> = {}): Promise<void> => {
    container('web', { attachments: [on('foobar', { hasGateway: false }), ...attachments], ...more })
    await store.commit([joins('web', 2), joins('db', 3, { host: 'net-2', container: { id, name: 'db' } })])
    start({ hostsFileLimit: 1 })
  }
  const connected = (attachments: Attachment[]): void => {
    Object.assign(containers.get('web') as object, { attachments })
    loop.onEvent({ type: 'network', action: 'connect', id: 'lan', attributes: { container: 'web' } })
  }

  test.each<[string, Pick<EngineNetwork, 'driver' | 'options'>, Partial<Attachment>]>([
    ['macvlan', { driver: 'macvlan', options: { parent: 'eth1' } }, {}],
    [
      'ipvlan in mode l3, which has no gateway',
      { driver: 'ipvlan', options: { parent: 'eth1' } },
      { hasGateway: false },
    ],
    ['a plugin with a gateway', { driver: 'weave', options: {} }, {}],
  ])('that leads out of it has all names in its hosts file: %s', async (_, network, more) => {
    otherNetworks = { lan: network }
    await begin([on('lan', more)])
    await until('all names are there', () => namesIn('web') === allNames)
    expect(loop.problems()).toEqual([
      `DNS on 169.254.255.53 does not answer web, since network lan (${network.driver}) leads out of it: names are in its hosts file alone, and those of the outside take up to 4 s more; make the container again with --dns=ADDRESS of a resolver that lan reaches`,
    ])
  })

  test.each<[string, () => Attachment[]]>([
    ['while that has no parent, and leads nowhere', () => [on('lan', { hasGateway: false })]],
    ['while a bridge comes before it', () => [on('own', { priority: 1 }), on('lan')]],
  ])('asks DNS %s', async (_, attachments) => {
    otherNetworks = { lan: { driver: 'macvlan', options: {} } }
    answers = false
    await begin(attachments())
    await until('all names are there', () => namesIn('web').includes('db'))
    answers = true
    await until('they are left to DNS', without)
    expect(loop.problems()).toEqual([])
  })

  test('follows its connections while it runs', async () => {
    otherNetworks = { lan: { driver: 'macvlan', options: { parent: 'eth1' } } }
    await begin([on('lan')])
    await until('all names are there', () => namesIn('web') === allNames)
    connected([on('foobar', { hasGateway: false })])
    await until('they are left to DNS', without)
    expect(loop.problems()).toEqual([])
    connected([on('foobar', { hasGateway: false }), on('lan')])
    await until('all names are there again', () => namesIn('web') === allNames)
  })

  test('is no problem with a --dns of its own', async () => {
    otherNetworks = { lan: { driver: 'macvlan', options: { parent: 'eth1' } } }
    await begin([on('lan')], { dns: ['192.0.2.1'] })
    await until('all names are there', () => namesIn('web') === allNames)
    expect(loop.problems()).toEqual([])
  })
})

test('many changes of a network with long files share one writing, and the last one is in it', async () => {
  container('web')
  const many = Array.from({ length: 2000 }, (_, n) =>
    joins(`c${n}`, 4, { v4: `10.0.${n >> 8}.${n & 255}`, host: 'net-2' }),
  )
  for (let at = 0; at < many.length; at += 50) await elsewhere.commit(many.slice(at, at + 50))
  await store.commit([joins('web', 2)])
  start({ hostsFileLimit: 5000 })
  await until('all are there', () => fileOf('web').includes('c1999.foobar'))
  const before = loop.status().writes
  const changes = Array.from({ length: 100 }, (_, n) =>
    joins(`new${n}`, 5, { v4: `10.0.100.${n}`, host: 'net-2' }),
  )
  await Promise.all(changes.map((change) => elsewhere.commit([change])))
  await until('the last one is there', () => fileOf('web').includes('new99.foobar'))
  expect(loop.status().writes - before).toBeLessThan(50)
})

test('while the store has not answered yet, or is in doubt, names are added and none is removed', async () => {
  container('web')
  await store.commit([joins('web', 2)])
  memory.away = true
  const stale: Store = {
    ...store,
    status: () => ({ ...store.status(), fresh: false, doubt: { why: 'not answered' } }),
  }
  start({ store: stale })
  await until('it knows itself', () => namesIn('web') === '2 web, 2 web.foobar')
  memory.away = false
  await loop.close()

  start()
  memory.doubt = 'the store was restored from a backup'
  await store.commit([joins('db', 3), leave('web')])
  await store.commit([joins('web', 4)])
  await until('it knows db', () => namesIn('web').includes('3 db'))
  expect(namesIn('web')).toBe('3 db, 3 db.foobar, 4 web, 4 web.foobar, 2 web, 2 web.foobar')
  memory.doubt = undefined
  await until('the old address has gone', () => namesIn('web') === '3 db, 3 db.foobar, 4 web, 4 web.foobar')
})
