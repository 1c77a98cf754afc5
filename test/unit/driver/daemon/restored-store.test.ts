import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { showCheck } from '../../../../driver/cli/check.ts'
import type { CheckResult } from '../../../../driver/control/check.ts'
import { ask } from '../../../../driver/control/client.ts'
import { containerEndName } from '../../../../driver/core/datapath/desired.ts'
import { openConsulStore } from '../../../../driver/store/consul/store.ts'
import { type ConsulInMemory, consulInMemory } from '../../../fixtures/consul-in-memory.ts'
import type { Attachment } from '../../../fixtures/dockerd.ts'
import { fakeKernel } from '../../../fixtures/fake-kernel.ts'
import { startHost, type TestHost } from '../../../fixtures/host.ts'
import { temporaryFolder } from '../../../fixtures/temporary-folder.ts'
import { until } from '../../../fixtures/until.ts'

let consul: ConsulInMemory
let folder: string
let net1: TestHost
let net2: TestHost
let net3: TestHost
beforeEach(async () => {
  consul = consulInMemory()
  folder = temporaryFolder()
  const made = await Promise.all([host(1), host(2), host(3)])
  ;[net1, net2, net3] = made
  await until('all are members', () => made.every(({ store }) => store.snapshot().hosts.size === 3))
})
afterEach(async () => {
  await Promise.all(all().map((it) => it[Symbol.asyncDispose]()))
})

function host(number: number): Promise<TestHost> {
  const name = `net-${number}`
  const underlay = { device: 'eth1', address: `192.168.33.1${number}`, mtuBytes: 1500 }
  const openStore = () =>
    openConsulStore({
      ...{ url: 'consul://consul', host: name, client: consul.client(), pauseMs: 20 },
      ...{ diskPath: join(folder, `${name}.json`), saveEveryMs: 1 },
    })
  const kernel = fakeKernel({ interfaces: [underlay] })
  const plug = async (_: string, { endpoint }: Attachment) => kernel.take(containerEndName(endpoint))
  return startHost({ name, kernel, underlay, openStore, plug })
}

const all = (): TestHost[] => [net1, net2, net3]
const record = (path: string) => JSON.parse(consul.get(`multihost/${path}`) ?? 'null')
const problemsOf = (hosts: TestHost[]): string[] => hosts.flatMap(({ driver }) => driver.status().problems)
const onlyOn = (hosts: TestHost[], ...names: string[]) =>
  until(`Docker has the networks ${names.join()}`, () =>
    hosts.every(({ docker }) => docker.ls().join() === names.join()),
  )
const idsOf = (hosts: TestHost[]) =>
  Promise.all(hosts.map(async ({ docker }) => (await docker.networks()).map(({ id }) => id)))
const isKnown = (on: TestHost, container: string): boolean =>
  [...on.store.snapshot().endpoints.values()].some(({ value }) => value.container?.name === container)
const allKnow = (hosts: TestHost[], ...containers: string[]) =>
  until(`all know ${containers.join()}`, () =>
    hosts.every((on) => containers.every((container) => isKnown(on, container))),
  )
const foo = { options: { vni: '300' }, pools: [{ subnet: '10.9.0.0/16', aux: {} }] }

/** Restores, and waits until each of these hosts accepts the store. */
async function restore(backup: ReturnType<ConsulInMemory['backup']>, hosts = all()): Promise<void> {
  const { restored } = record('cluster')
  const backedUp = JSON.parse(backup.get('multihost/cluster')?.text ?? '{}').restored
  consul.restore(backup)
  await until('the store is repaired', () => {
    const now = record('cluster').restored
    const accepted = hosts.every(({ store }) => store.status().fresh && store.status().doubt === undefined)
    return accepted && now !== restored && now !== backedUp
  })
}

/** No host has a problem, and Consul, kernel and Docker agree on each. */
async function agree(hosts = all()): Promise<void> {
  await until('no host has a problem', () => {
    const found = problemsOf(hosts)
    if (found.length > 0) throw new Error(found.join('\n'))
    return true
  })
  for (const on of hosts) {
    const said = showCheck(await ask<CheckResult>(on.controlSocket, 'GET', '/check?within=4'))
    expect(said).toContain('agree')
  }
}

