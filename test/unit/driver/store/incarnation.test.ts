/**
 * A store that lost records, was replaced, or belongs to others: each host knows it, whichever index Consul
 * gives.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { DriverError } from '../../../../driver/core/errors.ts'
import type { Change } from '../../../../driver/core/records.ts'
import { endpointsOnHost } from '../../../../driver/core/snapshot.ts'
import { openConsulStore } from '../../../../driver/store/consul/store.ts'
import { lackingAbove } from '../../../../driver/store/incarnation.ts'
import type { Store } from '../../../../driver/store/store.ts'
import { splitIntoCommits } from '../../../../driver/store/transaction-limits.ts'
import { type ConsulInMemory, consulInMemory } from '../../../fixtures/consul-in-memory.ts'
import { readableLog } from '../../../fixtures/log.ts'
import { createLease, createNetwork, endpoint, lease } from '../../../fixtures/store-records.ts'
import { temporaryFolder } from '../../../fixtures/temporary-folder.ts'
import { until } from '../../../fixtures/until.ts'

let consul: ConsulInMemory
let stores: Store[] = []
let folder: string
beforeEach(() => {
  consul = consulInMemory()
  folder = temporaryFolder()
})
afterEach(async () => {
  await Promise.all(stores.map((store) => store.close()))
  stores = []
})

const prefix = 'multihost'
async function open(host: string, more: object = {}): Promise<Store> {
  const store = await openConsulStore({
    ...{ url: 'consul://consul', host, client: consul.client(), saveEveryMs: 1, pauseMs: 1 },
    ...{ diskPath: join(folder, `${host}.json`) },
    ...more,
  })
  stores.push(store)
  return store
}
async function openFresh(host: string): Promise<Store> {
  const store = await open(host)
  await until(`${host} is fresh`, () => store.status().fresh && store.status().doubt === undefined)
  return store
}
const own = (host: string, id: string, ip: string, of = 'n1'): Change[] => [
  { op: 'create', table: 'endpoints', key: `${of}/${id}`, value: endpoint(of, id, { host, v4: ip }) },
  { op: 'create', table: 'addresses', key: `${of}/${ip}`, value: { ...lease(host), endpoint: id } },
]
const drop = (id: string, ip: string): Change[] => [
  { op: 'drop', table: 'endpoints', key: `n1/${id}` },
  { op: 'drop', table: 'addresses', key: `n1/${ip}` },
]
const claims = (id: string): Change[] => [{ op: 'create', table: 'vnis', key: '256', value: id }]
const dropNetwork = (id: string): Change[] => [
  { op: 'drop', table: 'networks', key: id },
  { op: 'drop', table: 'vnis', key: '256' },
]
/** Removes a network with its claim, and makes another one with that claim. */
async function replaceNetwork(store: Store, old: string, made: string): Promise<void> {
  await store.commit(dropNetwork(old))
  await store.commit([createNetwork(made), ...claims(made)])
}
/** Two hosts that know n2, and a backup that has n1 with the claim of n2. */
async function replacedAfterBackup() {
  const [one, two] = [await openFresh('net-1'), await openFresh('net-2')]
  await one.commit([createNetwork('n1'), ...claims('n1')])
  const backup = consul.backup()
  await two.read()
  await replaceNetwork(two, 'n1', 'n2')
  await one.read()
  return { one, two, backup }
}
/** Its value; null where the key is missing. */
const record = (path: string) => JSON.parse(consul.get(`${prefix}/${path}`) ?? 'null')
const word = (): string | undefined => record('cluster')?.restored
const settled = (store: Store, before: string | undefined) =>
  until('the repair is over', () => {
    const { doubt, fresh } = store.status()
    return doubt === undefined && fresh && word() !== undefined && word() !== before
  })
const has = (path: string): boolean => consul.get(`${prefix}/${path}`) !== undefined

test('the first host makes the cluster, the others join it', async () => {
  const one = await openFresh('net-1')
  const two = await openFresh('net-2')
  expect(one.status().cluster).toMatch(/^[0-9a-f]{16}$/)
  expect(two.status().cluster).toBe(one.status().cluster)
})

