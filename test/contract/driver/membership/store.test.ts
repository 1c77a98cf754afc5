import { createServer } from 'node:http'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { silentLog } from '../../../../driver/log.ts'
import { createHostClaim } from '../../../../driver/loops/host/claim.ts'
import { foundIn, type StoreFacts } from '../../../../driver/membership/facts.ts'
import { storeFacts } from '../../../../driver/membership/gather-store.ts'
import { removeFromStore } from '../../../../driver/membership/removal.ts'
import { openConsulStore } from '../../../../driver/store/consul/store.ts'
import { startConsul, type TestConsul } from '../../../fixtures/consul.ts'
import { endpoint, lease, network } from '../../../fixtures/store-records.ts'
import { temporaryFolder } from '../../../fixtures/temporary-folder.ts'

const folder = temporaryFolder(afterAll)

const ask = (kvStore: string, more: object = {}): Promise<StoreFacts> =>
  storeFacts({ kvStore, tls: {}, stateDir: folder, name: 'net-2', id: undefined, ...more })

describe('a Consul', () => {
  let consul: TestConsul
  beforeAll(async () => {
    consul = await startConsul()
  })
  afterAll(() => consul.stop())

  /** A host as its driver has it in the store. */
  async function withHost(name: string, vtep: string) {
    const store = await openConsulStore({ url: consul.url, host: name })
    await createHostClaim({ store, host: name, id: `id of ${name}`, log: silentLog }).renew(vtep)
    const value = { vtep, driverVersion: '0.1.0', tunnel: { mtuBytes: 1500, answers: true } }
    await store.commit([{ op: 'create', table: 'hosts', key: name, value }])
    return store
  }

  test('that is empty can be joined, and the trial leaves no key', async () => {
    const facts = await ask(consul.url)
    expect(facts).toMatchObject({
      cluster: { found: undefined },
      rights: { session: undefined, write: undefined, list: undefined, claim: undefined },
      name: { holder: { found: undefined } },
      hosts: { found: { records: new Map() } },
    })
    expect(facts.leader).toEqual({ found: expect.stringMatching(/^"127\.0\.0\.1:\d+"$/) })
    expect(facts.silent).toEqual([])
    expect(Math.abs(facts.clockOffsetMs ?? 1e9)).toBeLessThan(2500)
    expect(await consul.keys('')).toEqual([])
  })

  test('is found beside a server that does not answer, which is named', async () => {
    const facts = await ask(consul.url.replace('consul://', 'consul://127.0.0.1:1,'))
    expect(facts.leader).toHaveProperty('found')
    expect(facts.silent).toEqual([
      expect.stringMatching(/^Consul at consul:\/\/127.0.0.1:1\/\S+ does not answer/),
    ])
    expect(facts.cluster).toEqual({ found: undefined })
  })

  test('with hosts names them, who holds a name, and the cluster', async () => {
    const store = await withHost('net-1', '192.168.33.11')
    const facts = await ask(consul.url, { name: 'net-1' })
    expect(facts).toMatchObject({
      cluster: { found: expect.stringContaining('"format":1') },
      name: {
        holder: { found: { id: 'id of net-1', vtep: '192.168.33.11', session: expect.any(String) } },
      },
    })
    const { records, liveness } = foundIn(facts.hosts) ?? {}
    expect(records?.get('net-1')).toMatchObject({ vtep: '192.168.33.11', tunnel: { mtuBytes: 1500 } })
    expect(liveness?.keys.get('net-1')).toEqual(expect.any(String))
    await store.close()
    expect(foundIn((await ask(consul.url)).hosts)?.liveness.keys).toEqual(new Map([['net-1', undefined]]))
  })

  test('from which a host is removed keeps what the hosts share, and nothing of the host', async () => {
    const store = await withHost('net-2', '127.0.0.1')
    await store.commit([
      { op: 'create', table: 'networks', key: 'n1', value: network('n1') },
      { op: 'create', table: 'replicas', key: 'net-2/l1', value: 'n1' },
      {
        op: 'create',
        table: 'endpoints',
        key: 'n1/e1',
        value: endpoint('n1', 'e1', { host: 'net-2', v4: '10.0.0.9' }),
      },
      { op: 'create', table: 'addresses', key: 'n1/10.0.0.9', value: { ...lease('net-2'), endpoint: 'e1' } },
    ])
    // The driver was killed: its session goes on.
    const removed = () =>
      removeFromStore(
        { kvStore: consul.url, tls: {}, stateDir: folder },
        { name: 'net-2', id: 'id of net-2' },
      )
    await removed()
    const keys = (await consul.keys('multihost/')).filter((key) => !key.startsWith('multihost/changes/'))
    expect(keys.sort()).toEqual([
      'multihost/alive/net-1',
      'multihost/cluster',
      'multihost/hosts/net-1',
      'multihost/networks/n1',
    ])
    await removed()
    await store.close()
  })

  test('keeps the records of the machine that a copy of its disk would remove', async () => {
    const copy = { name: 'net-1', id: 'id of net-1' }
    await expect(removeFromStore({ kvStore: consul.url, tls: {}, stateDir: folder }, copy)).rejects.toThrow(
      /the name net-1 .*has the address 192\.168\.33\.11, which this host does not have/,
    )
    expect(await consul.keys('multihost/hosts/')).toEqual(['multihost/hosts/net-1'])
  })

  test('keeps the records of another host that has the name by now', async () => {
    await removeFromStore(
      { kvStore: consul.url, tls: {}, stateDir: folder },
      { name: 'net-1', id: 'another id' },
    )
    expect(await consul.keys('multihost/hosts/')).toEqual(['multihost/hosts/net-1'])
  })

  test('keeps the record that a later version of the host has written, and names the host in its hint', async () => {
    const store = await withHost('net-2', '127.0.0.1')
    await consul.put('multihost/hosts/net-2', 'of a later version')
    await store.close()
    const host = { name: 'net-2', id: 'id of net-2' }
    await expect(
      removeFromStore({ kvStore: consul.url, tls: {}, stateDir: folder }, host),
    ).rejects.toMatchObject({
      code: 'corrupt',
      hint: expect.stringContaining("'multihost host rm net-2' on a host whose driver"),
    })
    expect(await consul.keys('multihost/hosts/')).toContain('multihost/hosts/net-2')
  })
})

test('a token without rights is told what it lacks', async () => {
  await using consul = await startConsul('acl { enabled = true default_policy = "deny" }')
  const { rights, leader } = await ask(consul.url)
  expect(leader).toHaveProperty('found')
  expect(rights).toMatchObject({
    session: expect.stringContaining('refuses'),
    write: expect.stringContaining('refuses'),
  })
})

test('what does not answer, and what is not Consul, are told apart', async () => {
  expect((await ask('consul://127.0.0.1:1')).leader).toMatchObject({
    failed: expect.stringContaining('ECONNREFUSED'),
  })
  const server = createServer((_, answer) => answer.end('<html>'))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  expect((await ask(`consul://127.0.0.1:${port}`)).leader).toEqual({ found: '<html>' })
  server.close()
})
