import { beforeEach, describe, expect, test } from 'vitest'
import { DriverError, isCode } from '../../../../driver/core/errors.ts'
import { ensureNetwork } from '../../../../driver/dialect/make-default-network.ts'
import {
  createNetwork,
  type DockerTools,
  listNetworks,
  localIdFor,
  removeNetworks,
  showNetworks,
  withLocalIds,
} from '../../../../driver/dialect/network-commands.ts'
import { translateRun } from '../../../../driver/dialect/run-and-create.ts'
import { until } from '../../../fixtures/until.ts'
import { type CommandHost, net1, net2, useTwoHosts } from './cluster.ts'

const here = [
  { Id: '1'.repeat(64), Name: 'bridge', Driver: 'bridge', Scope: 'local' },
  { Id: '2'.repeat(64), Name: 'foobar', Driver: 'vxlan', Scope: 'local' },
]
const networks = [
  { id: 'f'.repeat(64), name: 'foobar', localId: '2'.repeat(64), users: [], stopped: [], services: [] },
]

describe('pure', () => {
  test('the list has the cluster’s ids and the driver’s name of 2015', () => {
    expect(showNetworks(here, networks)).toMatchInlineSnapshot(`
      "NETWORK ID     NAME      DRIVER    SCOPE
      111111111111   bridge    bridge    local
      ffffffffffff   foobar    overlay   local"
    `)
    expect(showNetworks(here, networks, { quiet: true })).toBe('111111111111\nffffffffffff')
  })

  test('an id of the cluster is this host’s, names and all else stay', () => {
    expect(localIdFor(networks, 'ffff')).toBe('2'.repeat(64))
    for (const word of ['foobar', 'cafe', 'ffffg', '']) expect(localIdFor(networks, word)).toBeUndefined()
    expect(
      localIdFor(
        [...networks, { id: '9'.repeat(64), name: 'ffff', users: [], stopped: [], services: [] }],
        'ffff',
      ),
    ).toBeUndefined()
  })
})

