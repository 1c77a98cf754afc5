/**
 * What comes in from outside: addresses of stores, keys and values in Consul.
 */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Table } from '../../../../../driver/core/records.ts'
import { parsePath, pathOf } from '../../../../../driver/store/consul/keys.ts'
import { createSessionKeeper } from '../../../../../driver/store/consul/session.ts'
import { openConsulStore } from '../../../../../driver/store/consul/store.ts'
import { parseStoreUrl, showAddress } from '../../../../../driver/store/consul/url.ts'
import { checkRecord, readRecord } from '../../../../../driver/store/schemas.ts'
import { singleFlight } from '../../../../../driver/store/single-flight.ts'
import { consulInMemory } from '../../../../fixtures/consul-in-memory.ts'
import { createNetwork, endpoint, lease, network } from '../../../../fixtures/store-records.ts'
import { temporaryFolder } from '../../../../fixtures/temporary-folder.ts'
import { until } from '../../../../fixtures/until.ts'

test('a store’s address is read as in 2015, and as a URL', () => {
  const show = (url: string, prefix?: string): string => showAddress(parseStoreUrl(url, prefix))
  expect(show('consul://192.168.33.10:8500')).toBe('consul://192.168.33.10:8500/multihost')
  expect(show('consul://192.168.33.10')).toBe('consul://192.168.33.10:8500/multihost')
  expect(show('consul://[fd00::1]:8500/a/b/')).toBe('consul://[fd00::1]:8500/a/b')
  expect(show('http://consul')).toBe('consul://consul:80/multihost')
  expect(show('https://consul/x', '/y/')).toBe('https://consul:443/y')
})

test('a store’s address names several servers', () => {
  const show = (url: string): string => showAddress(parseStoreUrl(url))
  expect(show('consul://a,b:8501,[fd00::1]/mine')).toBe('consul://a:8500,b:8501,[fd00::1]:8500/mine')
  expect(show('https://a:8501,b:8501')).toBe('https://a:8501,b:8501/multihost')
  expect(() => show('consul://a,consul://b')).toThrow('is not an address of a store')
  expect(() => show('consul://a:8500,b,a')).toThrow("'consul://a:8500,b,a' names a:8500 twice")
})

test.each(['', '192.168.33.10:8500', 'etcd://x:1', 'consul://'])('%j is no address of a store', (url) => {
  expect(() => parseStoreUrl(url)).toThrow(`'${url}' is not an address of a store`)
})

test('keys are readable in Consul', () => {
  const paths: [Table, string][] = [
    ['pools', '10.0.0.0/16'],
    ['pools', 'fd00::/64'],
    ['addresses', 'n1/fd00::2'],
    ['services', 'n1/bar/baz'],
    ['network-names', 'foo bar'],
  ]
  expect(paths.map(([table, key]) => pathOf({ table, key })).join('\n')).toMatchInlineSnapshot(`
    "pools/10.0.0.0-16
    pools/fd00::-64
    addresses/n1/fd00::2
    services/n1/bar%2Fbaz
    network-names/foo%20bar"
  `)
})

test('every key is read back from its path', () => {
  const tables = fc.constantFrom<Table>('networks', 'network-names', 'hosts', 'vnis')
  const part = fc.string({ minLength: 1, unit: 'grapheme' })
  fc.assert(
    fc.property(tables, part, (table, key) => {
      expect(parsePath(pathOf({ table, key }))).toEqual({ table, key })
    }),
  )
  fc.assert(
    fc.property(part, (rest) => {
      const at = { table: 'services' as const, key: `n1/${rest}` }
      expect(parsePath(pathOf(at))).toEqual(at)
    }),
  )
})

test.each([
  'changes/net-1/x',
  'networks',
  'networks/',
  'networks/a/b',
  'endpoints/n1',
  'endpoints/n1/',
  'vnis/%zz',
  '',
])('%j is no record of ours', (path) => {
  expect(parsePath(path)).toBeUndefined()
})

