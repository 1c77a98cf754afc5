import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { DriverError } from '../../../../driver/core/errors.ts'
import { silentLog } from '../../../../driver/log.ts'
import { openConsulStore } from '../../../../driver/store/consul/store.ts'
import { withJournal } from '../../../../driver/store/journal.ts'
import { journalFile, openJournalFile } from '../../../../driver/store/journal-file.ts'
import { evict } from '../../../../driver/verbs/evict-host.ts'
import { consulInMemory } from '../../../fixtures/consul-in-memory.ts'
import { fastestOf } from '../../../fixtures/fastest-of.ts'
import { temporaryFolder } from '../../../fixtures/temporary-folder.ts'
import { until } from '../../../fixtures/until.ts'
import { cluster, createNetwork, type Host, id, never, run, showAlive, stop } from '../verbs/cluster.ts'

const network = id('a')
const pool = '10.9.0.0/16'
const end = (n: number): string => n.toString(16).padStart(64, '0')

async function twoHosts() {
  const lab = cluster()
  const [net1, net2] = [lab.host(1), lab.host(2)]
  await Promise.all([net1, net2].map(showAlive))
  const made = await createNetwork(net1, { id: network, subnet: pool })
  const replica = { 'multihost.id': network }
  const copy = { id: id('b'), subnet: pool, gateway: made.v4.gateway }
  await createNetwork(net2, { ...copy, ipamOptions: replica, options: replica })
  return { lab, net1, net2 }
}

const start = (host: Host, n: number) =>
  run(host, { network: host.name === 'net-1' ? network : id('b'), pool, endpoint: end(n) })
const stopIt = (host: Host, n: number, ip: string) =>
  stop(host, { network: host.name === 'net-1' ? network : id('b'), pool, endpoint: end(n), ip })

describe('while the store is away', () => {
  test('a container starts, stops and starts again; the store has the end of it when it is back', async () => {
    const { lab, net1, net2 } = await twoHosts()
    await stopIt(net1, 1, await start(net1, 1))
    lab.away = true
    const ip = await start(net1, 2)
    await stopIt(net1, 2, ip)
    expect(await start(net1, 3)).toBe(ip)
    expect([...net1.store.snapshot().endpoints.keys()]).toEqual([`${network}/${end(3)}`])
    lab.away = false
    await until('net-2 knows', () => net2.store.snapshot().endpoints.has(`${network}/${end(3)}`))
    const { endpoints, addresses } = await net2.store.read()
    expect([...endpoints.values()].map(({ value }) => `${value.id} ${value.joined}`)).toEqual([
      `${end(3)} true`,
    ])
    expect(addresses.get(`${network}/${ip}`)?.value.endpoint).toBe(end(3))
  })

  test('containers that come and go leave nothing that waits, once the store cannot have them', async () => {
    const { lab, net1 } = await twoHosts()
    const first = await start(net1, 1)
    lab.away = true
    await stopIt(net1, 1, first)
    for (let n = 2; n < 6; n++) await stopIt(net1, n, await start(net1, n))
    expect(net1.store.journal.waiting()).toEqual([`${network}/${end(1)}`])
    lab.away = false
    await until('the store has it', () => net1.store.journal.waiting().length === 0)
    const { endpoints, addresses } = await net1.store.read()
    expect([endpoints.size, addresses.get(`${network}/${first}`)?.value.endpoint]).toEqual([0, undefined])
  })

  test('an address that went to another host meanwhile is the other host’s: the endpoint is given up', async () => {
    const { lab, net1, net2 } = await twoHosts()
    const ip = await start(net1, 1)
    await stopIt(net1, 1, ip)
    // net-1 is cut off, the others are not.
    const { commit, read, status } = net1.store
    const cut = { ...net1.store, status: () => ({ ...status(), fresh: false }) }
    const apart = withJournal(cut, await openJournalFile(undefined, silentLog), {
      host: 'net-1',
      log: silentLog,
    })
    net1.context.store = apart
    const value = {
      network,
      id: end(2),
      v4: ip,
      mac: '02:42:0a:09:00:02',
      host: 'net-1',
      vtep: '192.168.33.11',
    }
    await apart.journal.write(`${network}/${end(2)}`, { ...value, joined: true, aliases: [] })
    expect(apart.snapshot().endpoints.size).toBe(1)
    await net2.store.commit([
      { op: 'drop', table: 'addresses', key: `${network}/${ip}` },
      { op: 'drop', table: 'hosts', key: 'net-1' },
    ])
    await run(net2, { network: id('b'), pool, endpoint: end(3), ip })
    cut.status = status
    await expect(apart.journal.committed(`${network}/${end(2)}`)).rejects.toMatchObject({
      code: 'taken',
      message: expect.stringContaining(`${ip} of network`),
    })
    const { addresses, endpoints } = await read()
    expect(addresses.get(`${network}/${ip}`)?.value).toMatchObject({ host: 'net-2', endpoint: end(3) })
    expect([...endpoints.keys()]).toEqual([`${network}/${end(3)}`])
    expect(apart.journal.waiting()).toEqual([])
    expect(commit).toBeDefined()
    expect(lab.away).toBe(false)
  })

  test('a host that was evicted has its container’s record again when the address is free', async () => {
    const { lab, net1, net2 } = await twoHosts()
    const ip = await start(net1, 1)
    await stopIt(net1, 1, ip)
    lab.away = true
    await start(net1, 2)
    lab.away = false
    await net2.store.read()
    await evict(net2.store, 'net-1').catch(() => undefined)
    await until('nothing waits', () => net1.store.journal.waiting().length === 0)
    const { addresses } = await net1.store.read()
    expect(addresses.get(`${network}/${ip}`)?.value).toMatchObject({ host: 'net-1', endpoint: end(2) })
  })
})