describe('what the hosts had is back after the store', () => {
  const losses: [string, () => void][] = [
    ['was emptied', () => consul.delete(prefix)],
    ['was replaced by one with a lower index', () => consul.replace(1)],
    ['was replaced by one with a higher index', () => consul.replace(1_000_000)],
  ]
  test.each(losses)('%s', async (_, lose) => {
    const one = await openFresh('net-1')
    const two = await openFresh('net-2')
    await one.commit([createNetwork('n1'), ...own('net-1', 'e1', '10.0.0.2')])
    await two.read()
    await two.commit(own('net-2', 'e2', '10.0.0.3'))
    await until('net-1 knows', () => one.snapshot().endpoints.size === 2)
    const missing: string[] = []
    for (const store of [one, two])
      store.onChange((snapshot) => {
        if (snapshot.endpoints.size < 2 || snapshot.networks.size < 1) missing.push('a record is missing')
      })
    lose()
    await Promise.all([settled(one, undefined), settled(two, undefined)])
    expect(['networks/n1', 'endpoints/n1/e1', 'endpoints/n1/e2', 'addresses/n1/10.0.0.2'].map(has)).toEqual(
      Array(4).fill(true),
    )
    expect(missing, 'no host saw a smaller store').toEqual([])
    await two.commit([createLease('n1/10.0.0.9')])
    await until('commits reach the others', () => one.snapshot().addresses.has('n1/10.0.0.9'))
  })

  test.each([1, 2, 3, 5])('was emptied again at transaction %i of the repair', async (number) => {
    const one = await openFresh('net-1')
    const two = await openFresh('net-2')
    await one.commit([createNetwork('n1'), ...own('net-1', 'e1', '10.0.0.2')])
    await two.read()
    const { cluster } = one.status()
    let count = 0
    consul.onTransact = () => {
      count += 1
      if (count === number) consul.delete(prefix)
    }
    consul.delete(prefix)
    await until('everything is back', () => has('endpoints/n1/e1') && has('networks/n1'))
    await Promise.all([settled(one, undefined), settled(two, undefined)])
    expect([one, two].map((store) => store.status().cluster)).toEqual([cluster, cluster])
  })

  test('was restored from a backup: own records are written over what it has', async () => {
    const one = await openFresh('net-1')
    const two = await openFresh('net-2')
    await one.commit([createNetwork('n1'), ...own('net-1', 'old', '10.0.0.2')])
    const backup = consul.backup()
    const [was] = endpointsOnHost(one.snapshot(), 'net-1')
    const held = one.snapshot().addresses.get('n1/10.0.0.2')
    if (was === undefined || held === undefined) throw new Error('nothing to replace')
    await one.commit([
      { op: 'remove', table: 'endpoints', key: 'n1/old', index: was.index },
      { op: 'remove', table: 'addresses', key: 'n1/10.0.0.2', index: held.index },
    ])
    await one.commit(own('net-1', 'new', '10.0.0.2'))
    await two.read()
    consul.restore(backup)
    await Promise.all([settled(one, undefined), settled(two, undefined)])
    expect(record('addresses/n1/10.0.0.2')).toMatchObject({ endpoint: 'new' })
    expect(has('endpoints/n1/new')).toBe(true)
    await until('net-2 agrees', () => two.snapshot().endpoints.has('n1/new'))
  })

  test('was restored again, from a backup of before the first repair', async () => {
    const { one, two, backup } = await replacedAfterBackup()
    for (let before: string | undefined, time = 1; time <= 2; time += 1) {
      consul.restore(backup)
      await Promise.all([settled(one, before), settled(two, before)])
      expect(record('vnis/256'), `time ${time}`).toBe('n2')
      before = word()
    }
  })

  test('was restored, and a commit into the backup closed a segment before a host noticed', async () => {
    const one = await openFresh('net-1')
    await one.commit([createNetwork('n1')])
    const backup = consul.backup()
    const newest = () =>
      Math.max(
        ...consul
          .keys()
          .flatMap((key) => /changes\/(\d+)\/head/.exec(key)?.[1] ?? [])
          .map(Number),
      )
    const first = newest()
    for (let n = 2; newest() === first; n++) await one.commit([createLease(`n1/10.0.0.${n}`)])
    const next = newest()
    await one.read()
    consul.restore(backup)
    consul.put(`${prefix}/changes/${first}/net-9/0-1`, JSON.stringify({ next, changes: [] }))
    consul.put(`${prefix}/changes/${next}/head`, '{}')
    await settled(one, undefined)
    expect(has('addresses/n1/10.0.0.2')).toBe(true)
  })

  test('was restored: the log of before ends with the repair, so that no host waits in it', async () => {
    const one = await openFresh('net-1')
    await one.commit([createNetwork('n1')])
    const backup = consul.backup()
    await one.commit([createLease('n1/10.0.0.9')])
    await one.read()
    consul.restore(backup)
    await settled(one, undefined)
    const segments = consul.keys().flatMap((key) => /\/changes\/(\d+)\/head$/.exec(key)?.[1] ?? [])
    expect(segments).toEqual(['2'])
  })

  test('was emptied, and all hosts started anew before the first had put everything back', async () => {
    const [one, two] = [await openFresh('net-1'), await openFresh('net-2')]
    await one.commit([createNetwork('n1'), createNetwork('n2')])
    await two.read()
    await Promise.all([one.close(), two.close()])
    consul.delete(prefix)
    let hasBegun = false
    consul.onTransact = () => {
      hasBegun = has('cluster')
      if (hasBegun) throw new DriverError('unavailable', 'Consul has stopped')
    }
    const stopped = await open('net-1')
    await until('it has begun, and gets no further', () => hasBegun)
    await stopped.close()
    consul.onTransact = () => undefined
    expect(has('networks/n1')).toBe(false)
    const again = await openFresh('net-2')
    expect([...again.snapshot().networks.keys()]).toEqual(['n1', 'n2'])
    expect(has(`repair/${word()}`)).toBe(false)
  })

  describe('was emptied, and a host starts from an old copy while another one puts everything back', () => {
    const pauseMs = 40
    const many = Array.from({ length: 400 }, (_, n) => createLease(`n1/10.0.${1 + (n >> 8)}.${n & 255}`))
    /** Its copy has `gone`, which was removed since. Each transaction of the other host takes `slowMs`. */
    async function startsMeanwhile(slowMs: number, waitMs: number): Promise<Store> {
      const client = consul.client()
      let isSlow = false
      const slow: typeof client = {
        ...client,
        async transact(steps) {
          if (isSlow) await delay(slowMs)
          return client.transact(steps)
        },
      }
      const [one, two] = [await open('net-1', { client: slow, pauseMs }), await openFresh('net-2')]
      await one.commit([createNetwork('n1'), createNetwork('gone')])
      await two.read()
      await two.close()
      await one.commit([{ op: 'drop', table: 'networks', key: 'gone' }])
      for (const changes of splitIntoCommits(many)) await one.commit(changes)
      isSlow = true
      consul.delete(prefix)
      await until('the repair has begun', () => has('cluster'))
      return open('net-2', { pauseMs: waitMs })
    }
    const isThrough = (store: Store, withinMs?: number) =>
      until('net-2 is fresh', () => store.status().fresh && store.status().doubt === undefined, withinMs)

    test('leaves it to that one, however long it takes', async () => {
      await isThrough(await startsMeanwhile(pauseMs, pauseMs))
      expect(has('networks/gone')).toBe(false)
      expect(many.filter(({ key }) => !has(`addresses/${key}`))).toEqual([])
    })

    test('waits no longer than that one needs', async () => {
      const waitMs = 1500
      // Without a sign of the other host it would wait five times.
      await isThrough(await startsMeanwhile(1, waitMs), 4 * waitMs)
    })
  })

  test('was restored while all hosts were off, and the first to start has been off for longer than the others', async () => {
    const [one, two] = [await openFresh('net-1'), await openFresh('net-2')]
    await one.commit([createNetwork('n1'), ...claims('n1')])
    await two.read()
    const backup = consul.backup()
    await one.commit([createLease('n1/10.0.0.9')])
    await one.close()
    await replaceNetwork(two, 'n1', 'n2')
    await two.commit(own('net-2', 'e2', '10.0.0.3', 'n2'))
    await two.close()
    consul.restore(backup)
    await settled(await open('net-1'), undefined)
    await settled(await open('net-2'), undefined)
    expect(record('vnis/256')).toBe('n2')
  })

  test('a host that was off meanwhile puts back its own records, and no network that was removed since', async () => {
    const one = await openFresh('net-1')
    await one.commit([createNetwork('n1'), createNetwork('n2'), ...own('net-1', 'e1', '10.0.0.2')])
    const two = await openFresh('net-2')
    await one.close()
    consul.delete(prefix)
    await settled(two, undefined)
    const n2 = two.snapshot().networks.get('n2')
    if (n2 === undefined) throw new Error('n2 was not put back')
    await two.commit([{ op: 'remove', table: 'networks', key: 'n2', index: n2.index }])
    const again = await openFresh('net-1')
    expect(again.snapshot().endpoints.has('n1/e1')).toBe(true)
    expect(has('networks/n2')).toBe(false)
  })
})