test('a value that cannot be used says which key, which field and why', () => {
  const reason = (table: Table, key: string, text: string): string => {
    try {
      readRecord(table, key, text)
      return 'fine'
    } catch (error) {
      return (error as Error).message
    }
  }
  const change = (more: object): string => JSON.stringify({ ...endpoint('n1', 'e1'), ...more })
  expect(
    [
      reason('vnis', '256', '{'),
      reason('vnis', '256', '"../../etc"'),
      reason('networks', 'n1', '[]'),
      reason('networks', 'n2', JSON.stringify(network('n1'))),
      reason('endpoints', 'n1/e2', change({})),
      reason('endpoints', 'n1/e1', change({ mac: '02:42:0A:00:00:02' })),
      reason('endpoints', 'n1/e1', change({ v6: 'FD00::2' })),
      reason('endpoints', 'n1/e1', change({ container: { id: 'c1', name: 'a\n10.0.0.9 bank' } })),
      reason('services', 'n1/x', JSON.stringify({ id: 's', network: 'n1', name: 'y', v4: '10.0.0.2' })),
      reason('pools', '10.0.0.0/8', '{"host":"a","reserved":[],"claimedAt":"yesterday"}'),
      reason('replicas', 'net-1/../../x', '"n1"'),
      reason('addresses', 'n1/foo', JSON.stringify(lease())),
      reason('addresses', 'n1/10.0.0.02', JSON.stringify(lease())),
    ].join('\n'),
  ).toMatchInlineSnapshot(`
    "the value of vnis/256 cannot be used: it is not JSON
    the value of vnis/256 cannot be used: it: is not an id
    the value of networks/n1 cannot be used: it: Invalid input: expected object, received array
    the value of networks/n2 cannot be used: the value names another key, n1
    the value of endpoints/n1/e2 cannot be used: the value names another key, n1/e1
    the value of endpoints/n1/e1 cannot be used: mac: is not a MAC
    the value of endpoints/n1/e1 cannot be used: v6: is not a canonical address
    the value of endpoints/n1/e1 cannot be used: container.name: is empty, too long or has blanks
    the value of services/n1/x cannot be used: the value names another key, n1/y
    the value of pools/10.0.0.0/8 cannot be used: claimedAt: is not a time
    the value of replicas/net-1/../../x cannot be used: the key is not an id
    the value of addresses/n1/foo cannot be used: the key is not a canonical address
    the value of addresses/n1/10.0.0.02 cannot be used: the key is not a canonical address"
  `)
})

test('fields of a newer version are kept, and aliases that cannot stand in a hosts file are not', () => {
  const value = { ...endpoint('n1', 'e1'), aliases: ['web', 'a b', 'x\ny'], future: { x: 1 } }
  expect(checkRecord('endpoints', 'n1/e1', value)).toEqual({ ...value, aliases: ['web'] })
})

test('no text makes reading do anything but answer or say corrupt', () => {
  const tables = fc.constantFrom<Table>(
    'networks',
    'endpoints',
    'hosts',
    'replicas',
    'pools',
    'addresses',
    'services',
    'vnis',
  )
  fc.assert(
    fc.property(tables, fc.oneof(fc.json(), fc.string()), (table, text) => {
      try {
        readRecord(table, 'k', text)
      } catch (error) {
        expect(error).toMatchObject({ code: 'corrupt' })
      }
    }),
  )
})

test('callers that come while a call is on its way share the next one', async () => {
  const started: (() => void)[] = []
  const shared = singleFlight(() => new Promise<void>((resolve) => started.push(resolve)))
  const first = shared()
  const [second, third] = [shared(), shared()]
  expect(started).toHaveLength(1)
  started[0]?.()
  await first
  await until('the second call is on its way', () => started.length === 2)
  started[1]?.()
  await Promise.all([second, third])
  expect(started).toHaveLength(2)
})

test('a caller that comes as a call ends starts none beside the next one', async () => {
  let running = 0
  let most = 0
  const shared = singleFlight(async () => {
    running += 1
    most = Math.max(most, running)
    await turn()
    running -= 1
  })
  await Promise.all([shared().then(shared), shared()])
  expect(most).toBe(1)
})

test('a failed call fails those that waited for it, and not those who come later', async () => {
  let calls = 0
  const shared = singleFlight(async () => {
    calls += 1
    await Promise.resolve()
    if (calls === 1) throw new Error('away')
  })
  expect((await Promise.allSettled([shared(), shared()])).map(({ status }) => status)).toEqual([
    'rejected',
    'rejected',
  ])
  await shared()
})

test('a session is renewed at two thirds of the TTL that Consul gave it, and soon again when Consul did not answer', async () => {
  const ttlMs = 1800
  const began = performance.now()
  const asked: number[] = []
  let isAway = false
  const keeper = createSessionKeeper(
    {
      createSession: async (_, wantedMs) => ({ id: 's1', ttlMs: 2 * wantedMs }),
      async renewSession() {
        asked.push(performance.now() - began)
        if (isAway) throw new Error('away')
        return true
      },
      destroySession: async () => undefined,
    },
    { name: 'x', ttlMs: ttlMs / 2, lost: () => undefined },
  )
  await keeper.session()
  await until('it is renewed', () => asked.length === 1)
  expect(asked[0]).toBeGreaterThan(ttlMs / 2)
  await keeper.session()
  isAway = true
  const [, , ...later] = await until('it is tried', () => asked.length >= 5).then(() => asked)
  await keeper.close()
  // The one that was asked for counts as well: none came soon after it.
  expect((later[0] ?? 0) - (asked[1] ?? 0)).toBeGreaterThan(ttlMs / 2)
  expect((later[2] ?? 0) - (later[0] ?? 0)).toBeLessThan(ttlMs / 2)
})