describe('on two hosts', () => {
  useTwoHosts()
  const said: string[] = []
  const tools = (on: CommandHost): DockerTools => {
    said.length = 0
    return {
      ...on,
      print: (text) => void said.push(text),
      complain: (text) => void said.push(`complaint: ${text}`),
    }
  }
  const lineOf = async (work: Promise<unknown>): Promise<string> =>
    work.then(
      () => 'nothing was thrown',
      (error: unknown) =>
        isCode(error, 'invalid', 'taken', 'not-found', 'in-use') ? error.line : String(error),
    )

  test('the default network is made by the first container, also when both have theirs at once', async () => {
    expect((await net1.host.store.read()).networks.size).toBe(0)
    const both = await Promise.all([net1, net2].map((on) => translateRun(['debian:13'], tools(on))))
    expect(both).toEqual([
      ['--network', 'multihost', 'debian:13'],
      ['--network', 'multihost', 'debian:13'],
    ])
    // At that very moment a container can be started on it, and it is the same network.
    const [a, b] = await Promise.all([
      net1.host.docker.run('a', 'multihost'),
      net2.host.docker.run('b', 'multihost'),
    ])
    expect((await net1.host.store.read()).networks.size).toBe(1)
    expect([a.v4, b.v4].sort()).toEqual(['172.21.0.2', '172.21.0.3'])
  })

  test('a service is published with its network, and its address asked for', async () => {
    const words = await translateRun(
      ['-it', '--publish-service=bar.foobar.overlay', 'debian:13'],
      tools(net1),
    )
    expect(words?.join(' ')).toBe('--network foobar --ip 172.21.0.2 -it debian:13')
    expect(
      await lineOf(translateRun(['--publish-service', 'bar.foobar', 'debian:13'], tools(net2))),
    ).toMatchInlineSnapshot(
      `"service bar.foobar is being attached to a container on net-1; a service has one container in the whole cluster; if that attach failed, try again in half a minute"`,
    )
    const { v4 } = await net1.host.docker.run('web', 'foobar', { ip: '172.21.0.2' })
    expect(v4).toBe('172.21.0.2')
  })

  test('conflicting and bad words are refused before anything is made', async () => {
    const lines = [
      '--publish-service=bar --net foobar debian:13',
      '--publish-service=bar --ip 10.0.0.1 debian:13',
      '--publish-service=bar --publish-service=baz debian:13',
      '--publish-service=bar.foobar.bridge debian:13',
      '--publish-service=.foobar debian:13',
      '--publish-service=-bar debian:13',
    ]
    const said = await Promise.all(lines.map((line) => lineOf(translateRun(line.split(' '), tools(net1)))))
    expect(said.join('\n')).toMatchInlineSnapshot(`
      "conflicting options: --publish-service and --net; leave one of the two out: the service decides the network and the address
      conflicting options: --publish-service and --ip; leave one of the two out: the service decides the network and the address
      --publish-service is given twice; give one, and attach the container to the other service with: docker service attach CONTAINER SERVICE
      --publish-service=bar.foobar.bridge: the driver bridge has no services; overlay has; write --publish-service=bar.foobar
      '.foobar' is not a service; write SERVICE or SERVICE.NETWORK
      '-bar' is not a valid service name; use at most 63 letters, digits, dots, dashes and underscores, starting with a letter or digit"
    `)
    const { networks, services } = await net1.host.store.read()
    expect([networks.size, services.size]).toEqual([0, 0])
  })

  test('a network of the user’s own is no place for a service', async () => {
    net1.host.docker.bridge('own')
    net1.docker.network = async (ref) =>
      ref === 'own' ? { Id: '1', Name: 'own', Driver: 'bridge', Scope: 'local' } : undefined
    expect(
      await lineOf(translateRun(['--publish-service=bar.own', 'debian:13'], tools(net1))),
    ).toMatchInlineSnapshot(
      `"network own of this host has the driver bridge, not vxlan; remove it, or use another name: the network must be the same on all hosts"`,
    )
  })

  test('of driver overlay is made with a subnet of its own, and its id is told', async () => {
    expect(await createNetwork(['-d', 'overlay', '--internal', 'foobar'], tools(net1))).toBe(true)
    const [network] = [...net1.host.store.snapshot().networks.values()]
    expect(said).toEqual([network?.value.id])
    expect(network?.value).toMatchObject({ name: 'foobar', internal: true, v4: { cidr: '172.21.0.0/16' } })
    expect(net1.host.store.snapshot().pools.get('172.21.0.0/16')?.value.chosen).toBeUndefined()
    await until('net-2 has it', () => net2.host.docker.ls().includes('foobar'))
    const words = ['--driver=vxlan', '--subnet', '10.9.0.0/24', 'foobar']
    expect(await lineOf(createNetwork(words, tools(net2)))).toContain(
      'network with name foobar already exists',
    )
    expect(await createNetwork([...words.slice(0, 3), 'other'], tools(net2))).toBe(true)
  })

  test.each([
    ['-d bridge foobar'],
    ['foobar'],
    ['-d overlay'],
    ['-d overlay --frob foobar'],
    ['-d overlay --config-only foobar'],
    ['-d overlay --scope swarm foobar'],
    ['-d vxlan --ipam-driver vxlan foobar'],
  ])('docker itself makes %s', async (line) => {
    expect(await createNetwork(line.split(' '), tools(net1))).toBe(false)
  })

  test('one id works on both hosts, and a used network is not removed', async () => {
    await ensureNetwork(net1, 'foobar')
    await ensureNetwork(net2, 'foobar')
    const [network] = [...net1.host.store.snapshot().networks.values()]
    const id = network?.value.id ?? ''
    const local = (await net2.docker.network('foobar'))?.Id ?? ''
    expect(local).not.toBe(id)
    expect(await withLocalIds('inspect', [id.slice(0, 12), 'bridge'], tools(net2))).toEqual([local, 'bridge'])
    expect(await withLocalIds('connect', ['--ip', '1.2.3.4', id, 'web'], tools(net2))).toEqual([
      '--ip',
      '1.2.3.4',
      local,
      'web',
    ])
    expect(await listNetworks(['-q'], tools(net2))).toBe(true)
    expect(said).toEqual([id.slice(0, 12)])
    expect(await listNetworks(['--format', '{{.ID}}'], tools(net2))).toBe(false)
    expect((await translateRun(['--net', id, 'debian:13'], tools(net2)))?.join(' ')).toBe(
      `--net ${local} debian:13`,
    )

    await net1.host.docker.run('web', 'foobar')
    await until('net-2 knows it by name', () =>
      [...net2.host.store.snapshot().endpoints.values()].some(({ value }) => value.container?.name === 'web'),
    )
    expect(await removeNetworks(['foobar', id], tools(net2))).toBe(false)
    expect(said.join('\n').replaceAll(/\([0-9a-f]{12}\)/g, '(id)')).toMatchInlineSnapshot(`
      "complaint: network foobar is used by web (id) on net-1; stop these containers, or disconnect them (docker network disconnect), then remove it
      complaint: network foobar is used by web (id) on net-1; stop these containers, or disconnect them (docker network disconnect), then remove it"
    `)
    const reason = async () => {
      said.length = 0
      expect(await removeNetworks(['foobar'], tools(net2))).toBe(false)
      return said.join('\n')
    }
    net1.host.docker.idle('db', 'foobar')
    await net1.host.docker.stop('web')
    await until('only the stopped one is left', () =>
      [...net2.host.store.snapshot().uses.values()].every(({ value }) => value.names.join() === 'db'),
    )
    expect(await reason()).toBe(
      "complaint: network foobar is used by db (not running) on net-1; remove these containers, then remove it; 'multihost host rm NAME' takes out a host that does not come back",
    )
    await net1.calls.services.publish('cache.foobar', { existing: false })
    net1.host.docker.discard('db')
    await until('the service is left', () => {
      const { uses, services } = net2.host.store.snapshot()
      return uses.size === 0 && services.size === 1
    })
    expect(await reason()).toBe(
      'complaint: network foobar is used by service cache; unpublish these services (docker service unpublish), then remove it',
    )
    await net1.calls.services.unpublish('cache.foobar')
    await until('the service is gone', () => net2.host.store.snapshot().services.size === 0)
    said.length = 0
    await until('no container is on it', () => net2.host.store.snapshot().endpoints.size === 0)
    expect(await removeNetworks([id.slice(0, 12)], tools(net2))).toBe(true)
    expect(said).toEqual([id.slice(0, 12)])
    await until('it is gone everywhere', () => net1.host.docker.ls().length === 0)
  })
})

