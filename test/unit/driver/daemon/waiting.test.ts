/** Hosts that may not take part: their name is another host's, or their machine is not ready. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ask } from '../../../../driver/control/client.ts'
import type { Status, WaitingStatus } from '../../../../driver/control/status.ts'
import { DriverError } from '../../../../driver/core/errors.ts'
import type { Snapshot } from '../../../../driver/core/records.ts'
import { readIdentity } from '../../../../driver/daemon/host-identity.ts'
import { createPreparation, type Preparation, type SetupOptions } from '../../../../driver/daemon/setup.ts'
import { underlayFinder } from '../../../../driver/daemon/underlay.ts'
import { silentLog } from '../../../../driver/log.ts'
import { callPlugin } from '../../../fixtures/dockerd.ts'
import { fastestOf } from '../../../fixtures/fastest-of.ts'
import { hostInMemory, type TestHost, type TestHostOptions } from '../../../fixtures/host.ts'
import { hostAddresses } from '../../../fixtures/host-addresses.ts'
import { quickIntervals } from '../../../fixtures/intervals.ts'
import { readableLog } from '../../../fixtures/log.ts'
import { createMemoryCluster, type MemoryCluster } from '../../../fixtures/memory-store.ts'
import { temporaryFolder } from '../../../fixtures/temporary-folder.ts'
import { until } from '../../../fixtures/until.ts'

let memory: MemoryCluster
const hosts: TestHost[] = []
let folder: string
beforeEach(() => {
  memory = createMemoryCluster()
  folder = temporaryFolder()
})
afterEach(async () => {
  for (const it of hosts.splice(0)) await it[Symbol.asyncDispose]()
})

function disposable(preparation: Preparation): Preparation & AsyncDisposable {
  return { ...preparation, [Symbol.asyncDispose]: preparation.close }
}

async function host(name: string, number: number, more: Partial<TestHostOptions> = {}): Promise<TestHost> {
  const started = await hostInMemory(memory, number, { name, ...more })
  hosts.push(started)
  return started
}

const statusOf = (on: TestHost) => ask<Status | WaitingStatus>(on.controlSocket, 'GET', '/status')

describe('a second host of one name', () => {
  let first: TestHost
  beforeEach(async () => {
    first = await host('net-1', 1, { id: 'a' })
    await first.docker.create('foobar')
    await first.docker.run('web', 'foobar')
    const named = () =>
      [...first.store.snapshot().endpoints.values()].some(({ value }) => value.container !== undefined)
    await until('the container is named', named)
  })

  test('says with whom it collides, and what to do', async () => {
    const twin = await host('net-1', 2, { id: 'b' })
    expect(await statusOf(twin)).toMatchObject({
      waiting:
        'another live host is called net-1: VTEP 192.168.33.11, id a; this host takes part in nothing until it is started with a name of its own: --host-name=NAME',
    })
  })

  test('with a copy of the first one’s disk is told to delete the copied id', async () => {
    const twin = await host('net-1', 2, { id: 'a' })
    expect(twin.driver.waiting()?.line).toContain('delete host.json')
  })

  test('refuses Docker within a second, and lets it clean up', async () => {
    const twin = await host('net-1', 2, { id: 'b' })
    const refused = () =>
      expect(twin.docker.call('IpamDriver.RequestPool', {})).rejects.toThrow(
        /another live host is called net-1/,
      )
    expect(await fastestOf(3, refused)).toBeLessThan(1000)
    const endpoint = { NetworkID: 'a'.repeat(64), EndpointID: 'b'.repeat(64) }
    await twin.docker.call('NetworkDriver.Leave', endpoint)
    await twin.docker.call('NetworkDriver.DeleteEndpoint', endpoint)
    await twin.docker.call('IpamDriver.ReleaseAddress', { PoolID: '172.21.0.0/16', Address: '172.21.0.2' })
  })

  test('changes nothing of the first one, in the store and in the kernels', async () => {
    const before = await first.store.read()
    const twin = await host('net-1', 2, { id: 'b' })
    await new Promise((resolve) => setTimeout(resolve, 1500))
    const after = await first.store.read()
    expect([...after.hosts, ...after.endpoints, ...after.replicas]).toEqual([
      ...before.hosts,
      ...before.endpoints,
      ...before.replicas,
    ])
    expect(await twin.kernel.namespaces()).toEqual([])
    expect(first.driver.status().problems).toEqual([])
  })

  test('takes part in nothing while the record of the first one, which is away, cannot be read', async () => {
    await first.stop()
    memory.put('hosts', 'net-1', 'not JSON')
    const twin = await host('net-1', 2, { id: 'b' })
    const says = 'the record hosts/net-1 cannot be read'
    await until('its status says why', () => JSON.stringify(twin.driver.status()).includes(says))
    expect(await memory.open('net-1').lastAnnouncement()).toMatchObject({ id: 'a' })
  })

  test('takes part when the first one is taken out of the cluster', async () => {
    await first.docker.stop('web')
    await first.stop()
    const twin = await host('net-1', 2, { id: 'b' })
    expect(twin.driver.waiting()?.line).toBe(
      "the name net-1 belongs to another host, which is away: VTEP 192.168.33.11, id a; start this host with --host-name=NAME, or, if the other one will not come back, run 'multihost host rm net-1' on another host",
    )
    const other = await host('net-3', 3)
    await ask(other.controlSocket, 'DELETE', '/hosts/net-1')
    await until('the second takes part', () => twin.driver.waiting() === undefined)
  })

  test('that has started without the store leaves when the store answers', async () => {
    memory.away = true
    const twin = await host('net-1', 2, { id: 'b' })
    expect(twin.driver.waiting()).toBeUndefined()
    memory.away = false
    await until('it waits', () => twin.driver.waiting()?.code === 'taken')
    expect((await first.store.read()).hosts.get('net-1')?.value.vtep).toBe('192.168.33.11')
    expect(first.driver.status().problems).toEqual([])
  })

  test('that takes the name from a running one makes that one leave', async () => {
    const twin = memory.open('net-1')
    await until('the twin announces before the first one does', async () => {
      const { session = '' } = (await twin.lastAnnouncement()) ?? {}
      await twin.endSession(session)
      return (await twin.announce({ id: 'b', vtep: '192.168.33.12' })).held
    })
    await until('the first one waits', () => first.driver.waiting()?.code === 'taken')
    await twin.close()
  })
})

describe('a second host of one VTEP', () => {
  let first: TestHost
  beforeEach(async () => {
    first = await host('net-1', 5)
  })
  const problems = (on: TestHost) => on.driver.status().problems

  test('takes part in nothing, says whose VTEP it has and what to do, and the first one notices nothing', async () => {
    const second = await host('net-2', 5)
    expect(await statusOf(second)).toMatchObject({
      waiting: expect.stringMatching(
        /^another live host has this host's VTEP 192\.168\.33\.15: net-1; .*--bind-interface/,
      ),
    })
    await expect(second.docker.call('IpamDriver.RequestPool', {})).rejects.toThrow(/192\.168\.33\.15: net-1/)
    expect([...(await first.store.read()).hosts.keys()]).toEqual(['net-1'])
    expect([...(await first.store.liveness()).keys.keys()]).toEqual(['net-1'])
    expect(problems(first)).toEqual([])
    await first.restart()
    expect(first.driver.waiting()).toBeUndefined()
    expect(second.driver.waiting()?.code).toBe('taken')
  })

  test('that has started without the store leaves when the store answers', async () => {
    memory.away = true
    const second = await host('net-2', 5)
    expect(second.driver.waiting()).toBeUndefined()
    memory.away = false
    await until('it waits', () => second.driver.waiting()?.code === 'taken')
    expect([...(await first.store.read()).hosts.keys()]).toEqual(['net-1'])
  })

  test('takes part when the first one is away, with a problem that ends when the first one is removed', async () => {
    const second = await host('net-2', 5)
    await first.stop()
    await until('it takes part', () => second.driver.waiting() === undefined)
    await until('the problem is named', () => problems(second).length > 0)
    expect(problems(second)).toEqual([
      "net-1 and net-2 have one VTEP, 192.168.33.15: their containers do not reach each other; if one of the two will not come back, run 'multihost host rm' with its name, else give each host an address of its own (--bind-interface)",
    ])
    await ask(second.controlSocket, 'DELETE', '/hosts/net-1')
    await until('all is well', () => problems(second).length === 0)
  })

  test('that had another VTEP before is refused at its next start', async () => {
    const before = await host('net-2', 2)
    await before.stop()
    const after = await host('net-2', 5)
    expect(after.driver.waiting()?.message).toContain('192.168.33.15: net-1')
  })

  test('that gets the VTEP while it runs has a problem, as has the first one', async () => {
    let address = '192.168.33.12'
    const findUnderlay = async () => ({ device: 'eth1', address, mtuBytes: 1500 })
    const second = await host('net-2', 2, { more: { findUnderlay } })
    address = '192.168.33.15'
    for (const on of [first, second])
      await until('it is named', () => problems(on)[0]?.startsWith('net-1 and net-2 have one VTEP') === true)
  })

  test('of two that start at once takes part, and the other one does not', async () => {
    const both = await Promise.all([host('net-3', 6), host('net-4', 6)])
    expect(both.filter(({ driver }) => driver.waiting() === undefined)).toHaveLength(1)
  })
})

test('a machine that was installed anew takes its name and address again', async () => {
  const before = await host('net-1', 1, { id: 'a' })
  await before.stop()
  const after = await host('net-1', 1, { id: 'b' })
  expect(after.driver.waiting()).toBeUndefined()
})

test('a host that has claimed its name does not ask for its holder again', async () => {
  let asked = 0
  const store = memory.open('net-1')
  const lastAnnouncement = () => {
    asked += 1
    return store.lastAnnouncement()
  }
  const value = { vtep: '192.168.33.11', driverVersion: '0.0.1' }
  await store.commit([{ op: 'create', table: 'hosts', key: 'net-1', value }])
  const on = await host('net-1', 1, { openStore: () => ({ ...store, lastAnnouncement }) })
  const hasRun = () => on.store.snapshot().hosts.get('net-1')?.value.driverVersion === '0.1.0'
  await until('the host has written its record', hasRun)
  expect(asked).toBe(1)
})

test('a crashed driver’s session is its own earlier life', async () => {
  await memory.open('net-1').announce({ id: 'a', vtep: '192.168.33.11' })
  const after = await host('net-1', 1, { id: 'a' })
  expect(after.driver.waiting()).toBeUndefined()
})

test('a machine without its interface waits without end, and goes on when it is there', async () => {
  let there = false
  const underlay = { device: 'eth77', address: '192.168.33.11', mtuBytes: 1500 }
  const store = memory.open('net-1')
  const prepare = async () => {
    if (!there) throw new DriverError('invalid', 'no interface is named eth77')
    return { host: 'net-1', id: 'a', underlay, store }
  }
  const on = await host('net-1', 1, {
    more: { prepare, intervals: { ...quickIntervals, openWithinMs: 100 } },
  })
  expect(await statusOf(on)).toMatchObject({ waiting: 'no interface is named eth77' })
  expect(() => on.driver.status()).toThrow('no interface is named eth77')
  there = true
  await until('it takes part', () => on.driver.waiting() === undefined)
  expect(await statusOf(on)).toMatchObject({ host: 'net-1' })
  await on.docker.create('foobar')
  await store.close()
})

test('a plugin socket that is removed is there again soon', async () => {
  const on = await host('net-1', 1)
  await rm(on.socket)
  await until('the socket is there', () => existsSync(on.socket))
  await callPlugin(on.socket, 'Plugin.Activate', {})
})

describe('the VTEP of a host whose record names another address than its interface has', () => {
  let nowMs: number
  let lines: string[]
  const preparation = () =>
    createPreparation({
      stateDir: folder,
      findUnderlay: underlayFinder(
        { addresses: async () => hostAddresses(...lines) },
        { bindInterface: 'eth1' },
        { now: () => nowMs },
      ),
      openStore: async () => memory.open('net-1'),
      log: silentLog,
      hostname: () => 'net-1',
    })
  beforeEach(async () => {
    nowMs = 0
    lines = ['eth1 192.168.33.99/24', 'eth1 fd00:33::11/64']
    const value = { vtep: '192.168.33.11', driverVersion: '0.1.0' }
    await memory.open('net-1').commit([{ op: 'create', table: 'hosts', key: 'net-1', value }])
  })

  test('is waited for; after 10 s another one of its family takes its place, at each later attempt too', async () => {
    writeFileSync(join(folder, 'host.json'), '{"id":"a","name":"net-1"}')
    await using at = disposable(preparation())
    await expect(at.prepare()).rejects.toThrow("this host's VTEP 192.168.33.11 is on no interface")
    for (nowMs of [10_000, 12_000]) expect((await at.prepare()).underlay.address).toBe('192.168.33.99')
  })

  test('is replaced by one of the other family of the named interface after 60 s, and not before', async () => {
    writeFileSync(join(folder, 'host.json'), '{"id":"a","name":"net-1"}')
    lines = ['eth1 fd00:33::11/64']
    await using at = disposable(preparation())
    for (nowMs of [0, 59_000]) await expect(at.prepare()).rejects.toMatchObject({ code: 'unavailable' })
    nowMs = 60_000
    expect((await at.prepare()).underlay.address).toBe('fd00:33::11')
    lines = ['eth1 fd00:33::11/64', 'eth1 192.168.33.11/24']
    expect((await at.prepare()).underlay.address).toBe('192.168.33.11')
  })

  test('is not waited for by a machine that has never taken part', async () => {
    await using at = disposable(preparation())
    expect((await at.prepare()).underlay.address).toBe('192.168.33.99')
  })
})

describe('the name of a host', () => {
  const underlay = { device: 'eth1', address: '192.168.33.11', mtuBytes: 1500 }
  const preparation = (more: Partial<SetupOptions>) =>
    createPreparation({
      stateDir: folder,
      findUnderlay: async () => underlay,
      openStore: async (name) => memory.open(name),
      log: silentLog,
      isHere: (address) => address === underlay.address,
      ...more,
    })
  const kept = () => JSON.parse(readFileSync(join(folder, 'host.json'), 'utf8'))

  test('is its hostname at first, and is kept with an id when the hostname changes', async () => {
    const before = preparation({ hostname: () => 'net-1' })
    const first = await before.prepare()
    expect(existsSync(join(folder, 'host.json'))).toBe(false)
    await first.claimed?.()
    await before.close()
    const after = preparation({ hostname: () => 'web-1' })
    expect(await after.prepare()).toMatchObject({ host: 'net-1', id: first.id, hostname: 'web-1' })
    expect(kept()).toEqual({ id: first.id, name: 'net-1' })
    await after.close()
  })

  test('waits for a hostname that can be one', async () => {
    await expect(preparation({ hostname: () => '_' }).prepare()).rejects.toMatchObject({
      code: 'unavailable',
    })
  })

  test('cannot be changed by --host-name while it has containers', async () => {
    writeFileSync(join(folder, 'host.json'), '{"id":"a","name":"net-1"}')
    const on = await host('net-1', 1, { id: 'a' })
    await on.docker.create('foobar')
    await on.docker.run('web', 'foobar')
    await on.stop()
    const renaming = preparation({ hostName: 'web-1' })
    await expect(renaming.prepare()).rejects.toMatchObject({ code: 'in-use' })
    expect(kept().name).toBe('net-1')
    await renaming.close()
    await on.start()
    await on.docker.stop('web')
    await on.stop()
    const again = preparation({ hostName: 'web-1' })
    const { store, host: name, id } = await again.prepare()
    expect([name, id, kept().name]).toEqual(['web-1', 'a', 'web-1'])
    expect([...(await store.read()).hosts.keys()]).toEqual([])
    await again.close()
  })

  test.each(['live', 'away'])(
    'is changed by --host-name where a host that is %s has the earlier one by now, whose records stay',
    async (life) => {
      writeFileSync(join(folder, 'host.json'), '{"id":"old","name":"net-1"}')
      const other = await host('net-1', 2, { id: 'new' })
      await other.docker.create('foobar')
      await other.docker.run('web', 'foobar')
      await until('its use is known', () => other.store.snapshot().uses.size === 1)
      if (life === 'away') {
        await other.docker.stop('web')
        await until('its container has stopped', () => other.store.snapshot().endpoints.size === 0)
        await other.stop()
      }
      const names = ({ hosts, replicas, uses }: Snapshot) =>
        [hosts, replicas, uses].map((it) => [...it.keys()])
      const before = names(await memory.open('net-3').read())
      const renaming = preparation({ hostName: 'net-9' })
      const { store, host: name } = await renaming.prepare()
      expect([name, kept()]).toEqual(['net-9', { id: 'old', name: 'net-9' }])
      expect(names(await store.read())).toEqual(before)
      await renaming.close()
    },
  )

  test('is changed by --host-name on a copy of the disk, and the records of the machine that is off stay', async () => {
    writeFileSync(join(folder, 'host.json'), '{"id":"a","name":"net-1"}')
    const original = await host('net-1', 2, { id: 'a' })
    await original.docker.create('foobar')
    await original.stop()
    const before = await memory.open('net-3').read()
    const { log, entries } = readableLog()
    const renaming = preparation({ hostName: 'net-9', log })
    const { store } = await renaming.prepare()
    const { hosts, replicas } = await store.read()
    expect([[...hosts.keys()], replicas.size]).toEqual([['net-1'], before.replicas.size])
    expect(kept().name).toBe('net-9')
    expect(entries.map(({ message }) => message)).toContain(
      'the records under the earlier name stay: the host that wrote them has an address that this one does not have',
    )
    await renaming.close()
  })

  test('is changed by --host-name on a copy of the disk with the same address, and the first machine keeps its records', async () => {
    writeFileSync(join(folder, 'host.json'), '{"id":"a","name":"net-1"}')
    const original = await host('net-1', 1, { id: 'a' })
    await original.docker.create('foobar')
    const last = { id: 'a', vtep: underlay.address, session: 's', isOwnSession: false }
    const { log, entries } = readableLog()
    const renaming = preparation({
      ...{ hostName: 'net-9', log },
      openStore: async (name) => ({ ...memory.open(name), lastAnnouncement: async () => last }),
    })
    const { store } = await renaming.prepare()
    const { hosts, replicas } = await store.read()
    expect([[...hosts.keys()], replicas.size, kept().name]).toEqual([['net-1'], 1, 'net-9'])
    expect(entries.map(({ message }) => message)).toContain(
      'the records under the earlier name stay: the host that wrote them has a live driver that this one has not started',
    )
    await renaming.close()
    await original.stop()
  })

  test('is changed by --host-name where the record under the earlier one cannot be read, which stays', async () => {
    writeFileSync(join(folder, 'host.json'), '{"id":"a","name":"net-1"}')
    const on = await host('net-1', 1, { id: 'a' })
    await on.docker.create('foobar')
    await on.stop()
    memory.put('hosts', 'net-1', '{"of": "a later version"}')
    const { log, entries } = readableLog()
    const renaming = preparation({ hostName: 'web-1', log })
    const { store, host: name } = await renaming.prepare()
    expect(name).toBe('web-1')
    await store.read()
    expect(store.status().corrupt).toEqual([{ table: 'hosts', key: 'net-1' }])
    expect(entries).toContainEqual(
      expect.objectContaining({
        message:
          'the records under the earlier name stay: the record of host net-1 cannot be read: nothing is removed',
        fields: { name: 'net-1', hint: expect.stringContaining("'multihost host rm net-1'") },
      }),
    )
    await renaming.close()
  })

  test('is no damage where the user may not read it', async () => {
    const denied = Object.assign(new Error('permission denied'), { code: 'EACCES' })
    const found = readIdentity('/var/lib/multihost', () => Promise.reject(denied))
    await expect(found).rejects.toMatchObject({ code: 'unavailable', hint: 'run it as root' })
  })

  test('is asked for when its file is damaged', async () => {
    writeFileSync(join(folder, 'host.json'), '')
    await expect(preparation({}).prepare()).rejects.toThrow(/host\.json cannot be read/)
  })
})