test.each<[string, { restored?: string; past?: string[] }, { segment: number; index?: number }, number]>([
  ['knew the store for longer', {}, { segment: 5, index: 70 }, 50],
  ['knew it for longer by an earlier driver, which kept no index', {}, { segment: 6 }, 50],
  ['knew it for longer, after the keys were imported into another Consul', {}, { segment: 6, index: 9 }, 0],
  ['knew it for less long', {}, { segment: 4, index: 40 }, Number.POSITIVE_INFINITY],
  ['knew a later repair', { restored: 'b', past: ['a'] }, { segment: 1, index: 9 }, 0],
  ['knew an earlier repair', { restored: '0' }, { segment: 9, index: 99 }, Number.POSITIVE_INFINITY],
  ['knew a repair of which nothing is known', { restored: 'x' }, { segment: 1, index: 9 }, 0],
])('a host that %s', (_, known, at, above) => {
  const cluster = { id: 'c', format: 1, restored: 'c', past: ['0', 'a'] }
  const position = { cluster: { id: 'c', restored: 'a', ...known }, ...at }
  expect(lackingAbove(position, cluster, { word: 'a', segment: 5, index: 50 })).toBe(above)
})

describe('a store that was emptied while all hosts were off', () => {
  const networks = (): string[] =>
    consul.keys().flatMap((path) => /^multihost\/networks\/(.*)/.exec(path)?.[1] ?? [])
  const removed = async (store: Store, id: string): Promise<void> => {
    await store.commit([{ op: 'drop', table: 'networks', key: id }])
  }
  /** net-1 knows n1 and n2, net-2 n1, n2 and later networks. Both are off. */
  async function offWith(...later: string[]): Promise<void> {
    const [one, two] = [await openFresh('net-1'), await openFresh('net-2')]
    await one.commit([createNetwork('n1'), createNetwork('n2')])
    await two.read()
    await one.close()
    for (const id of later) await two.commit([createNetwork(id)])
    await two.close()
  }

  /** net-1 knows n1, net-3 n1 and n2, net-2 all three. All are off, and the store is emptied. */
  async function emptiedAfterEachLeft(): Promise<void> {
    const [one, two, three] = [await openFresh('net-1'), await openFresh('net-2'), await openFresh('net-3')]
    await one.commit([createNetwork('n1')])
    await one.close()
    await two.commit([createNetwork('n2')])
    await three.read()
    await three.close()
    await two.commit([createNetwork('n3')])
    await two.close()
    consul.delete(prefix)
  }
  /** net-1, the first to start, does not have n2. */
  async function isWholeWithNet2(): Promise<void> {
    consul.delete(prefix)
    await openFresh('net-1')
    expect(networks()).toEqual(['n1'])
    await openFresh('net-2')
    expect(networks()).toEqual(['n1', 'n2'])
  }

  test('has all networks again, though the first host to start has been off for longer than the other', async () => {
    await offWith('n3')
    consul.delete(prefix)
    const one = await openFresh('net-1')
    await removed(one, 'n1')
    const two = await openFresh('net-2')
    expect(networks()).toEqual(['n2', 'n3'])
    expect([...two.snapshot().networks.keys()].sort()).toEqual(['n2', 'n3'])
  })

  test('has all networks again, though the copy of the first host is damaged', async () => {
    await offWith()
    const path = join(folder, 'net-1.json')
    const lines = readFileSync(path, 'utf8').split('\n')
    writeFileSync(path, lines.map((line) => (line.startsWith('["networks","n2"') ? '?' : line)).join('\n'))
    await isWholeWithNet2()
  })

  test('has all networks again, though this version cannot read one in the copy of the first host', async () => {
    await offWith()
    const path = join(folder, 'net-1.json')
    const ofLater = (line: string): string =>
      line.replace(/("networks","n2",.*"vni":)\d+/, '$1"of a later version"')
    writeFileSync(path, readFileSync(path, 'utf8').split('\n').map(ofLater).join('\n'))
    await isWholeWithNet2()
  })

  test('has all networks again, though the first host could never read one', async () => {
    await offWith()
    rmSync(join(folder, 'net-1.json'))
    consul.put(`${prefix}/networks/n2`, '{"of": "a later version"}')
    const one = await openFresh('net-1')
    expect(one.status().corrupt).toEqual([{ table: 'networks', key: 'n2' }])
    await one.close()
    await isWholeWithNet2()
  })

  test('gets no network back that was removed before the first host was off', async () => {
    const [one, two] = [await openFresh('net-1'), await openFresh('net-2')]
    await one.commit([createNetwork('n1'), createNetwork('n2')])
    await two.read()
    await two.close()
    await removed(one, 'n1')
    await one.close()
    consul.delete(prefix)
    await openFresh('net-1')
    await openFresh('net-2')
    expect(networks()).toEqual(['n2'])
  })

  test('gets no network back that a third host has put back, and that was removed then', async () => {
    await emptiedAfterEachLeft()
    await openFresh('net-1')
    const again = await openFresh('net-2')
    expect(networks()).toEqual(['n1', 'n2', 'n3'])
    await removed(again, 'n2')
    await openFresh('net-3')
    expect(networks()).toEqual(['n1', 'n3'])
  })

  test('has the networks of a host whose copy is later than that of the host which finished the repair', async () => {
    await emptiedAfterEachLeft()
    consul.onTransact = () => {
      if (has('cluster')) throw new DriverError('unavailable', 'Consul has stopped')
    }
    const begun = await open('net-2')
    await until('it has begun', () => has('cluster'))
    await begun.close()
    consul.onTransact = () => undefined
    await openFresh('net-1')
    expect(networks()).toEqual(['n1'])
    await openFresh('net-3')
    expect(networks()).toEqual(['n1', 'n2'])
  })
})