test.each(['endpoints', 'addresses'] as const)(
  'an unreadable record of %s keeps its own endpoint waiting, and no other',
  async (table) => {
    const { lab, net1 } = await twoHosts()
    const ip = await start(net1, 1)
    const key = `${network}/${table === 'endpoints' ? end(1) : ip}`
    const text = JSON.stringify(net1.store.snapshot()[table].get(key)?.value)
    lab.put(table, key, text.replace('"host"', '"hots"'))
    await net1.store.read()
    await stopIt(net1, 1, ip).catch(() => 'Docker goes on')
    const next = await start(net1, 2)
    expect(next).not.toBe(ip)
    await stopIt(net1, 2, next)
    expect(net1.store.journal.waiting()).toEqual([`${network}/${end(1)}`])
    await expect(net1.store.journal.committed(`${network}/${end(1)}`)).rejects.toMatchObject({
      message: `the record ${table}/${key} cannot be read`,
    })
    lab.put(table, key, text)
    await net1.store.read()
    await until('nothing waits', () => net1.store.journal.waiting().length === 0)
  },
)

describe('what the store refuses', () => {
  const long = (id: string) => ({ id: `${id}`.repeat(64), name: 'n'.repeat(256) })

  test('fails alone: what else waits is committed, and a later start goes on', async () => {
    const { net1, net2 } = await twoHosts()
    await start(net1, 1)
    const named = { id: 'd'.repeat(64), name: 'web' }
    net1.store.journal.note(`${network}/${end(1)}`, undefined)
    await start(net1, 2)
    const first = net1.store.snapshot().endpoints.get(`${network}/${end(2)}`)?.value
    expect(first).toBeDefined()
    const { journal } = net1.store
    journal.note(`${network}/${end(2)}`, first && { ...first, container: long('c') })
    const refused = expect(journal.committed(`${network}/${end(2)}`)).rejects.toMatchObject({
      message: expect.stringContaining('is empty, too long or has blanks'),
    })
    await Promise.all([refused, start(net1, 3), start(net1, 4)])
    journal.update(`${network}/${end(4)}`, (value) => ({ ...value, container: named }))
    await until('nothing waits', () => journal.waiting().length === 0)
    const { endpoints } = await net2.store.read()
    const shown = [...endpoints.values()].map(
      ({ value }) => `${Number(`0x${value.id}`)} ${value.container?.name}`,
    )
    expect(shown.sort()).toEqual(['2 undefined', '3 undefined', '4 web'])
  })

  test('as too large is committed in parts that Consul takes', async () => {
    const consul = consulInMemory()
    const sizes: number[] = []
    const client = consul.client()
    const measured: typeof client = {
      ...client,
      async transact(steps) {
        const length = Buffer.byteLength(JSON.stringify(steps.map((KV) => ({ KV }))))
        if (length > 512 * 1024) throw new DriverError('invalid', 'the change is too large for Consul')
        sizes.push(length)
        return client.transact(steps)
      },
    }
    const base = await openConsulStore({
      ...{ url: 'consul://memory:8500', host: 'net-1', client: measured, timeoutMs: 100 },
    })
    await until('the store is fresh', () => base.status().fresh)
    const net1 = cluster().host(1, {}, base)
    await createNetwork(net1, { id: network, subnet: pool })
    await Promise.all(Array.from({ length: 20 }, (_, n) => start(net1, n)))
    const { journal } = net1.store
    const aliases = Array.from({ length: 100 }, (_, n) => '\u00e9'.repeat(200) + n)
    for (const [key, { value }] of net1.store.snapshot().endpoints) journal.note(key, { ...value, aliases })
    await until('nothing waits', () => journal.waiting().length === 0)
    const { endpoints } = await base.read()
    expect([...endpoints.values()].every(({ value }) => value.aliases.length === 100)).toBe(true)
    expect(sizes.filter((size) => size > 100_000).length).toBeLessThan(11)
    await net1.store.close()
  })
})

