import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { lifeOf } from '../../../../../driver/core/liveness.ts'
import type { Change } from '../../../../../driver/core/records.ts'
import { pathOf } from '../../../../../driver/store/consul/keys.ts'
import { type ConsulOptions, openConsulStore } from '../../../../../driver/store/consul/store.ts'
import type { Store } from '../../../../../driver/store/store.ts'
import { startConsul, type TestConsul } from '../../../../fixtures/consul.ts'
import { pathTo } from '../../../../fixtures/path.ts'
import { storeContract } from '../../../../fixtures/store-contract.ts'
import { createLease, createNetwork, endpoint, network } from '../../../../fixtures/store-records.ts'
import { temporaryFolder } from '../../../../fixtures/temporary-folder.ts'
import { until } from '../../../../fixtures/until.ts'

const timeoutMs = 1000
let consul: TestConsul
const folder = temporaryFolder(afterAll)
let prefix = 'p0'
let count = 0
const opened: Store[] = []

beforeAll(async () => {
  consul = await startConsul()
})
afterEach(async () => {
  consul.resume()
  await Promise.all(opened.splice(0).map((store) => store.close()))
  prefix = `p${++count}`
})
afterAll(async () => {
  await consul.stop()
})

const open = async (host: string, options: Partial<ConsulOptions> = {}): Promise<Store> => {
  const store = await openConsulStore({ url: consul.url, prefix, host, timeoutMs, ...options })
  opened.push(store)
  return store
}

/** A host whose name is its own: others put nothing back. */
const openMember = async (options: Partial<ConsulOptions>): Promise<Store> => {
  const store = await open('net-1', options)
  await store.announce({ id: 'a', vtep: '192.168.33.11' })
  return store
}

storeContract('Consul', {
  open,
  fresh: async () => {
    prefix = `p${++count}`
  },
  put: (table, key, text) => consul.put(`${prefix}/${pathOf({ table, key })}`, text),
  away: () => consul.pause(),
  back: async () => consul.resume(),
  timeoutMs,
})

test('the watch survives a Consul that is killed and comes back with its data', async () => {
  const [one, other] = [await open('net-1'), await open('net-2')]
  await one.commit([createNetwork('n1')])
  await until('the other has it', () => other.snapshot().networks.has('n1'))
  await consul.kill()
  await until('it is noticed', () => !other.status().fresh)
  await expect(one.commit([createNetwork('n2')])).rejects.toMatchObject({ code: 'unavailable' })
  expect([...other.snapshot().networks.keys()]).toEqual(['n1'])
  await consul.start()
  await until('both are fresh', () => one.status().fresh && other.status().fresh, 10_000)
  await one.commit([createNetwork('n3')])
  await until('the watch goes on', () => other.snapshot().networks.has('n3'))
  expect(other.snapshot().networks.has('n1')).toBe(true)
})

test('a watch whose answer was lost on the way is asked anew', async () => {
  await using path = await pathTo(Number(new URL(consul.url).port))
  const url = `consul://127.0.0.1:${path.port}`
  const [one, other] = [await open('net-1'), await open('net-2', { url, timeoutMs: 400 })]
  const has = (id: string) => until(`the other has ${id}`, () => other.snapshot().networks.has(id))
  // The first may come with what is read at the start, the second comes by the watch, which then waits for more.
  for (const id of ['n1', 'n2']) {
    await one.commit([createNetwork(id)])
    await has(id)
  }
  path.cut()
  await one.commit([createNetwork('n3')])
  await until('the answer is lost', () => path.stuck() > 0)
  path.heal()
  await has('n3')
})

test('a store is opened while Consul is away, with what it knew before', async () => {
  const diskPath = join(folder, 'known', 'snapshot.json')
  const first = await open('net-1', { diskPath })
  await first.commit([createNetwork('n1')])
  await first.close()
  await consul.pause()
  const again = await open('net-1', { diskPath })
  expect(again.snapshot().networks.get('n1')?.value).toEqual(network('n1'))
  expect(again.status()).toMatchObject({ fresh: false, ageMs: undefined, index: 0 })
  await expect(again.commit([createNetwork('n2')])).rejects.toMatchObject({ code: 'unavailable' })
  consul.resume()
  await until('it is fresh', () => again.status().fresh, 10_000)
  expect(again.snapshot().networks.has('n1')).toBe(true)
})

