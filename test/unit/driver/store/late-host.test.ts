/** A host that was off for longer than the others, and starts with its old copy beside or before them. */
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Change } from '../../../../driver/core/records.ts'
import { openConsulStore } from '../../../../driver/store/consul/store.ts'
import type { Store } from '../../../../driver/store/store.ts'
import { type ConsulInMemory, consulInMemory } from '../../../fixtures/consul-in-memory.ts'
import { createNetwork, endpoint, lease } from '../../../fixtures/store-records.ts'
import { until } from '../../../fixtures/until.ts'

let consul: ConsulInMemory
let stores: Store[] = []
let folder: string
const prefix = 'multihost'
beforeEach(() => {
  consul = consulInMemory()
  folder = mkdtempSync(join(tmpdir(), 'rev-'))
})
afterEach(async () => {
  await Promise.all(stores.map((s) => s.close()))
  stores = []
})
async function open(host: string): Promise<Store> {
  const store = await openConsulStore({
    url: 'consul://consul',
    host,
    client: consul.client(),
    saveEveryMs: 1,
    pauseMs: 1,
    diskPath: join(folder, `${host}.json`),
  })
  stores.push(store)
  return store
}
async function openFresh(host: string): Promise<Store> {
  const store = await open(host)
  await until(`${host} fresh`, () => store.status().fresh && store.status().doubt === undefined)
  return store
}
const word = () => JSON.parse(consul.get(`${prefix}/cluster`) ?? '{}').restored
const settled = (s: Store, w: string | undefined) =>
  until(
    'settled',
    () => s.status().doubt === undefined && s.status().fresh && word() !== undefined && word() !== w,
  )
const vni = (id: string): Change[] => [{ op: 'create', table: 'vnis', key: '256', value: id }]
const at = (p: string) => JSON.parse(consul.get(`${prefix}/${p}`) ?? 'null')
const own = (host: string, id: string, ip: string, of = 'n1'): Change[] => [
  { op: 'create', table: 'endpoints', key: `${of}/${id}`, value: endpoint(of, id, { host, v4: ip }) },
  { op: 'create', table: 'addresses', key: `${of}/${ip}`, value: { ...lease(host), endpoint: id } },
]

test('takes no claim of a network in use for one that is gone', async () => {
  const [one, two] = [await openFresh('net-1'), await openFresh('net-2')]
  await one.commit([createNetwork('n1'), ...vni('n1')])
  const backup = consul.backup()
  await two.read()
  await two.commit([
    { op: 'drop', table: 'networks', key: 'n1' },
    { op: 'drop', table: 'vnis', key: '256' },
  ])
  await two.commit([createNetwork('n2'), ...vni('n2')])
  await one.read()
  await one.close()
  await two.commit([
    { op: 'drop', table: 'networks', key: 'n2' },
    { op: 'drop', table: 'vnis', key: '256' },
  ])
  consul.restore(backup)
  await settled(two, undefined)
  await two.commit(own('net-2', 'e2', '10.0.0.3'))
  expect(at('vnis/256')).toBe('n1')
  await openFresh('net-1')
  expect(at('vnis/256')).toBe('n1')
})

async function repairedOnce() {
  const [one, two] = [await openFresh('net-1'), await openFresh('net-2')]
  await one.commit([createNetwork('n1')])
  await two.read()
  const b0 = consul.backup()
  await one.commit(own('net-1', 'x', '10.0.0.9'))
  await two.read()
  consul.restore(b0)
  await Promise.all([settled(one, undefined), settled(two, undefined)])
  await two.commit(own('net-2', 'old', '10.0.0.2'))
  await one.read()
  await one.close()
  await two.commit([
    { op: 'drop', table: 'endpoints', key: 'n1/old' },
    { op: 'drop', table: 'addresses', key: 'n1/10.0.0.2' },
  ])
  await two.commit(own('net-2', 'new', '10.0.0.2'))
  return { two }
}

test('leaves a lease that is later than its own, after a repair by an earlier driver', async () => {
  const { two } = await repairedOnce()
  const w1 = word()
  // a driver of 615ee3c4: { id, format, ...cluster, restored: newWord() }, over a backup that has everything
  consul.put(`${prefix}/cluster`, JSON.stringify({ ...at('cluster'), restored: 'made-by-n-1' }))
  await settled(two, w1)
  expect(at('addresses/n1/10.0.0.2').endpoint).toBe('new')
  await openFresh('net-1')
  expect(at('addresses/n1/10.0.0.2').endpoint).toBe('new')
})

test('leaves a lease that is later than its own, where a person has written the key `cluster` anew', async () => {
  const { two } = await repairedOnce()
  const w1 = word()
  consul.put(`${prefix}/cluster`, JSON.stringify({ id: at('cluster').id, format: 1 }))
  await two.read()
  await settled(two, w1)
  expect(at('addresses/n1/10.0.0.2').endpoint).toBe('new')
  await openFresh('net-1')
  expect(at('addresses/n1/10.0.0.2').endpoint).toBe('new')
})

test('that repairs the store leaves a lease to the host whose container has the address now', async () => {
  const [one, two, three] = [await openFresh('net-1'), await openFresh('net-2'), await openFresh('net-3')]
  await one.commit([createNetwork('n1')])
  await two.read()
  await two.commit(own('net-2', 'e1', '10.0.0.2'))
  const backup = consul.backup()
  await two.commit([
    { op: 'drop', table: 'endpoints', key: 'n1/e1' },
    { op: 'drop', table: 'addresses', key: 'n1/10.0.0.2' },
  ])
  await one.read()
  await one.commit(own('net-1', 'f', '10.0.0.2'))
  await three.read()
  await three.close()
  await one.commit([
    { op: 'drop', table: 'endpoints', key: 'n1/f' },
    { op: 'drop', table: 'addresses', key: 'n1/10.0.0.2' },
  ])
  await one.close()
  await two.read()
  await two.commit(own('net-2', 'e9', '10.0.0.2'))
  await two.close()
  consul.restore(backup)
  await settled(await open('net-3'), undefined)
  await settled(await open('net-2'), undefined)
  await until('x', () => at('endpoints/n1/e9') !== null)
  expect(at('addresses/n1/10.0.0.2').endpoint).toBe('e9')
})