describe('on disk', () => {
  let folder: string
  beforeEach(async () => {
    folder = temporaryFolder()
  })

  test('the journal survives the driver; returned leases too', async () => {
    const { lab, net1 } = await twoHosts()
    const path = join(folder, 'journal.json')
    const options = { host: 'net-1', log: silentLog }
    const open = async () => withJournal(lab.open('net-1'), await openJournalFile(path, silentLog), options)
    const first = await open()
    lab.away = true
    const key = `${network}/${end(1)}`
    const value = { network, id: end(1), v4: '10.9.0.2', mac: '02:42:0a:09:00:02', host: 'net-1' }
    await first.journal.write(key, { ...value, vtep: '192.168.33.11', joined: true, aliases: [] })
    await first.journal.returnedLeases.add([`${network}/10.9.0.3`])
    await first.journal.stop()
    const second = await open()
    expect(second.snapshot().endpoints.get(key)?.value.joined).toBe(true)
    expect(second.journal.returnedLeases.earlier).toEqual([`${network}/10.9.0.3`])
    lab.away = false
    await until('it is committed', () => second.journal.waiting().length === 0)
    expect((await net1.store.read()).endpoints.get(key)?.value.v4).toBe('10.9.0.2')
    await second.journal.stop()
    await until(
      'the file is empty',
      async () => (await openJournalFile(path, silentLog)).endpoints.earlier.length === 0,
    )
  })
})

test('the status of the store names a journal that cannot be written', async () => {
  const { lab } = await twoHosts()
  const file = journalFile(async () => {
    throw new DriverError('kernel', 'journal.json cannot be written: EROFS')
  }, silentLog)
  const store = withJournal(lab.open('net-1'), file, { host: 'net-1', log: silentLog })
  expect(store.status().unwritten).toBeUndefined()
  await store.journal.removedNetworks.add('a').catch(() => 'told below')
  expect(store.status().unwritten).toEqual(['journal.json cannot be written: EROFS'])
  await store.journal.stop()
})

test('a stop commits what waits: an earlier version of the driver does not know the journal', async () => {
  const { lab, net1 } = await twoHosts()
  const file = await openJournalFile(undefined, silentLog)
  const journaled = withJournal(lab.open('net-1'), file, { host: 'net-1', log: silentLog })
  const key = `${network}/${end(1)}`
  const value = { network, id: end(1), v4: '10.9.0.2', mac: '02:42:0a:09:00:02', host: 'net-1' }
  // CreateEndpoint writes, and Join would commit.
  await journaled.journal.write(key, { ...value, vtep: '192.168.33.11', joined: false, aliases: [] })
  expect((await net1.store.read()).endpoints.has(key)).toBe(false)
  await journaled.journal.stop()
  expect((await net1.store.read()).endpoints.has(key)).toBe(true)
})

describe('in Consul’s transactions,', () => {
  test('a start costs one for the endpoint, a stop one, and forty starts at once fewer than forty', async () => {
    const consul = consulInMemory()
    const base = await openConsulStore({
      ...{ url: 'consul://memory:8500', host: 'net-1', client: consul.client(), timeoutMs: 100 },
    })
    await until('the store is fresh', () => base.status().fresh)
    const net1 = cluster().host(1, {}, base)
    await createNetwork(net1, { id: network, subnet: pool })
    const ips = await Promise.all(Array.from({ length: 40 }, (_, n) => start(net1, n)))
    await Promise.all(ips.map((ip, n) => stopIt(net1, n, ip)))
    const cost = async (work: () => Promise<unknown>): Promise<number> => {
      const before = consul.transactions
      await work()
      return consul.transactions - before
    }
    let ip = ''
    expect(
      await cost(async () => {
        ip = await start(net1, 100)
      }),
    ).toBe(1)
    expect(await cost(async () => stopIt(net1, 100, ip))).toBe(1)
    expect(await cost(() => Promise.all(ips.map((_, n) => start(net1, n))))).toBeLessThan(12)
    expect(await cost(() => Promise.all(ips.map((ip, n) => stopIt(net1, n, ip))))).toBeLessThan(12)
    const lease = () => net1.verbs.requestAddress({ pool, gateway: false }, never)
    expect(await fastestOf(40, lease)).toBeLessThan(20)
    await net1.store.close()
  })
})