test('a copy on disk that cannot be read, or of another store, is left out', async () => {
  const diskPath = join(folder, 'bad.json')
  await writeFile(diskPath, '{"format": 1, "store": ')
  expect((await open('net-1', { diskPath })).snapshot().networks.size).toBe(0)
  const copyOf = (store: string): string =>
    [{ format: 2, store }, ['vnis', '256', 5, 'n1'], ['vnis', '257', 5, 7]]
      .map((line) => `${JSON.stringify(line)}\n`)
      .join('')
  await writeFile(diskPath, copyOf('consul://elsewhere'))
  expect((await open('net-1', { diskPath })).snapshot().vnis.size).toBe(0)
  await writeFile(diskPath, copyOf(`${consul.url}/${prefix}`))
  await consul.pause()
  expect(
    [...(await open('net-1', { diskPath })).snapshot().vnis.keys()],
    'a bad value alone is left out',
  ).toEqual(['256'])
  consul.resume()
  const store = await open('net-1', { diskPath })
  await store.commit([createNetwork('n1')])
  await store.close()
  expect(await readFile(diskPath, 'utf8')).toContain('"n1"')
})

test('what was deleted while the driver was down is gone when Consul has answered', async () => {
  const diskPath = join(folder, 'deleted.json')
  const first = await open('net-1', { diskPath })
  await first.commit([createNetwork('n1'), createNetwork('n2')])
  await first.close()
  const other = await open('net-2')
  await other.commit([{ op: 'drop', table: 'networks', key: 'n1' }])
  const again = await open('net-1', { diskPath })
  await until('it is gone', () => again.status().fresh && !again.snapshot().networks.has('n1'))
  expect(again.snapshot().networks.has('n2')).toBe(true)
})

test('the change log stays short, and no reader misses an entry that was removed from it', async () => {
  const [one, other] = [await open('net-1', { retentionMs: 0 }), await open('net-2', { retentionMs: 0 })]
  await Promise.all([one.read(), other.read()])
  for (let i = 0; i < 60; i++) await (i % 2 === 0 ? one : other).commit([createLease(`n1/10.0.0.${i}`)])
  for (const store of [one, other]) {
    await until('all are there', () => store.snapshot().addresses.size === 60)
  }
  await one.commit([createNetwork('n1')])
  expect((await consul.keys(`${prefix}/changes/`)).length).toBeLessThan(20)
})

test('a store that slept through the change log reads everything and knows what was deleted', async () => {
  await using path = await pathTo(Number(new URL(consul.url).port))
  const url = `consul://127.0.0.1:${path.port}`
  const [one, sleeper] = [
    await open('net-1', { retentionMs: 0 }),
    await open('net-2', { url, timeoutMs: 400 }),
  ]
  await one.commit([createLease('n1/10.0.0.2')])
  await until('both are awake', () => sleeper.snapshot().addresses.size === 1)
  path.cut()
  await one.commit([{ op: 'drop', table: 'addresses', key: 'n1/10.0.0.2' }])
  for (let i = 0; i < 10; i++) await one.commit([createNetwork(`n${i}`)])
  // Three entries at most are left of the twelve.
  expect(sleeper.snapshot().networks.size).toBe(0)
  path.heal()
  await until(
    'the sleeper knows',
    () => sleeper.snapshot().networks.size === 10 && sleeper.snapshot().addresses.size === 0,
  )
})

test('a log that is deleted by hand costs a full read and nothing else', async () => {
  const [one, other] = [await open('net-1'), await open('net-2')]
  await one.commit([createNetwork('n1')])
  await until('the other has it', () => other.snapshot().networks.has('n1'))
  await consul.put(`${prefix}/${pathOf({ table: 'networks', key: 'n2' })}`, JSON.stringify(network('n2')))
  await consul.delete(`${prefix}/changes/`, true)
  await until('the full read has found the key', () => other.snapshot().networks.has('n2'))
  await one.commit([createNetwork('n3')])
  await until('the watch goes on', () => other.snapshot().networks.has('n3'))
})

test('a log entry that cannot be read costs a full read and nothing else', async () => {
  const [one] = [await open('net-1')]
  await one.commit([createNetwork('n1')])
  await consul.put(`${prefix}/${pathOf({ table: 'networks', key: 'n2' })}`, JSON.stringify(network('n2')))
  await consul.put(`${prefix}/changes/1/by-hand`, '{]')
  await until('the full read has found the key', () => one.snapshot().networks.has('n2'))
})

test('a key changed by hand is noticed without any commit', async () => {
  const store = await openMember({ resyncMs: 200 })
  await store.commit([createNetwork('n1')])
  await consul.delete(`${prefix}/networks/n1`)
  await until('it is back', async () => (await consul.get(`${prefix}/networks/n1`)) !== undefined)
})

