/**
 * The inner loop: two whole drivers on one machine, each with a network namespace for a host, over one real
 * Consul and the real kernel. Docker alone is in memory, and calls them over their sockets.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { firstVtep } from '../../../../driver/core/datapath/vtep-choice.ts'
import { realKernel } from '../../../../driver/kernel/real.ts'
import { openConsulStore } from '../../../../driver/store/consul/store.ts'
import { startConsul, type TestConsul } from '../../../fixtures/consul.ts'
import type { Attachment } from '../../../fixtures/dockerd.ts'
import { startHost, type TestHost } from '../../../fixtures/host.ts'
import { isRoot, type Namespaces, namespaces, warnWhenNotRoot } from '../../../fixtures/namespaces.ts'
import { until } from '../../../fixtures/until.ts'

warnWhenNotRoot()

describe.skipIf(!isRoot)('two drivers', () => {
  let consul: TestConsul
  let lab: Namespaces
  const spaces: Namespaces[] = []
  const hosts: TestHost[] = []

  beforeAll(async () => {
    consul = await startConsul()
    lab = namespaces()
    const wire = lab.add('switch')
    lab.ip(wire, 'link add name sw type bridge\nlink set sw up')
    for (const n of [1, 2]) hosts.push(await host(n, wire))
  })
  afterAll(async () => {
    for (const it of hosts) await it[Symbol.asyncDispose]()
    for (const it of spaces) it[Symbol.dispose]()
    lab?.[Symbol.dispose]()
    await consul?.stop()
  })

  async function host(n: number, wire: string): Promise<TestHost> {
    const name = `net-${n}`
    const path = lab.add(name)
    lab.ip(
      wire,
      `link add name port${n} type veth peer name eth1 netns ${path}\nlink set port${n} master sw up`,
    )
    lab.ip(path, `address add 192.168.33.1${n}/24 dev eth1\nlink set eth1 up`)
    const own = namespaces()
    spaces.push(own)
    const kernel = realKernel({ folder: own.folder, hostNamespace: path })
    return startHost({
      name,
      kernel,
      namespaceFolder: own.folder,
      underlay: firstVtep(await kernel.addresses(), '192.168.33.0/24'),
      openStore: () => openConsulStore({ url: consul.url, host: name }),
      async plug(container, at) {
        const inside = lab.add(container)
        lab.ip(path, `link set ${at.device} netns ${inside} name eth0`)
        const v6 = at.v6 === undefined ? '' : `address add ${at.v6}/64 dev eth0 nodad\n`
        lab.ip(inside, `address add ${at.v4}/16 dev eth0\n${v6}link set eth0 up`)
      },
      async unplug(container) {
        lab.ip(`${lab.folder}/${container}`, 'link del eth0')
      },
    })
  }
  const at = (n: number): TestHost => {
    const found = hosts[n - 1]
    if (found === undefined) throw new Error(`there is no host ${n}`)
    return found
  }
  const has = (on: TestHost, ...names: string[]) =>
    until(`${on.name} has ${names.join()}`, () => on.docker.ls().join() === names.sort().join(), 10_000)
  /** One packet: the first must arrive. */
  const ping = (from: string, to: string): boolean =>
    lab.run(`${lab.folder}/${from}`, 'ping', '-c1', '-W1', to).code === 0
  /** The other host's kernel leads to it: its driver follows within the round trip of a watch. */
  const reachable = (from: string, to: string) => until(`${from} reaches ${to}`, () => ping(from, to))
  let one: Attachment
  let two: Attachment

  test('a network made on one host is on the other within moments', async () => {
    await at(1).docker.create('foobar', {
      ipv6: true,
      pools: [{ subnet: '10.9.0.0/16', aux: { router: '10.9.0.9' } }, { subnet: 'fd00:9::/64' }],
    })
    await has(at(2), 'foobar')
  })

  test('containers on it reach each other over IPv4 and IPv6', async () => {
    one = await at(1).docker.run('one', 'foobar')
    two = await at(2).docker.run('two', 'foobar')
    for (const { v4, v6 } of [one, two]) expect([v4, v6].join()).toMatch(/^10\.9\.0\.\d+,fd00:9::[\da-f]+$/)
    expect(two.v4).not.toBe(one.v4)
    await reachable('one', two.v4)
    expect(ping('two', one.v4)).toBe(true)
    expect(ping('one', two.v6 ?? '')).toBe(true)
    expect(ping('two', one.v6 ?? '')).toBe(true)
  })

  test('a driver that restarts keeps all, and the way stays open meanwhile', async () => {
    await at(1).stop()
    expect(ping('one', two.v4)).toBe(true)
    await at(1).start()
    expect(ping('two', one.v4)).toBe(true)
    const three = await at(1).docker.run('three', 'foobar')
    await reachable('two', three.v4)
    await at(1).docker.stop('three')
  })

  test('Consul may restart: what runs runs on, and what comes after works', async () => {
    await consul.kill()
    expect(ping('one', two.v4)).toBe(true)
    const late = await at(1).docker.run('late', 'foobar')
    // The bridge forwards to a new port when the kernel's queue of link events has come to it.
    await reachable('one', late.v4)
    await expect(at(1).docker.create('refused')).rejects.toThrow(/does not answer/)
    expect(at(1).driver.status().problems.join()).toContain('is away')
    await consul.start()
    await until('both follow it again', () => hosts.every(({ store }) => store.status().fresh), 10_000)
    await reachable('two', late.v4)
    const later = await at(1).docker.run('later', 'foobar')
    await reachable('two', later.v4)
    await at(1).docker.stop('late')
    await at(1).docker.stop('later')
  })

  test('a hundred addresses asked for on both hosts at once are a hundred addresses', async () => {
    const ips = await Promise.all(Array.from({ length: 100 }, (_, i) => lease(at((i % 2) + 1))))
    expect(new Set([...ips, one.v4, two.v4]).size).toBe(102)
    for (const on of hosts) {
      const mine = ips.filter((_, i) => at((i % 2) + 1) === on)
      await Promise.all(mine.map((ip) => release(on, ip)))
    }
    const leases = [...(await at(1).store.read()).addresses.values()]
    expect(leases.filter(({ value }) => value.endpoint !== undefined)).toHaveLength(4)
  })

  test('a container that stops is forgotten everywhere', async () => {
    await at(2).docker.stop('two')
    await until('net-1 leads nowhere', () => !ping('one', two.v4))
    // Its Leave may be in the store before its DeleteEndpoint.
    await expect.poll(async () => (await at(1).store.read()).endpoints.size).toBe(1)
  })

  test('a network that is used elsewhere comes back, an unused one goes everywhere with all it had', async () => {
    const used = (await at(2).docker.networks())[0]?.id
    await at(2).docker.rm('foobar')
    await until('it is back', async () => {
      const [network] = await at(2).docker.networks()
      return network !== undefined && network.id !== used
    })
    await at(1).docker.stop('one')
    await at(1).docker.rm('foobar')
    await Promise.all(hosts.map((on) => has(on)))
    const sizes = async () => {
      const { networks, addresses, endpoints, pools, vnis, ...rest } = await at(1).store.read()
      return [networks, addresses, endpoints, pools, vnis, rest['network-names']].map(({ size }) => size)
    }
    await expect.poll(sizes).toEqual([0, 0, 0, 0, 0, 0])
    const left = () => spaces.flatMap(({ folder, run }) => run(`${lab.folder}/switch`, 'ls', folder).stdout)
    await until('no namespace is left', () => left().join('') === '')
  })

  async function lease(on: TestHost): Promise<string> {
    const { Address } = await on.docker.call<{ Address: string }>('IpamDriver.RequestAddress', {
      PoolID: '10.9.0.0/16',
    })
    return Address.split('/')[0] ?? ''
  }
  async function release(on: TestHost, Address: string): Promise<void> {
    await on.docker.call('IpamDriver.ReleaseAddress', { PoolID: '10.9.0.0/16', Address })
  }
})
