/** Two whole drivers: networks in the store and in the hosts’ Docker. */
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { replicasOn } from '../../../../driver/core/snapshot.ts'
import { temporaryFolder } from '../../../fixtures/temporary-folder.ts'
import { until } from '../../../fixtures/until.ts'
import { has, host, memory, net1, net2, networkOn, useTwoHosts } from './two-hosts.ts'

useTwoHosts()

describe('a network', () => {
  test('appears on the other host as it was made, whichever made it', async () => {
    const made = {
      internal: true,
      options: { mtu: '1400', port: '4790' },
      labels: { team: 'blue' },
      pools: [
        { subnet: '10.9.0.0/16', range: '10.9.4.0/24', gateway: '10.9.0.1', aux: { router: '10.9.0.9' } },
        { subnet: 'fd00:9::/64', gateway: 'fd00:9::1', aux: {} },
      ],
    }
    const id = await net1.docker.create('foobar', { ...made, ipv6: true })
    await net2.docker.create('other')
    await Promise.all([has(net1, 'foobar', 'other'), has(net2, 'foobar', 'other')])
    const copy = await networkOn(net2, 'foobar')
    expect(copy).toMatchObject({ ...made, options: { ...made.options, 'multihost.id': id } })
  })

  test('that a stopped container of another host needs comes back after a prune', async () => {
    const id = await net1.docker.create('foobar')
    await has(net2, 'foobar')
    net2.docker.idle('db', 'foobar')
    await until('net-1 knows the use', () => net1.store.snapshot().uses.has(`net-2/${id}`))
    await net1.docker.rm('foobar')
    await has(net1, 'foobar')
    expect((await networkOn(net1, 'foobar'))?.options).toEqual({ 'multihost.id': id })
    expect(net2.docker.ls()).toEqual(['foobar'])
    net2.docker.discard('db')
    await until('the use has ended', () => net1.store.snapshot().uses.size === 0)
    await net1.docker.rm('foobar')
    await Promise.all([has(net1), has(net2)])
  })

  test('comes back, and its endpoints end, where Docker has lost its database', async () => {
    await net1.docker.create('foobar')
    await has(net2, 'foobar')
    await net2.docker.run('db', 'foobar')
    net2.docker.forgetAll()
    await until('the endpoint is gone', () => net1.store.snapshot().endpoints.size === 0)
    await has(net2, 'foobar')
    await net2.docker.run('web', 'foobar')
  })

  test('is not made twice by a driver that restarts', async () => {
    await net1.docker.create('foobar')
    await has(net2, 'foobar')
    const before = await networkOn(net2, 'foobar')
    await net2.restart()
    await net1.docker.create('other')
    await has(net2, 'foobar', 'other')
    expect((await networkOn(net2, 'foobar'))?.id).toBe(before?.id)
  })

  test('that was made while the other driver was down appears when it is up', async () => {
    await net2.stop()
    await net1.docker.create('foobar')
    await net2.start()
    await has(net2, 'foobar')
  })

  test('goes everywhere when no container uses it', async () => {
    await net1.docker.create('foobar')
    await has(net2, 'foobar')
    await net2.docker.rm('foobar')
    await Promise.all([has(net1), has(net2)])
    const { networks, pools, vnis, addresses } = await net1.store.read()
    expect([networks, pools, vnis, addresses].map(({ size }) => size)).toEqual([0, 0, 0, 0])
  })

  test('is put back where it was removed while another host uses it', async () => {
    await net1.docker.create('foobar')
    await has(net2, 'foobar')
    const { v4 } = await net2.docker.run('web', 'foobar')
    const before = await networkOn(net1, 'foobar')
    await net1.docker.rm('foobar')
    await until('foobar is back on net-1', async () => (await networkOn(net1, 'foobar'))?.id !== before?.id)
    await has(net1, 'foobar')
    expect((await net1.docker.run('client', 'foobar')).v4).not.toBe(v4)
  })

  test('made on both hosts at once under one name is one network in the end', async () => {
    await Promise.all([net1.docker.create('foobar'), net2.docker.create('foobar')])
    await until('one network is left', async () => (await net1.store.read()).networks.size === 1)
    await Promise.all([has(net1, 'foobar'), has(net2, 'foobar')])
    await until('both have the same network', async () => {
      const [a, b] = await Promise.all([net1, net2].map((on) => networkOn(on, 'foobar')))
      return a?.pools[0]?.subnet === b?.pools[0]?.subnet
    })
  })

  test('whose name is a bridge of the user’s is reported, holds nothing up, and appears when the name is free', async () => {
    net2.docker.bridge('foobar')
    await net1.docker.create('foobar')
    await net1.docker.create('other')
    await has(net2, 'other')
    await until('it is reported', () =>
      net2.driver.status().problems.some((it) => it.includes('foobar cannot be made')),
    )
    net2.docker.bridge('foobar', false)
    await has(net2, 'other', 'foobar')
  })

  test('whose place here cannot be read any more is named, keeps its place, and the others go on', async () => {
    await net1.docker.create('foobar')
    await has(net2, 'foobar')
    const id = (await networkOn(net2, 'foobar'))?.id
    memory.put('replicas', `net-2/${id}`, '42')
    await net2.store.read()
    await until('it is reported', () =>
      net2.driver
        .status()
        .problems.some((it) => it.includes('cannot be read: nothing that depends on it is removed')),
    )
    await net1.docker.create('other')
    await has(net2, 'foobar', 'other')
    expect((await networkOn(net2, 'foobar'))?.id).toBe(id)
  })

  test('that the engine is slow to show is kept', async () => {
    let show = (): void => undefined
    net1.docker.storing = new Promise((resolve) => {
      show = resolve
    })
    const made = net1.docker.create('foobar')
    await until('it is in the store', () => net1.store.snapshot().networks.size === 1)
    // Seen later, and believed to be gone: so long the loop has been in doubt about the other one too.
    const replicas = () => [...replicasOn(net1.store.snapshot(), 'net-1').keys()]
    await net1.store.commit([{ op: 'create', table: 'replicas', key: 'net-1/unknown', value: 'unknown' }])
    await until('the unknown one is forgotten', () => !replicas().includes('unknown'))
    expect(await networkOn(net1, 'foobar')).toBeUndefined()
    show()
    const id = await made
    expect(replicas()).toEqual([id])
    await has(net2, 'foobar')
  })

  test('that goes is withdrawn from docker’s words before, also while a look at it is under way', async () => {
    let hold = false
    const held: (() => void)[] = []
    const inSwarmMode = (): Promise<boolean> =>
      new Promise((resolve) => (hold ? held.push(() => resolve(false)) : resolve(false)))
    net1.commands.inSwarmMode = inSwarmMode
    const file = join(dirname(net1.controlSocket), 'default-network')
    await net1.docker.create('multihost')
    await until('the file is there', () => existsSync(file))
    hold = true
    try {
      await until('it is looked at again', () => held.length > 0)
      await net1.docker.rm('multihost')
      expect(existsSync(file)).toBe(false)
    } finally {
      hold = false
      for (const look of held) look()
    }
    await has(net2)
    expect(existsSync(file)).toBe(false)
  })

  test('is not removed on the word of a store that was wiped', async () => {
    const id = await net1.docker.create('foobar')
    await has(net2, 'foobar')
    const { networks, replicas } = net1.store.snapshot()
    await net1.store.commit([
      ...['net-1', 'net-2'].map((key) => ({ op: 'drop', table: 'hosts', key }) as const),
      ...[...replicas.keys()].map((key) => ({ op: 'drop', table: 'replicas', key }) as const),
      ...[...networks.keys()].map((key) => ({ op: 'drop', table: 'networks', key }) as const),
    ])
    await until('it is reported', () =>
      net1.driver.status().problems.some((it) => it.includes('is not in the store')),
    )
    expect((await networkOn(net1, 'foobar'))?.id).toBe(id)
  })

  test('that was removed while the store was away is removed by the next driver', async () => {
    const folder = temporaryFolder()
    await net1.stop()
    await using first = await host(1, { journalPath: join(folder, 'journal.json') })
    await first.docker.create('foobar')
    await has(net2, 'foobar')
    memory.away = true
    await first.docker.rm('foobar')
    await first.stop()
    memory.away = false
    await first.start()
    await Promise.all([has(first), has(net2)])
    await first.stop()
  })

  test('that was removed while the store was away is removed when it is back', async () => {
    await net1.docker.create('foobar')
    await has(net2, 'foobar')
    memory.away = true
    await net1.docker.rm('foobar')
    expect(net1.driver.status().deferred.join()).toContain('delete network')
    memory.away = false
    await Promise.all([has(net1), has(net2)])
  })
})