test('a folder deleted by hand is put back, and so is the whole prefix, which is a loss', async () => {
  const store = await openMember({ pauseMs: 1 })
  await store.commit([createNetwork('n1')])
  await consul.delete(`${prefix}/networks/`, true)
  await store.read()
  expect(await consul.get(`${prefix}/networks/n1`)).toBe(JSON.stringify(network('n1')))
  await store.commit([createNetwork('n2')])
  await consul.delete(`${prefix}/`, true)
  const restored = async () =>
    JSON.parse((await consul.get(`${prefix}/cluster`)) ?? '{}').restored !== undefined
  await until('the store is repaired', restored)
  expect((await store.read()).networks.has('n2')).toBe(true)
})

test('a Consul that lost its data gets it back from the hosts, which never see it empty', async () => {
  const diskPath = join(folder, 'lost.json')
  const stores = [await open('net-1'), await open('net-2', { diskPath })]
  const [one, other] = stores
  // An index that a new Consul does not reach by itself.
  for (let i = 0; i < 100; i++) await one?.commit([createLease(`n1/10.0.0.${i}`)])
  await one?.commit([createNetwork('n1')])
  await until('both know it', () => stores.every((store) => store.snapshot().networks.size === 1))
  const sizes: number[] = []
  for (const store of stores)
    store.onChange(({ addresses, networks }) => sizes.push(addresses.size + networks.size))
  await consul.loseData()
  await until('both are fresh', () => stores.every((store) => store.status().fresh), 10_000)
  await other?.commit([createNetwork('n2')])
  await until('the watch goes on', () => one?.snapshot().networks.has('n2') === true)
  expect(Math.min(...sizes)).toBe(101)
  expect(await consul.get(`${prefix}/networks/n1`)).toBe(JSON.stringify(network('n1')))
  await Promise.all(opened.splice(0).map((store) => store.close()))
  await consul.loseData()
  const again = await open('net-2', { diskPath })
  await again.read()
  expect(again.snapshot().addresses.size, 'from the copy on disk').toBe(100)
})

test('keys of others under the prefix are left alone', async () => {
  await consul.put(`${prefix}/future-table/x`, 'y')
  await consul.put(`${prefix}/networks/`, '')
  await consul.put(`${prefix}/networks/%25zz`, '')
  const store = await open('net-1')
  await store.commit([createNetwork('n1')])
  await store.read()
  expect(store.status()).toMatchObject({ corrupt: [], doubt: undefined, fresh: true })
  expect(await consul.get(`${prefix}/future-table/x`)).toBe('y')
})

test('a session that Consul has lost is made anew', async () => {
  const store = await open('net-1')
  const self = { id: 'a', vtep: '192.168.33.11' }
  const first = await store.announce(self)
  if (!first.held) throw new Error('not announced')
  await fetch(`${consul.api}/session/destroy/${first.session}`, { method: 'PUT' })
  const again = await store.announce(self)
  expect(again).toMatchObject({ held: true })
  expect(again).not.toEqual(first)
  expect((await store.liveness()).keys.get('net-1')).toBeDefined()
})

test('a Consul at an IPv6 address, which allows no session of less than 30 s', async () => {
  await using strict = await startConsul('session_ttl_min = "30s" addresses { http = "127.0.0.1 ::1" }')
  const store = await open('net-1', { url: strict.url.replace('127.0.0.1', '[::1]') })
  expect(await store.announce({ id: 'a', vtep: 'fd00::11' })).toMatchObject({ held: true })
  await store.commit([createNetwork('n1')])
  expect((await store.liveness()).keys.get('net-1')).toBeDefined()
  await until('it is fresh', () => store.status().fresh)
})

test('a Consul that shows a token nothing is no empty store', async () => {
  await using closed = await startConsul('acl { enabled = true default_policy = "deny" }')
  const diskPath = join(folder, 'denied.json')
  const copy = [{ format: 2, store: `${closed.url}/${prefix}` }, ['vnis', '256', 5, 'n1']]
  await writeFile(diskPath, copy.map((line) => `${JSON.stringify(line)}\n`).join(''))
  const store = await open('net-1', { url: closed.url, diskPath })
  await expect(store.read()).rejects.toThrow(`token may not read every key under ${prefix}/`)
  expect(store.snapshot().vnis.has('256')).toBe(true)
})