describe('a network that was removed and made again since', () => {
  const claims = () => [record('network-names/foo'), record('vnis/300'), record('pools/10.9.0.0-16')?.network]

  test('keeps name, VNI, pool and containers; the removed one is on no host and goes', async () => {
    const old = await net1.docker.create('foo', foo)
    await onlyOn(all(), 'foo')
    await net2.docker.run('before', 'foo')
    await allKnow(all(), 'before')
    const backup = consul.backup()
    await net2.docker.stop('before')
    await net1.docker.rm('foo')
    await onlyOn(all())
    const made = await net2.docker.create('foo', foo)
    await onlyOn(all(), 'foo')
    const ids = await idsOf(all())
    await net1.docker.run('c1', 'foo')
    const { endpoint, v4 } = await net2.docker.run('c2', 'foo')
    await allKnow(all(), 'c1', 'c2')
    for (const round of ['once', 'twice']) {
      await restore(backup)
      expect(claims(), round).toEqual([made, made, made])
      expect(record(`addresses/${made}/${v4}`)).toMatchObject({ host: 'net-2', endpoint })
      await until('the removed network is gone', () => record(`networks/${old}`) === null)
      await agree()
      expect(await idsOf(all()), 'no host has made or removed a network').toEqual(ids)
    }
    await net1.docker.stop('c1')
    await net2.docker.stop('c2')
    await net2.docker.rm('foo')
    await onlyOn(all())
    expect(consul.keys().filter((key) => /networks|vnis|pools|network-names/.test(key))).toEqual([])
  })

  test('is not made where the removed one has a copy, and both are named, until it is removed there', async () => {
    const old = await net1.docker.create('foo', foo)
    await onlyOn(all(), 'foo')
    const backup = consul.backup()
    await net3.stop()
    await net1.docker.rm('foo')
    await onlyOn([net1, net2])
    const made = await net2.docker.create('foo', foo)
    await onlyOn([net1, net2], 'foo')
    const ids = await idsOf([net1, net2])
    await restore(backup, [net1, net2])
    expect(claims()).toEqual([made, made, made])
    await until('both sides are named', () =>
      [net1, net2].every(({ driver }) =>
        driver
          .status()
          .problems.some((it) => it.includes(old.slice(0, 12)) && it.includes(made.slice(0, 12))),
      ),
    )
    expect(await idsOf([net1, net2])).toEqual(ids)
    await net3.start()
    await until('net-3 names both', () =>
      problemsOf([net3]).some((it) => it.includes(old.slice(0, 12)) && it.includes(made.slice(0, 12))),
    )
    await net3.docker.rm('foo')
    await until('the removed network is gone', () => record(`networks/${old}`) === null)
    await onlyOn(all(), 'foo')
    await agree()
    expect((await net3.docker.networks()).map(({ options }) => options['multihost.id'])).toEqual([made])
  })

  test('keeps its VNI where nothing else is the same', async () => {
    await net1.docker.create('foo', foo)
    await onlyOn(all(), 'foo')
    const backup = consul.backup()
    await net1.docker.rm('foo')
    await onlyOn(all())
    const other = { options: { vni: '300' }, pools: [{ subnet: '10.8.0.0/16', aux: {} }] }
    const made = await net1.docker.create('bar', other)
    await onlyOn(all(), 'bar')
    await restore(backup)
    expect(record('vnis/300')).toBe(made)
    await until('foo is gone', () => record('network-names/foo') === null)
    await onlyOn(all(), 'bar')
    await agree()
  })

  test('is not joined by a network whose pool overlaps its own', async () => {
    const old = await net1.docker.create('foo', foo)
    await onlyOn(all(), 'foo')
    const backup = consul.backup()
    await net1.docker.rm('foo')
    await onlyOn(all())
    const made = await net1.docker.create('bar', { pools: [{ subnet: '10.9.1.0/24', aux: {} }] })
    await onlyOn(all(), 'bar')
    await restore(backup)
    await until('both sides are named', () =>
      all().every(({ driver }) =>
        driver
          .status()
          .problems.some((it) => it.includes(old.slice(0, 12)) && it.includes(made.slice(0, 12))),
      ),
    )
    await until('foo is gone', () => record(`networks/${old}`) === null)
    await onlyOn(all(), 'bar')
    await agree()
  })
})

test('a network that was removed since comes back, with its service, and can be removed again', async () => {
  await net1.docker.create('foo', foo)
  await onlyOn(all(), 'foo')
  await ask(net1.controlSocket, 'POST', '/services', { body: { name: 'web.foo' } })
  const backup = consul.backup()
  await ask(net1.controlSocket, 'DELETE', '/services/web.foo')
  await net1.docker.rm('foo')
  await onlyOn(all())
  await restore(backup)
  await onlyOn(all(), 'foo')
  await agree()
  await ask(net2.controlSocket, 'DELETE', '/services/web.foo')
  await net2.docker.rm('foo')
  await onlyOn(all())
})

