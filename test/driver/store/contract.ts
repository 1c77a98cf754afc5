/**
 * What every store does, whatever it is made of.
 */
import { afterEach, describe, expect, test } from 'vitest'
import { isCode } from '../../../driver/core/errors.ts'
import type { Change, Table } from '../../../driver/core/model.ts'
import { keyIn, tables } from '../../../driver/core/snapshot.ts'
import type { ChangedKey, Store } from '../../../driver/store/store.ts'
import { until } from '../../fixtures/until.ts'
import { createLease, createNetwork, endpoint, lease, network } from './records.ts'

export interface Cluster {
  /** A further store of the cluster that `fresh` has begun. */
  open(host: string): Promise<Store>
  /** A store that knows nothing is the beginning of every test. */
  fresh(): Promise<void>
  /** Somebody writes a value by hand. */
  put(table: Table, key: string, text: string): Promise<void>
  /** Nothing answers any more, until `back`. */
  away(): Promise<void>
  back(): Promise<void>
  /** The bound of every call. */
  timeoutMs: number
}

export function storeContract(name: string, cluster: Cluster): void {
  const opened: Store[] = []
  const open = async (host: string): Promise<Store> => {
    const store = await cluster.open(host)
    opened.push(store)
    return store
  }
  const two = async (): Promise<[Store, Store]> => {
    await cluster.fresh()
    const stores = [await open('net-1'), await open('net-2')] as const
    await Promise.all(stores.map((store) => store.read()))
    return [...stores]
  }
  const failure = async (of: Promise<unknown>): Promise<unknown> =>
    of.then(
      () => undefined,
      (error) => error,
    )

  describe(`a store in ${name}`, () => {
    afterEach(async () => {
      await cluster.back()
      await Promise.all(opened.splice(0).map((store) => store.close()))
    })

    test('begins empty', async () => {
      const [one] = await two()
      expect(Object.values(one.snapshot()).map((table) => table.size)).toEqual(tables.map(() => 0))
    })

    test('has its own commit when commit resolves, and has told of it', async () => {
      const [one] = await two()
      const told: ChangedKey[] = []
      one.onChange((snapshot, keys) => {
        expect(snapshot.networks.has('n1')).toBe(true)
        told.push(...keys)
      })
      await one.commit([createNetwork('n1')])
      expect(one.snapshot().networks.get('n1')?.value).toEqual(network('n1'))
      expect(told).toEqual([{ table: 'networks', key: 'n1' }])
    })

    test('creates a key once, and names it to whoever comes second', async () => {
      const [one, other] = await two()
      await one.commit([createLease('n1/10.0.0.2')])
      const error = await failure(other.commit([createLease('n1/10.0.0.3'), createLease('n1/10.0.0.2')]))
      expect(error).toMatchObject({
        code: 'conflict',
        message: 'addresses/n1/10.0.0.2 exists already',
        cause: { table: 'addresses', key: 'n1/10.0.0.2' },
      })
    })

    test('changes all keys of a commit or none', async () => {
      const [one, other] = await two()
      await one.commit([createLease('n1/10.0.0.2')])
      await failure(one.commit([createLease('n1/10.0.0.3'), createLease('n1/10.0.0.2')]))
      expect((await other.read()).addresses.has('n1/10.0.0.3')).toBe(false)
      expect(one.snapshot().addresses.has('n1/10.0.0.3')).toBe(false)
    })

    test('lets exactly one of two creators of the same key have it', async () => {
      const [one, other] = await two()
      const outcomes = await Promise.allSettled([
        one.commit([createLease('n1/10.0.0.2', 'net-1')]),
        other.commit([createLease('n1/10.0.0.2', 'net-2')]),
      ])
      expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
    })

    test('sees what another store commits, changes and removes', async () => {
      const [one, other] = await two()
      await one.commit([createNetwork('n1'), createLease('n1/10.0.0.2')])
      await until('the network is there', () => other.snapshot().networks.has('n1'))
      const at = other.snapshot().networks.get('n1')?.index ?? 0
      await other.commit([
        { op: 'update', table: 'networks', key: 'n1', value: network('n1', { name: 'foobar' }), index: at },
        { op: 'drop', table: 'addresses', key: 'n1/10.0.0.2' },
      ])
      await until('the name is there', () => one.snapshot().networks.get('n1')?.value.name === 'foobar')
      expect(one.snapshot().addresses.size).toBe(0)
      expect(one.snapshot().networks.get('n1')).toEqual(other.snapshot().networks.get('n1'))
    })

    test('refuses an update of a key that has changed since it was read', async () => {
      const [one, other] = await two()
      await one.commit([createNetwork('n1')])
      const index = one.snapshot().networks.get('n1')?.index ?? 0
      const rename = (name: string): Change => ({
        op: 'update',
        table: 'networks',
        key: 'n1',
        value: network('n1', { name }),
        index,
      })
      await one.commit([rename('foobar')])
      const error = await failure(other.commit([rename('other')]))
      expect(error).toMatchObject({ code: 'conflict', message: 'networks/n1 was changed in the meantime' })
      expect((await other.read()).networks.get('n1')?.value.name).toBe('foobar')
    })

    test('gives an update that changes nothing a new index, as any update', async () => {
      const [one, other] = await two()
      await one.commit([createNetwork('n1')])
      const index = one.snapshot().networks.get('n1')?.index ?? 0
      await one.commit([{ op: 'update', table: 'networks', key: 'n1', value: network('n1'), index }])
      const now = one.snapshot().networks.get('n1')?.index ?? 0
      expect(now).toBeGreaterThan(index)
      await until('the other has it', () => other.snapshot().networks.get('n1')?.index === now)
      expect((await other.read()).networks.get('n1')?.index).toBe(now)
    })

    test('holds a commit to what it expects', async () => {
      const [one, other] = await two()
      await one.commit([createNetwork('n1')])
      const index = one.snapshot().networks.get('n1')?.index ?? 0
      const expecting: Change = { op: 'expect', table: 'networks', key: 'n1', index }
      await other.commit([expecting, createLease('n1/10.0.0.2')])
      await other.commit([expecting])
      await one.commit([{ op: 'drop', table: 'networks', key: 'n1' }])
      const error = await failure(other.commit([createLease('n1/10.0.0.3'), expecting]))
      expect(error).toMatchObject({ code: 'conflict', cause: { table: 'networks', key: 'n1' } })
      expect(isCode(await failure(other.commit([expecting])), 'conflict')).toBe(true)
    })

    test('removes a key that is where it was read, or gone already, and no other', async () => {
      const [one, other] = await two()
      await one.commit([createLease('n1/10.0.0.2')])
      const index = one.snapshot().addresses.get('n1/10.0.0.2')?.index ?? 0
      const remove: Change = { op: 'remove', table: 'addresses', key: 'n1/10.0.0.2', index }
      await one.commit([remove])
      await one.commit([remove])
      await other.commit([createLease('n1/10.0.0.2', 'net-2')])
      expect(isCode(await failure(one.commit([remove])), 'conflict')).toBe(true)
      expect((await one.read()).addresses.get('n1/10.0.0.2')?.value.host).toBe('net-2')
    })

    test('drops what is there, or nothing', async () => {
      const [one] = await two()
      await one.commit([{ op: 'drop', table: 'networks', key: 'n1' }])
      await one.commit([createNetwork('n1')])
      await one.commit([{ op: 'drop', table: 'networks', key: 'n1' }])
      expect(one.snapshot().networks.size).toBe(0)
    })

    test('never shows a deleted key again', async () => {
      const [one, other] = await two()
      const seen: string[] = []
      one.onChange((snapshot) => seen.push([...snapshot.addresses.keys()].join()))
      for (let round = 0; round < 20; round++) {
        await one.commit([createLease(`n1/10.0.1.${round}`)])
        await one.commit([{ op: 'drop', table: 'addresses', key: `n1/10.0.1.${round}` }])
        expect(one.snapshot().addresses.size).toBe(0)
      }
      await other.commit([createNetwork('end')])
      await until('everything has arrived', () => one.snapshot().networks.has('end'))
      // Each one comes once and goes once, in turn; one that came back would come twice.
      const shown = seen.filter((keys, i) => keys !== seen[i - 1] && keys !== '')
      expect(shown).toEqual([...Array(20).keys()].map((round) => `n1/10.0.1.${round}`))
    })

    test('reads everything that was committed before', async () => {
      const [one, other] = await two()
      await one.commit([createNetwork('n1')])
      expect((await other.read()).networks.has('n1')).toBe(true)
    })

    test('keeps an old snapshot as it was', async () => {
      const [one] = await two()
      const before = one.snapshot()
      await one.commit([createNetwork('n1')])
      expect(before.networks.size).toBe(0)
    })

    test('keeps no reference to what it was given', async () => {
      const [one] = await two()
      const value = network('n1')
      await one.commit([{ op: 'create', table: 'networks', key: 'n1', value }])
      value.vni = 999
      expect(one.snapshot().networks.get('n1')?.value.vni).toBe(256)
    })

    test('takes keys of every kind', async () => {
      const [one, other] = await two()
      const service = { id: 's1', network: 'n1', name: 'bar/baz.ä:1', v4: '10.0.0.2' }
      const claim = { host: 'net-1', reserved: [], claimedAt: '2025-01-01T00:00:00Z' }
      await one.commit([
        { op: 'create', table: 'services', key: keyIn('n1', service.name), value: service },
        { op: 'create', table: 'pools', key: 'fd00::/64', value: claim },
        { op: 'create', table: 'pools', key: '10.0.0.0/16', value: claim },
        { op: 'create', table: 'network-names', key: 'foo.bar_baz-1', value: 'n1' },
        { op: 'create', table: 'vnis', key: '256', value: 'n1' },
        { op: 'create', table: 'endpoints', key: 'n1/e1', value: endpoint('n1', 'e1', { v6: 'fd00::2' }) },
        { op: 'create', table: 'addresses', key: 'n1/fd00::2', value: lease() },
        { op: 'create', table: 'replicas', key: 'net-1.lan/n1', value: 'n1' },
        {
          op: 'create',
          table: 'hosts',
          key: 'net-1.lan',
          value: { vtep: '192.168.33.11', driverVersion: '1' },
        },
      ])
      await until('everything is there', () => other.snapshot().hosts.size === 1)
      expect(other.snapshot()).toEqual(one.snapshot())
      expect((await other.read()).services.get('n1/bar/baz.ä:1')?.value).toEqual(service)
    })

    test('takes sixty steps, not more, and no key twice', async () => {
      const [one] = await two()
      const leases = (count: number): Change[] =>
        Array.from({ length: count }, (_, i) => createLease(`n1/10.0.2.${i}`))
      await one.commit([])
      await one.commit(leases(60))
      expect(one.snapshot().addresses.size).toBe(60)
      expect(await failure(one.commit(leases(61)))).toMatchObject({
        code: 'invalid',
        message: expect.stringContaining('at most 60 steps'),
      })
      expect(await failure(one.commit([createNetwork('n1'), createNetwork('n1')]))).toMatchObject({
        code: 'invalid',
      })
    })

    test('writes nothing that it could not read', async () => {
      const [one] = await two()
      expect(await failure(one.commit([createNetwork('n1', { vni: 0 })]))).toMatchObject({ code: 'internal' })
      expect(await failure(one.commit([{ ...createNetwork('n1'), key: 'n2' } as Change]))).toMatchObject({
        message: expect.stringContaining('networks/n2 cannot be used: it says that it is n1'),
      })
      const stale: Change = { op: 'update', table: 'networks', key: 'n1', value: network('n1'), index: 0 }
      expect(await failure(one.commit([stale])), 'index 0 is none').toMatchObject({ code: 'invalid' })
    })

    test('names a value that cannot be used, leaves it out, and goes on with the rest', async () => {
      const [one, other] = await two()
      await one.commit([createNetwork('n1'), createNetwork('n2')])
      await cluster.put('networks', 'n1', '{"vni": "many"}')
      await cluster.put('addresses', 'n1/10.0.0.9', 'not JSON')
      await other.read()
      expect(other.status().corrupt).toEqual(['addresses/n1/10.0.0.9', 'networks/n1'])
      expect([...other.snapshot().networks.keys()]).toEqual(['n2'])
      await other.commit([createLease('n2/10.0.0.2')])
      expect(isCode(await failure(other.commit([createLease('n1/10.0.0.9')])), 'conflict')).toBe(true)
      await other.commit([
        { op: 'drop', table: 'networks', key: 'n1' },
        { op: 'drop', table: 'addresses', key: 'n1/10.0.0.9' },
      ])
      expect(other.status().corrupt).toEqual([])
    })

    test('notices what was written by hand when it reads', async () => {
      const [one] = await two()
      await cluster.put('networks', 'n7', JSON.stringify(network('n7')))
      expect((await one.read()).networks.has('n7')).toBe(true)
    })

    test('goes on when a listener throws, and stops telling who asked to stop', async () => {
      const [one] = await two()
      const told: string[] = []
      one.onChange(() => {
        throw new Error('of the listener')
      })
      const stop = one.onChange(() => told.push('told'))
      await one.commit([createNetwork('n1')])
      stop()
      await one.commit([createNetwork('n2')])
      expect(told).toEqual(['told'])
    })

    test('shows the host as alive until it closes', async () => {
      const [one, other] = await two()
      const id = await one.session()
      expect(await one.session()).toBe(id)
      expect(await other.session()).not.toBe(id)
      expect((await other.sessions()).has(id)).toBe(true)
      await one.close()
      expect((await other.sessions()).has(id)).toBe(false)
    })

    test('says within its bound that nothing answers, keeps what it knows, and goes on by itself', async () => {
      const [one, other] = await two()
      await one.commit([createNetwork('n1')])
      await until('both have it', () => other.snapshot().networks.has('n1'))
      await cluster.away()
      const began = performance.now()
      const calls = [one.commit([createNetwork('n2')]), one.read(), one.session(), one.sessions()]
      const errors = await Promise.all(calls.map(failure))
      expect(errors.map((error) => isCode(error, 'unavailable'))).toEqual([true, true, true, true])
      expect(performance.now() - began).toBeLessThan(cluster.timeoutMs + 1000)
      expect((errors[0] as { hint: string }).hint).toContain('running containers are not affected')
      expect([...one.snapshot().networks.keys()]).toEqual(['n1'])
      expect(one.status()).toMatchObject({ fresh: false, lastError: expect.stringContaining('not answer') })
      await cluster.back()
      await until(
        'it is fresh again',
        () => one.status().fresh && one.status().lastError === undefined,
        10_000,
      )
      await other.read()
      await other.commit([createNetwork('n3')])
      await until('the watch goes on', () => one.snapshot().networks.has('n3'))
    })

    test('brings 200 concurrent commits of two stores to both, completely', async () => {
      const stores = await two()
      const commits = Array.from({ length: 200 }, (_, i) => ({ store: stores[i % 2], key: `n1/10.0.3.${i}` }))
      await Promise.all(
        commits.map(({ store, key }) =>
          store?.commit([createLease(key), createNetwork(`n${key.slice(10)}`)]),
        ),
      )
      for (const store of stores) {
        await until('all have arrived', () => store.snapshot().addresses.size === 200, 10_000)
        expect(store.snapshot().networks.size).toBe(200)
      }
      expect(new Map(stores[0].snapshot().addresses)).toEqual(new Map(stores[1].snapshot().addresses))
      const followed = stores[0].snapshot().addresses
      expect(new Map((await stores[0].read()).addresses)).toEqual(new Map(followed))
    })
  })
}