/** A Consul with ACLs, whose anonymous token has these rules. */
async function withRules(closed: TestConsul, rules: string) {
  const ask = async (path: string, body?: object, token = ''): Promise<Record<string, string>> => {
    const how = { method: 'PUT', headers: { 'x-consul-token': token }, body: JSON.stringify(body) }
    const answer = await fetch(`${closed.api}/${path}`, how)
    if (!answer.ok) throw new Error(await answer.text())
    return Object((await answer.json()) as Record<string, string>)
  }
  let management: string | undefined
  await until('ACLs can be set', async () => {
    const made = await ask('acl/bootstrap').catch(() => undefined)
    management = made?.SecretID
    return management !== undefined
  })
  const manage = (path: string, body?: object) => ask(path, body, management)
  const policy = { Name: 'driver', Rules: rules }
  const { ID } = await manage('acl/policy', policy)
  const anonymous = '00000000-0000-0000-0000-000000000002'
  await manage(`acl/token/${anonymous}`, { AccessorID: anonymous, Policies: [{ ID }] })
  const change = (Rules: string) => manage(`acl/policy/${ID}`, { ...policy, ID, Rules })
  return { manage, change }
}

test('what the anonymous token may read no more is not gone', async () => {
  await using closed = await startConsul('acl { enabled = true default_policy = "deny" }')
  const all = `key_prefix "${prefix}/" { policy = "write" } session_prefix "" { policy = "write" }`
  const { change } = await withRules(closed, all)
  const store = await open('net-1', { url: closed.url })
  await until('it is fresh', () => store.status().fresh)
  const creates = Array.from({ length: 70 }, (_, n): Change => {
    const value = endpoint('n1', `e${n}`, { host: 'net-2' })
    return { op: 'create', table: 'endpoints', key: `n1/e${n}`, value }
  })
  await store.commit([createNetwork('n1'), ...creates.slice(0, 40)])
  await store.commit(creates.slice(40))
  const reads = () =>
    store.read().then(
      () => true,
      () => false,
    )
  await change(`${all} key_prefix "${prefix}/endpoints/" { policy = "deny" }`)
  await until('it is noticed', async () => !(await reads()))
  await expect(store.read()).rejects.toThrow(`token may not read every key under ${prefix}/`)
  expect(store.snapshot().endpoints.size).toBe(70)
  await change(all)
  await until('it goes on', async () => (await reads()) && store.status().doubt === undefined)
})

test('a host whose key is gone, and whose session the token may not see, lives while its session does', async () => {
  await using closed = await startConsul('acl { enabled = true default_policy = "deny" }')
  const keys = `key_prefix "${prefix}/" { policy = "write" }`
  const { manage, change } = await withRules(closed, `${keys} session_prefix "" { policy = "write" }`)
  const store = await open('net-1', { url: closed.url })
  await until('it is fresh', () => store.status().fresh)
  const { ID: session } = await manage('session/create', { TTL: '3600s' })
  await store.commit([
    { op: 'create', table: 'hosts', key: 'net-2', value: { ...host, session: `${session}` } },
  ])
  await change(keys)
  const life = async () => lifeOf('net-2', { ...host, session: `${session}` }, await store.liveness())
  expect(await life()).toBe('alive')
  await manage(`session/destroy/${session}`)
  expect(await life()).toBe('away')
  expect(await closed.get(`${prefix}/doctor/session`)).toBeUndefined()
})

const host = { vtep: '192.168.33.12', driverVersion: '1' }

test('a value too large for Consul is refused with its words', async () => {
  const store = await open('net-1')
  const options = { blob: 'x'.repeat(600_000) }
  await expect(store.commit([createNetwork('n1', { options })])).rejects.toMatchObject({
    code: 'invalid',
    message: expect.stringContaining('too large'),
  })
})

test('the status says where the store is', async () => {
  const store = await open('net-1')
  await store.read()
  await until('it is fresh', () => store.status().fresh)
  expect(store.status()).toMatchObject({
    url: `${consul.url}/${prefix}`,
    corrupt: [],
    doubt: undefined,
    lastError: undefined,
  })
  expect(store.status().ageMs).toBeLessThan(5000)
})

test('no Consul at the address: the error names the address and says that running containers are not affected', async () => {
  const store = await openConsulStore({ url: 'consul://127.0.0.1:9', host: 'net-1', timeoutMs })
  opened.push(store)
  await expect(store.read()).rejects.toMatchObject({
    code: 'unavailable',
    message: expect.stringMatching(
      /^Consul at consul:\/\/127\.0\.0\.1:9\/multihost does not answer: connect ECONNREFUSED/,
    ),
    hint: expect.stringContaining('running containers are not affected'),
  })
})