test('a network here whose name is the beginning of a cluster’s id is meant by its name', async () => {
  const named = new Set<string>()
  const all = [...here, { Id: '3'.repeat(64), Name: 'fffff', Driver: 'bridge', Scope: 'local' }]
  const tools = {
    calls: { clusterNetworks: async () => ({ networks, claimed: [] }) },
    docker: {
      async networks({ name = [] }: Record<string, string[]>) {
        for (const word of name) named.add(word)
        return all.filter(({ Name }) => name.some((word) => Name.includes(word)))
      },
    },
  } as unknown as DockerTools
  const local = '2'.repeat(64)
  expect(await withLocalIds('inspect', ['fffff', 'ffff', 'foobar'], tools)).toEqual([
    'fffff',
    local,
    'foobar',
  ])
  expect(await withLocalIds('connect', ['fffff', 'web'], tools)).toEqual(['fffff', 'web'])
  expect(await translateRun(['--network=fffff', 'debian:13'], tools)).toEqual([
    '--network=fffff',
    'debian:13',
  ])
  expect(await translateRun(['--network=ffff', 'debian:13'], tools)).toEqual([
    `--network=${local}`,
    'debian:13',
  ])
  // Only for words that would be another network.
  expect([...named]).toEqual(['fffff', 'ffff'])
})

describe('a network of this host’s own, of another driver', () => {
  const said: string[] = []
  const cluster = { id: 'c'.repeat(64), name: 'foobar', localId: undefined, stopped: [], services: [] }
  const tools = (clusterNetworks: () => Promise<object>): DockerTools => {
    const local = { Id: 'local', Name: 'foobar', Driver: 'bridge', Scope: 'local' }
    const docker = {
      network: async (ref: string) => (ref === 'foobar' ? local : undefined),
      removeNetwork: async (id: string) => void said.push(`removes ${id}`),
    }
    const print = (text: string) => void said.push(text)
    return { docker, calls: { clusterNetworks }, print, complain: print } as unknown as DockerTools
  }
  beforeEach(() => {
    said.length = 0
  })

  test('is removed, although the cluster’s network of that name is in use elsewhere', async () => {
    const users = [{ host: 'net-1', container: undefined }]
    const used = tools(async () => ({ networks: [{ ...cluster, users }], claimed: [] }))
    expect(await removeNetworks(['foobar'], used)).toBe(true)
    expect(said).toEqual(['removes local', 'foobar'])
    said.length = 0
    expect(await removeNetworks([cluster.id], used)).toBe(false)
    expect(said.join()).toContain('is used by a container on net-1')
  })

  test('is removed while the driver is away; networks of the driver’s are not', async () => {
    const away = tools(async () => {
      throw new DriverError('unavailable', 'the driver does not answer')
    })
    expect(await removeNetworks(['foobar', 'other'], away)).toBe(false)
    expect(said).toEqual(['removes local', 'foobar', 'the driver does not answer'])
  })
})