test('a session is renewed by itself, made anew when it is lost, and ended at the end', async () => {
  const alive = new Set<string>()
  const calls: string[] = []
  const lost: string[] = []
  let count = 0
  const keeper = createSessionKeeper(
    {
      createSession: async () => {
        const id = `s${++count}`
        alive.add(id)
        return { id, ttlMs: 9 }
      },
      renewSession: async (id) => {
        calls.push(id)
        return alive.has(id)
      },
      destroySession: async (id) => void alive.delete(id),
    },
    { name: 'x', ttlMs: 9, lost: (id) => lost.push(id) },
  )
  await Promise.all([keeper.session(), keeper.session()])
  expect(count).toBe(1)
  await until('it was renewed', () => calls.length >= 2)
  alive.clear()
  await until('it was made anew', () => alive.has('s2'))
  expect(lost).toEqual(['s1'])
  await keeper.close()
  expect(alive.size).toBe(0)
})

test('a session that is lost is told once, however long Consul makes no other one', async () => {
  let count = 0
  const lost: string[] = []
  const keeper = createSessionKeeper(
    {
      createSession: async () => {
        count += 1
        if (count > 1) throw new Error('Missing node registration')
        return { id: 's1', ttlMs: 9 }
      },
      renewSession: async () => false,
      destroySession: async () => undefined,
    },
    { name: 'x', ttlMs: 9, lost: (id) => lost.push(id) },
  )
  await keeper.session()
  await until('another one was asked for again and again', () => count > 4)
  await keeper.close()
  expect(lost).toEqual(['s1'])
})

const never = () => new Promise<never>(() => undefined)

/** A keeper with a session, whose client then answers as `later` does; the ends of sessions that were asked for. */
async function keeperWith(later: { renew: () => Promise<boolean>; destroy: () => Promise<void> }) {
  const calls = { created: 0, renewals: 0, ends: 0 }
  const keeper = createSessionKeeper(
    {
      async createSession() {
        calls.created += 1
        return { id: 's1', ttlMs: 15_000 }
      },
      renewSession() {
        calls.renewals += 1
        return later.renew()
      },
      destroySession() {
        calls.ends += 1
        return later.destroy()
      },
    },
    { name: 'x', ttlMs: 15_000, lost: () => undefined },
  )
  await keeper.session()
  return { keeper, calls }
}

test('a keeper that closes waits for no Consul that is silent', async () => {
  const { keeper, calls } = await keeperWith({ renew: never, destroy: never })
  void keeper.session()
  await until('a renewal is under way', () => calls.renewals === 1)
  const began = performance.now()
  await keeper.close()
  expect(performance.now() - began).toBeLessThan(5000)
  expect(calls.ends).toBe(1)
})

test('a keeper that closes asks nothing of a Consul that did not answer last', async () => {
  const { keeper, calls } = await keeperWith({
    renew: () => Promise.reject(new Error('away')),
    destroy: never,
  })
  await expect(keeper.session()).rejects.toThrow('away')
  await keeper.close()
  expect(calls.ends).toBe(0)
})

test('a session that ends by the close is not made anew by a renewal on its way', async () => {
  let answer: (isThere: boolean) => void = () => undefined
  const { keeper, calls } = await keeperWith({
    renew: () => new Promise((resolve) => (answer = resolve)),
    destroy: async () => undefined,
  })
  const renewed = keeper.session()
  await keeper.close()
  answer(false)
  await expect(renewed).rejects.toThrow()
  expect(calls).toEqual({ created: 1, renewals: 1, ends: 1 })
})

test('a store that closes saves its copy on disk before it asks Consul anything', async () => {
  const folder = temporaryFolder()
  const diskPath = join(folder, 'net-1.json')
  const saved: string[] = []
  const client = consulInMemory().client()
  const store = await openConsulStore({
    url: 'consul://x',
    ...{ host: 'net-1', diskPath, saveEveryMs: 600_000 },
    client: {
      ...client,
      async destroySession() {
        saved.push(readFileSync(diskPath, 'utf8'))
      },
    },
  })
  await store.read()
  await store.announce({ id: 'a', vtep: '192.168.33.11' })
  await store.commit([createNetwork('n1')])
  await store.close()
  expect(saved).toEqual([expect.stringContaining('n1')])
})

test('a store that closes during a read of everything ends the read', async () => {
  const client = consulInMemory().client()
  let reads = 0
  const store = await openConsulStore({
    ...{ url: 'consul://x', host: 'net-1' },
    client: {
      ...client,
      list: (_, { signal } = {}) =>
        new Promise((_resolve, reject) => {
          reads += 1
          signal?.addEventListener('abort', () => reject(signal.reason))
        }),
    },
  })
  await until('the read is under way', () => reads > 0)
  const began = performance.now()
  await store.close()
  expect(performance.now() - began).toBeLessThan(5000)
})