test('a service that was published again since keeps its address, and the container behind it', async () => {
  await net1.docker.create('foo', foo)
  await onlyOn(all(), 'foo')
  const publish = () => ask(net1.controlSocket, 'POST', '/services', { body: { name: 'web.foo' } })
  const unpublish = (name: string) => ask(net1.controlSocket, 'DELETE', `/services/${name}`)
  await publish()
  await ask(net1.controlSocket, 'POST', '/services', { body: { name: 'ended.foo' } })
  const backup = consul.backup()
  const [key] = consul.keys().filter((it) => it.endsWith('/web'))
  const path = (key ?? '').replace('multihost/', '')
  const before = record(path)
  await unpublish('web.foo')
  await unpublish('ended.foo')
  const { v4 } = await net1.docker.run('c1', 'foo', { ip: before.v4 })
  expect(v4).toBe(before.v4)
  await publish()
  await ask(net1.controlSocket, 'POST', '/services', { body: { name: 'db.foo' } })
  const since = record(path)
  expect(since.v4).not.toBe(before.v4)
  await allKnow(all(), 'c1')
  await restore(backup)
  expect(record(path)).toEqual(since)
  const conflict = `service ended of network foo has no address: ${since.v4} went to service web on net-1`
  await until('both services are named', () => problemsOf([net2]).some((it) => it.includes(conflict)))
  await unpublish('ended.foo')
  await agree()
  await unpublish('db.foo')
  await unpublish('web.foo')
})

describe('an address that another container has had since', () => {
  test('stays with that container', async () => {
    await net1.docker.create('foo', foo)
    await onlyOn(all(), 'foo')
    const first = await net1.docker.run('first', 'foo')
    await allKnow(all(), 'first')
    const backup = consul.backup()
    await net1.docker.stop('first')
    await until('it is free', () => record(`addresses/${first.network}/${first.v4}`)?.endpoint === undefined)
    const second = await net2.docker.run('second', 'foo', { ip: first.v4 })
    await allKnow(all(), 'second')
    await restore(backup)
    expect(record(`addresses/${first.network}/${first.v4}`)).toMatchObject({
      ...{ host: 'net-2', endpoint: second.endpoint },
    })
    await agree()
  })

  test('stays with it where the host of the backup’s container was removed since', async () => {
    const network = await net1.docker.create('foo', foo)
    await onlyOn(all(), 'foo')
    const { v4, mac } = await net3.docker.run('gone', 'foo')
    await allKnow(all(), 'gone')
    const backup = consul.backup()
    await net3.stop()
    await ask(net1.controlSocket, 'DELETE', '/hosts/net-3')
    const { endpoint } = await net2.docker.run('present', 'foo', { ip: v4 })
    await allKnow([net1], 'present')
    await net1.docker.run('client', 'foo')
    await restore(backup, [net1, net2])
    expect(record(`addresses/${network}/${v4}`)).toMatchObject({ host: 'net-2', endpoint })
    expect(record('hosts/net-3')).not.toBeNull()
    await until('net-1 sends to the container that has it', async () => {
      return (await vtepsOf(net1, mac)).join() === '192.168.33.12'
    })
    await until('net-2 names both', () =>
      problemsOf([net2]).some((it) => it.includes('present') && it.includes('gone')),
    )
    await ask(net1.controlSocket, 'DELETE', '/hosts/net-3')
    await agree([net1, net2])
  })
})

async function vtepsOf(on: TestHost, mac: string): Promise<string[]> {
  const seen = await Promise.all((await on.kernel.namespaces()).map((it) => on.kernel.observe(it)))
  return seen.flatMap((it) => it?.fdb ?? []).flatMap((it) => (it.mac === mac ? [it.vtep] : []))
}

test('a host that joined since is a member, with its containers', async () => {
  const network = await net1.docker.create('foo', foo)
  await onlyOn(all(), 'foo')
  await net1.docker.run('c1', 'foo')
  await allKnow(all(), 'c1')
  const backup = consul.backup()
  await using net4 = await host(4)
  await onlyOn([net4], 'foo')
  const { endpoint } = await net4.docker.run('c4', 'foo')
  await allKnow([...all(), net4], 'c4')
  await restore(backup, [...all(), net4])
  expect([record('hosts/net-4')?.vtep, record(`endpoints/${network}/${endpoint}`)?.host]).toEqual([
    ...['192.168.33.14', 'net-4'],
  ])
  await agree([...all(), net4])
})

test('a host that is down during the restore keeps its container’s address when it is back', async () => {
  const network = await net1.docker.create('foo', foo)
  await onlyOn(all(), 'foo')
  const first = await net1.docker.run('first', 'foo')
  await allKnow(all(), 'first')
  const backup = consul.backup()
  await net1.docker.stop('first')
  await until('it is free', () => record(`addresses/${network}/${first.v4}`)?.endpoint === undefined)
  const { v4, endpoint } = await net3.docker.run('second', 'foo', { ip: first.v4 })
  await allKnow(all(), 'second')
  await net3.stop()
  await restore(backup, [net1, net2])
  expect(record(`addresses/${network}/${v4}`)).toMatchObject({ host: 'net-3', endpoint })
  await net3.start()
  await agree()
  expect(record(`addresses/${network}/${v4}`)).toMatchObject({ host: 'net-3', endpoint })
})