test('a host that was cut off for long brings no network back that was removed before the store was emptied', async () => {
  const client = consul.client()
  let isCut = false
  const cut = <A extends unknown[], R>(call: (...of: A) => Promise<R>) => {
    return async (...of: A): Promise<R> => {
      if (isCut) throw new DriverError('unavailable', 'Consul does not answer')
      return call(...of)
    }
  }
  const list: typeof client.list = async (...query) => {
    const answer = await cut(client.list)(...query)
    return cut(async () => answer)()
  }
  const one = await open('net-1', { client: { ...client, list, transact: cut(client.transact) } })
  const two = await openFresh('net-2')
  await two.commit([createNetwork('n1'), createNetwork('n2')])
  await until('net-1 knows', () => one.snapshot().networks.size === 2)
  isCut = true
  await two.commit([{ op: 'drop', table: 'networks', key: 'n1' }])
  consul.delete(prefix)
  await settled(two, undefined)
  isCut = false
  await until('net-1 is back', () => one.status().fresh && !one.snapshot().networks.has('n1'))
  expect(has('networks/n1')).toBe(false)
})

describe('a host that was off for longer than the others, and has an old copy', () => {
  test('takes no claim of a network in use for one that is gone', async () => {
    const { one, two, backup } = await replacedAfterBackup()
    await one.close()
    await two.commit(dropNetwork('n2'))
    consul.restore(backup)
    await settled(two, undefined)
    await two.commit(own('net-2', 'e2', '10.0.0.3'))
    expect(record('vnis/256')).toBe('n1')
    await openFresh('net-1')
    expect(record('vnis/256')).toBe('n1')
  })

  test.each([
    // It writes `restored` anew, and leaves the other fields as they are.
    ['an earlier driver has repaired the store', () => ({ ...record('cluster'), restored: 'again' })],
    ['a person has written the key `cluster` anew', () => ({ id: record('cluster').id, format: 1 })],
  ])('leaves a lease that is later than its own, where %s', async (_, cluster) => {
    const [one, two] = [await openFresh('net-1'), await openFresh('net-2')]
    await one.commit([createNetwork('n1')])
    await two.read()
    const backup = consul.backup()
    await one.commit(own('net-1', 'x', '10.0.0.9'))
    await two.read()
    consul.restore(backup)
    await Promise.all([settled(one, undefined), settled(two, undefined)])
    await two.commit(own('net-2', 'old', '10.0.0.2'))
    await one.read()
    await one.close()
    await two.commit(drop('old', '10.0.0.2'))
    await two.commit(own('net-2', 'new', '10.0.0.2'))
    const before = word()
    consul.put(`${prefix}/cluster`, JSON.stringify(cluster()))
    await two.read()
    await settled(two, before)
    expect(record('addresses/n1/10.0.0.2').endpoint).toBe('new')
    await openFresh('net-1')
    expect(record('addresses/n1/10.0.0.2').endpoint).toBe('new')
  })

  test('and repairs the store, leaves a lease to the host whose container has the address now', async () => {
    const [one, two, three] = [await openFresh('net-1'), await openFresh('net-2'), await openFresh('net-3')]
    await one.commit([createNetwork('n1')])
    await two.read()
    await two.commit(own('net-2', 'e1', '10.0.0.2'))
    const backup = consul.backup()
    await two.commit(drop('e1', '10.0.0.2'))
    await one.read()
    await one.commit(own('net-1', 'f', '10.0.0.2'))
    await three.read()
    await three.close()
    await one.commit(drop('f', '10.0.0.2'))
    await one.close()
    await two.read()
    await two.commit(own('net-2', 'e9', '10.0.0.2'))
    await two.close()
    consul.restore(backup)
    await settled(await open('net-3'), undefined)
    await settled(await open('net-2'), undefined)
    await until('the endpoint is back', () => has('endpoints/n1/e9'))
    expect(record('addresses/n1/10.0.0.2').endpoint).toBe('e9')
  })
})

