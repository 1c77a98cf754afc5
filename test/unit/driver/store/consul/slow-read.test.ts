/**
 * Reads of everything that take longer than the change log keeps its segments, and a watch that is late,
 * beside a host that commits all the time.
 */
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { ListQuery } from '../../../../../driver/store/consul/client.ts'
import { type ConsulOptions, openConsulStore } from '../../../../../driver/store/consul/store.ts'
import type { Store } from '../../../../../driver/store/store.ts'
import { type ConsulInMemory, consulInMemory } from '../../../../fixtures/consul-in-memory.ts'
import { until } from '../../../../fixtures/until.ts'

let consul: ConsulInMemory
let isBusy: boolean
const stores: Store[] = []
const work: Promise<void>[] = []
/** Functions that let go of answers: a store with a held answer never closes. */
const releases: (() => void)[] = []
beforeEach(() => {
  consul = consulInMemory()
  isBusy = true
})
afterEach(async () => {
  isBusy = false
  for (const release of releases.splice(0)) release()
  await Promise.all(work.splice(0))
  await Promise.all(stores.splice(0).map((store) => store.close()))
})

async function open(host: string, more: Partial<ConsulOptions> = {}): Promise<Store> {
  const store = await openConsulStore({
    ...{ url: 'consul://consul', host, client: consul.client(), retentionMs: 20 },
    ...more,
  })
  stores.push(store)
  return store
}

/** A quarter of a segment each. */
const name = (n: number) => ({
  ...{ op: 'create' as const, table: 'network-names' as const },
  ...{ key: `${'x'.repeat(400)}-${n}`, value: `n${n}` },
})

async function busyHost(more: Partial<ConsulOptions> = {}): Promise<Store> {
  const store = await open('busy', more)
  await store.read()
  const commits = async (): Promise<void> => {
    for (let n = 1; isBusy; n++) {
      await store.commit([name(n)])
      await new Promise((resolve) => setTimeout(resolve, 2))
    }
  }
  work.push(commits())
  await until('it commits', () => newest() > 3)
  return store
}

const segments = (): number[] =>
  consul.keys().flatMap((key) => Number(/\/changes\/(\d+)\/head$/.exec(key)?.[1] ?? Number.NaN) || [])
const newest = (): number => Math.max(...segments())
/** Or never will be, since the host has stopped. */
const isGone = (segment: number) => () => !isBusy || !segments().includes(segment)

/** Pending until `release`, or the end of the test. */
function hold(): { held: Promise<void>; release: () => void } {
  let release = (): void => undefined
  const held = new Promise<void>((resolve) => {
    release = resolve
  })
  releases.push(release)
  return { held, release }
}

/** `before` holds an answer back: it is of the moment when it was asked for. */
function slowClient(before: (path: string, query: ListQuery) => Promise<void>) {
  const client = consul.client()
  const asked: string[] = []
  let transactions = 0
  return {
    client: {
      ...client,
      async list(path: string, query: ListQuery = {}) {
        asked.push(path)
        const listing = await client.list(path, query)
        await before(path, query)
        return { ...listing, bytes: 0 }
      },
      async transact(...args: Parameters<typeof client.transact>) {
        transactions += 1
        return client.transact(...args)
      },
    },
    fullReads: () => asked.filter((path) => path === 'multihost/').length,
    transactions: () => transactions,
  }
}

/** A read of everything is answered when the segment is gone that was the newest one in it. */
async function beyondTheLog(path: string): Promise<void> {
  if (path === 'multihost/') await until('the log has gone on', isGone(newest()))
}

/** It knows a commit that was made after the call. */
const follows = (store: Store, busy: Store): Promise<void> => {
  const seen = namesIn(busy) + 5
  return until('it follows', () => namesIn(store) > seen)
}
const namesIn = (store: Store): number => store.snapshot()['network-names'].size
const vni = (key: string) => ({ op: 'create', table: 'vnis', key, value: 'n1' }) as const

test('a host that starts follows the others after a read or two, and commits', async () => {
  const busy = await busyHost()
  const { client, fullReads } = slowClient(beyondTheLog)
  const slow = await open('slow', { client })
  await follows(slow, busy)
  await slow.commit([vni('256')])
  expect(fullReads()).toBeLessThanOrEqual(2)
  isBusy = false
  await Promise.all(work)
  await until('it knows all', () => namesIn(slow) === namesIn(busy))
})

test('a host that has missed a part of the log reads once more, and commits meanwhile', async () => {
  const busy = await busyHost()
  let isHeldUp = false
  const read = hold()
  const { client, fullReads, transactions } = slowClient(async (path) => {
    if (path === 'multihost/changes/') isHeldUp = false
    if (isHeldUp) await until('it has missed a part', isGone(newest()))
    if (path === 'multihost/' && fullReads() === 2) await read.held
  })
  const slow = await open('slow', { client })
  await follows(slow, busy)
  isHeldUp = true
  await until('it reads again', () => fullReads() === 2)
  const before = { transactions: transactions(), segment: newest() }
  await slow.commit([vni('256')])
  expect(fullReads()).toBe(2)
  // One finds out that it is behind, one commits, and one more for each segment that the busy host closed meanwhile.
  const closed = newest() - before.segment
  expect(transactions() - before.transactions).toBeLessThanOrEqual(2 + closed)
  await until('the log has gone on', isGone(newest()))
  read.release()
  await follows(slow, busy)
  expect(fullReads()).toBe(2)
})

test('a host that reads everything at intervals knows of commits before the read has come', async () => {
  const kept = { retentionMs: 5000 }
  const busy = await busyHost(kept)
  const read = hold()
  const { client, fullReads } = slowClient(async (path) => {
    if (path === 'multihost/' && fullReads() === 2) await read.held
  })
  const slow = await open('slow', { client, resyncMs: 50, ...kept })
  await until('it reads again', () => fullReads() === 2)
  await follows(slow, busy)
  const known = namesIn(slow)
  read.release()
  await slow.commit([vni('256')])
  await follows(slow, busy)
  expect(namesIn(slow)).toBeGreaterThan(known)
  await until('it reads again', () => fullReads() > 2)
})

test.each([
  ['is kept', 5000],
  ['is gone', 0],
])(
  'a commit of a host whose watch is far behind costs few transactions, where the log %s',
  async (_, retentionMs) => {
    const others = await open('net-1', { retentionMs })
    await others.read()
    const { held, release } = hold()
    let isHeldUp = false
    const { client, transactions, fullReads } = slowClient(async (path) => {
      if (isHeldUp && /\/changes\/\d/.test(path)) await held
    })
    const late = await open('net-2', { client, retentionMs })
    await late.read()
    await until('it follows', () => late.status().fresh)
    isHeldUp = true
    const reads = fullReads()
    for (let n = 0; n < 150; n++) await others.commit([name(n)])
    expect(newest()).toBeGreaterThan(20)
    await late.commit([vni('256')])
    expect(transactions()).toBeLessThan(10)
    expect(fullReads()).toBe(reads)
    release()
    await until('it knows all', () => namesIn(late) === 150)
    await until('so do the others', () => others.snapshot().vnis.has('256'))
  },
)