test('another cluster is not read, not written, and left when the right one is back', async () => {
  const one = await openFresh('net-1')
  await one.commit([createNetwork('n1')])
  const backup = consul.backup()
  await until('the copy is saved', () => one.status().cluster !== undefined)
  consul.replace(5000)
  consul.put(`${prefix}/cluster`, JSON.stringify({ id: 'other', format: 1 }))
  await until('net-1 notices', () => one.status().doubt !== undefined)
  const before = consul.keys()
  expect(one.status().doubt).toMatchObject({ why: expect.stringContaining('it is cluster other') })
  expect(one.snapshot().networks.has('n1')).toBe(true)
  expect(one.lookup('networks', 'n9')).toMatchObject({ is: 'unknown' })
  await expect(one.commit([createLease('n1/10.0.0.2')])).rejects.toThrow('it is cluster other')
  expect(consul.keys()).toEqual(before)
  consul.restore(backup)
  await until('net-1 goes on', () => one.status().doubt === undefined && one.status().fresh)
  await one.commit([createLease('n1/10.0.0.2')])
})

test('a store at another address is another cluster to a host with a past', async () => {
  const one = await openFresh('net-1')
  await one.commit([createNetwork('n1')])
  await one.close()
  consul = consulInMemory()
  consul.put(`${prefix}/cluster`, JSON.stringify({ id: 'other', format: 1 }))
  const moved = await open('net-1', { url: 'consul://elsewhere' })
  await until('it is refused', () => (moved.status().doubt?.why ?? '').includes('it is cluster other'))
  expect(moved.snapshot().networks.has('n1')).toBe(true)
})

test('a format of a later version is refused as a whole', async () => {
  consul.put(`${prefix}/cluster`, JSON.stringify({ id: 'c1', format: 2 }))
  const one = await open('net-1')
  await until('it is refused', () => (one.status().doubt?.why ?? '').includes('format 2'))
  await expect(one.commit([createNetwork('n1')])).rejects.toMatchObject({
    hint: expect.stringContaining('newer driver'),
  })
})

test('a full read beside the commits of others is never a loss', async () => {
  const one = await openFresh('net-1')
  const two = await openFresh('net-2')
  const { id } = record('cluster')
  let busy = true
  const writing = (async () => {
    for (let i = 0; busy; i++) {
      const key = `n1/10.0.${i % 250}.9`
      await two.commit([createLease(key)])
      const index = two.snapshot().addresses.get(key)?.index ?? 0
      await two.commit([{ op: 'remove', table: 'addresses', key, index }])
    }
  })()
  // answers are made, then others commit, then the answers arrive
  consul.onList = () => new Promise((resolve) => setTimeout(resolve, 3))
  for (let i = 0; i < 60; i++) await one.read()
  busy = false
  await writing
  await one.read()
  expect(record('cluster'), 'no host repaired anything').toEqual({
    id,
    format: 1,
  })
  expect(consul.keys().filter((key) => key.includes('/addresses/'))).toEqual([])
})

test('putting back costs commits in proportion to what is missing', async () => {
  const hosts = Array.from({ length: 20 }, (_, i) => `host-${i}`)
  const all = await Promise.all(hosts.map(openFresh))
  const [first] = all
  await first?.commit([createNetwork('n1')])
  const each = 20
  for (const [i, store] of all.entries()) {
    await store.read()
    await store.commit(
      Array.from({ length: each }, (_, j) => own(hosts[i] ?? '', `e${i}x${j}`, `10.${i}.${j}.2`)).flat(),
    )
  }
  await Promise.all(all.map((store) => store.read()))
  consul.transactions = 0
  consul.delete(prefix)
  await Promise.all(all.map((store) => settled(store, undefined)))
  expect(consul.keys().filter((key) => key.includes('/endpoints/'))).toHaveLength(hosts.length * each)
  // per host one commit for its forty records, and the shared ones by a few
  expect(consul.transactions).toBeLessThan(4 * hosts.length)
})

test('a list that lacks what the token may not read removes nothing, and says what to do', async () => {
  const one = await openFresh('net-1')
  await one.commit([createNetwork('n1'), ...own('net-1', 'e1', '10.0.0.2')])
  const client = consul.client()
  const filtered = { ...client, list: async () => ({ items: [], index: 99, bytes: 0, filtered: true }) }
  const two = await open('net-2', { client: { ...client, list: client.list } })
  await until('net-2 knows', () => two.snapshot().endpoints.size === 1)
  await two.close()
  const again = await open('net-2', { client: filtered })
  await expect(again.read()).rejects.toThrow(/token may not read every key under multihost\//)
  expect(again.lookup('endpoints', 'n1/e1').is).toBe('known')
  expect(again.lookup('endpoints', 'n1/e2')).toMatchObject({ is: 'unknown' })
})

describe('a copy on disk with damaged lines', () => {
  const damage = async (isHit: (line: string) => boolean): Promise<void> => {
    const one = await openFresh('net-1')
    await one.commit([createNetwork('n1'), ...own('net-1', 'e1', '10.0.0.2')])
    await one.close()
    stores = []
    const path = join(folder, 'net-1.json')
    const lines = readFileSync(path, 'utf8').split('\n')
    const change = (line: string): string => (isHit(line) ? '\0'.repeat(line.length) : line)
    writeFileSync(path, lines.map(change).join('\n'))
  }

  test('tells what it can before Consul answers, and what it lacks is unknown', async () => {
    await damage((line) => line.startsWith('["networks"'))
    consul.away = true
    const one = await open('net-1')
    expect(one.snapshot().endpoints.has('n1/e1')).toBe(true)
    expect(one.lookup('networks', 'n1')).toMatchObject({ is: 'unknown' })
  })

  test.each([
    ['a record', (line: string) => line.startsWith('["networks"')],
    ['its first line', (line: string) => line.startsWith('{"format"')],
  ])('in %s still knows another cluster’s store', async (_, isHit) => {
    await damage(isHit)
    consul = consulInMemory()
    await openFresh('net-2')
    const one = await open('net-1')
    await until('it is refused', () => /belongs to cluster/.test(one.status().doubt?.why ?? ''))
  })

  test('that cannot be read at all does not take an emptied store for a new one', async () => {
    await damage(() => false)
    rmSync(join(folder, 'net-1.json'))
    // As from a defective disk: the file is there, and reading it fails.
    mkdirSync(join(folder, 'net-1.json'))
    consul = consulInMemory()
    await openFresh('net-1')
    expect(JSON.parse(consul.get('multihost/cluster') ?? '{}')).toHaveProperty('restored')
  })

  test('in all of its lines does not take an emptied store for a new one', async () => {
    await damage(() => true)
    consul = consulInMemory()
    await openFresh('net-1')
    expect(JSON.parse(consul.get('multihost/cluster') ?? '{}')).toHaveProperty('restored')
  })
})

test('an empty list is no empty store to a token that may not read it, and that is said once', async () => {
  const one = await openFresh('net-1')
  await one.commit([createNetwork('n1'), ...own('net-1', 'e1', '10.0.0.2')])
  await one.close()
  // As Consul before 1.11, or to the anonymous token: the list does not say that it is filtered.
  const denied = async () => {
    const cause = new Error('Permission denied')
    throw new DriverError('unavailable', 'Consul refuses: Permission denied', { cause })
  }
  const list = async () => ({ items: [], index: 99, bytes: 0 })
  const { log, entries } = readableLog()
  const again = await open('net-1', { client: { ...consul.client(), list, transact: denied }, log })
  for (let i = 0; i < 3; i++)
    await expect(again.read()).rejects.toThrow(/token may not read every key under multihost\//)
  expect(again.status().doubt?.hint).toContain('key_prefix "multihost/"')
  expect(again.lookup('endpoints', 'n1/e2')).toMatchObject({ is: 'unknown' })
  const said = entries.filter(({ level }) => level === 'warn' || level === 'error')
  expect(said.map(({ message }) => message)).toEqual([
    "this host's Consul token may not read every key under multihost/",
  ])
})

test('a loss that cannot be repaired yet is said once', async () => {
  const one = await openFresh('net-1')
  await one.commit([createNetwork('n1')])
  await one.close()
  consul.replace(1000)
  const { log, entries } = readableLog()
  const transact = async () => {
    throw new DriverError('unavailable', 'Consul does not answer')
  }
  const again = await open('net-1', { client: { ...consul.client(), transact }, log })
  for (let i = 0; i < 3; i++) await expect(again.read()).rejects.toThrow('Consul does not answer')
  expect(
    entries.filter(({ message }) => message.startsWith('the store has lost records')).length,
  ).toBeLessThan(2)
})
