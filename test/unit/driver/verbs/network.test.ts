import { describe, expect, test } from 'vitest'
import type { Change } from '../../../../driver/core/records.ts'
import { silentLog } from '../../../../driver/log.ts'
import { withJournal } from '../../../../driver/store/journal.ts'
import { type JournalContent, journalFile } from '../../../../driver/store/journal-file.ts'
import type { Store } from '../../../../driver/store/store.ts'
import { createInFlight } from '../../../../driver/verbs/in-flight.ts'
import { finishRemoval } from '../../../../driver/verbs/network.ts'
import { until } from '../../../fixtures/until.ts'
import { cluster, createNetwork, type Host, id, never, removeNetwork, run, show, stop } from './cluster.ts'

const replica = { 'multihost.id': id('a') }
const copyOf = { id: id('b'), subnet: '172.21.0.0/16', ipamOptions: replica, options: replica }

describe('a new network', () => {
  test('takes its VNI, its pool and its place on the host in one step', async () => {
    const net1 = cluster().host(1)
    await createNetwork(net1, { id: id('a'), options: { mtu: '1400' }, internal: true })
    expect(show(net1)).toMatchInlineSnapshot(`
      "networks/a… {"id":"a…","vni":256,"v4":{"cidr":"172.21.0.0/16","gateway":"172.21.255.254","aux":{}},"mtuBytes":1400,"port":4789,"internal":true,"options":{"mtu":"1400"},"labels":{},"createdBy":"net-1"}
      pools/172.21.0.0/16 {"host":"net-1","network":"a…","gateway":"172.21.255.254","chosen":true,"reserved":[]}
      replicas/net-1/a… "a…"
      vnis/256 "a…""
    `)
  })

  test('appears on another host as a copy of the same id', async () => {
    const lab = cluster()
    const [net1, net2] = [lab.host(1), lab.host(2)]
    await createNetwork(net1, { id: id('a') })
    await createNetwork(net2, copyOf)
    await createNetwork(net2, copyOf)
    const { networks, replicas } = net2.store.snapshot()
    expect([...networks.keys()]).toEqual([id('a')])
    expect(replicas.get(`net-2/${id('b')}`)?.value).toBe(id('a'))
  })

  test('appears on a host whose underlay, or whose driver, does not know its options', async () => {
    const lab = cluster()
    const small = { device: 'eth1', address: '192.168.33.12', mtuBytes: 1300 }
    const [net1, net2] = [lab.host(1), lab.host(2, { underlay: () => small })]
    await createNetwork(net1, { id: id('a'), options: { mtu: '1450' } })
    await createNetwork(net2, { ...copyOf, options: { ...replica, mtu: '1450', later: 'yes' } })
    expect(net2.store.snapshot().replicas.get(`net-2/${id('b')}`)?.value).toBe(id('a'))
  })

  test('with IPv6 has an MTU of 1280 or more, also where the underlay leaves less', async () => {
    const small = { device: 'eth1', address: '192.168.33.11', mtuBytes: 1300 }
    const net1 = cluster().host(1, { underlay: () => small })
    const create = (digit: string, mtu: string) =>
      createNetwork(net1, {
        ...{
          id: id(digit),
          subnet: `10.${Number.parseInt(digit, 16)}.0.0/16`,
          subnet6: `fd00:${digit}::/64`,
        },
        options: { mtu },
      })
    expect((await create('a', '1280')).mtuBytes).toBe(1280)
    await expect(create('b', '1281')).rejects.toMatchObject({
      line: expect.stringContaining('too large for the interface eth1; its MTU allows 1280 bytes'),
    })
    await expect(create('c', '1279')).rejects.toMatchObject({
      line: '-o mtu=1279 is not allowed; allowed are 1280 … 65535',
    })
    const { mtuBytes } = await createNetwork(net1, { id: id('d'), subnet6: 'fd00:d::/64' })
    expect(mtuBytes).toBeUndefined()
  })

  test('is told to the other hosts in as many bytes as the first one was', async () => {
    const lab = cluster()
    const told: number[] = []
    const store = lab.open('net-2')
    const sizeOf = (changes: readonly Change[]): number =>
      JSON.stringify(changes, (key, value) => (key === 'index' ? 0 : value)).length
    const commit: Store['commit'] = (changes) => {
      if (changes.some(({ table }) => table === 'replicas')) told.push(sizeOf(changes))
      return store.commit(changes)
    }
    const [net1, net2] = [lab.host(1), lab.host(2, {}, { ...store, commit })]
    for (const digit of ['1', '2', '3']) {
      const { v4 } = await createNetwork(net1, { id: id(digit) })
      const options = { 'multihost.id': id(digit) }
      await createNetwork(net2, {
        id: digit + id('b').slice(1),
        subnet: v4.cidr,
        ipamOptions: options,
        options,
      })
    }
    expect(told).toEqual([told[0], told[0], told[0]])
  })

  test('has another VNI and pool than one that is made elsewhere at the same moment', async () => {
    const lab = cluster()
    const made = await Promise.all([1, 2, 3].map((n) => createNetwork(lab.host(n), { id: id(String(n)) })))
    expect(made.map(({ vni }) => vni).sort()).toEqual([256, 257, 258])
    expect(new Set(made.map(({ v4 }) => v4.cidr)).size).toBe(3)
  })

  describe('beside VXLAN devices of other programs', () => {
    async function withDevices() {
      const lab = cluster()
      const net1 = lab.host(1, { foreignVxlans: async () => [{ vni: 257, port: 8472 }] })
      const record = {
        vtep: '192.168.33.12',
        driverVersion: '0.1.0',
        foreignVxlans: [
          { vni: 256, port: 4789 },
          { vni: 300, port: 8472 },
        ],
      }
      await net1.store.commit([{ op: 'create', table: 'hosts', key: 'net-2', value: record }])
      return net1
    }

    test('has a VNI that no host has for one, this host’s newest included', async () => {
      expect((await createNetwork(await withDevices(), { id: id('a') })).vni).toBe(258)
    })

    test('is refused with the VNI of one, by the name of its host', async () => {
      const net1 = await withDevices()
      const make = (digit: string, options: Record<string, string>) =>
        createNetwork(net1, { id: id(digit), options })
      await expect(make('a', { vni: '256' })).rejects.toMatchObject({
        code: 'taken',
        line: "VNI 256 belongs to another program's VXLAN device on host net-2, UDP port 4789; choose another, or omit -o vni= to get a free one; 'ip -d link show type vxlan' on net-2 shows the device",
      })
      expect(net1.store.snapshot().networks.size).toBe(0)
      await expect(make('b', { vni: '257', port: '8472' })).rejects.toThrow('on host net-1, UDP port 8472')
    })

    test('may have the VNI of one on a port that no network uses', async () => {
      const net1 = await withDevices()
      expect((await createNetwork(net1, { id: id('a'), options: { vni: '300' } })).vni).toBe(300)
      await createNetwork(net1, { id: id('b'), options: { port: '8472' } })
      const options = { vni: '257' }
      await expect(createNetwork(net1, { id: id('c'), options })).rejects.toThrow('on host net-1')
    })
  })

  test('can be asked for twice', async () => {
    const net1 = cluster().host(1)
    await createNetwork(net1, { id: id('a') })
    const before = show(net1)
    const data = { addressSpace: 'multihost', pool: '172.21.0.0/16', aux: {} }
    await net1.verbs.createNetwork(
      { localId: id('a'), v4: [data], v6: [], options: {}, internal: false },
      never,
    )
    expect(show(net1)).toBe(before)
  })

  test('has an IPv6 pool beside the IPv4 one', async () => {
    const net1 = cluster().host(1)
    const { v6 } = await createNetwork(net1, { id: id('a'), subnet6: 'fd00:9::/64' })
    expect(v6).toEqual({ cidr: 'fd00:9::/64', gateway: 'fd00:9::ffff:ffff:ffff:ffff', aux: {} })
  })

  test('has the MTU and the VNI that another driver’s options ask for', async () => {
    const docker = 'com.docker.network.driver'
    const options = { [`${docker}.mtu`]: '1400', [`${docker}.overlay.vxlanid_list`]: '4097' }
    const { vni, mtuBytes } = await createNetwork(cluster().host(1), { id: id('a'), options })
    expect({ vni, mtuBytes }).toEqual({ vni: 4097, mtuBytes: 1400 })
  })

  test.each([
    [
      { 'com.docker.network.driver.overlay.vxlanid_list': '300,301' },
      "'300,301' is not a VNI; -o vni= allows 1 … 16777215",
    ],
    [{ vni: '0' }, "'0' is not a VNI; -o vni= allows 1 … 16777215"],
    [{ vni: '256' }, 'VNI 256 belongs to network aaaaaaaaaaaa; choose another'],
    [
      { mtu: '1451' },
      '-o mtu=1451 is too large for the interface eth1; its MTU allows 1450 bytes inside the tunnel: use -o mtu=1450 or less',
    ],
    [{ mtu: '20' }, '-o mtu=20 is not allowed; allowed are 68 … 65535'],
    [{ port: 'many' }, '-o port=many is not allowed; allowed are 1 … 65535'],
    [{ mut: '1400' }, 'unknown option -o mut; allowed are -o vni=, -o mtu=, -o port= and -o datapath='],
    [{ datapath: 'ipvlan' }, '-o datapath=ipvlan is not allowed; allowed are bridge and macvlan'],
    [{ 'multihost.id': 'x' }, 'the cluster has no network x'],
  ])('with the options %o is refused', async (options, line) => {
    const net1 = cluster().host(1)
    await createNetwork(net1, { id: id('a'), options: { 'com.docker.network.enable_ipv6': 'false' } })
    const making = createNetwork(net1, { id: id('b'), options })
    await expect(making).rejects.toMatchObject({ line: expect.stringContaining(line) })
    expect(net1.store.snapshot().networks.size).toBe(1)
  })

  test('whose addresses come from the engine’s own IPAM is refused with the command that works', async () => {
    const net1 = cluster().host(1)
    const data = { addressSpace: 'LocalDefault', pool: '172.18.0.0/16', aux: {} }
    const ask = { localId: id('a'), v4: [data], v6: [], options: {}, internal: false }
    await expect(net1.verbs.createNetwork(ask, never)).rejects.toMatchObject({
      hint: 'use: docker network create -d vxlan --ipam-driver vxlan NAME',
    })
  })

  test('takes no VNI whose claim cannot be read', async () => {
    const lab = cluster()
    const net1 = lab.host(1)
    lab.put('vnis', '256', '{"later": "version"}')
    await net1.store.read()
    expect(await createNetwork(net1, { id: id('a') })).toMatchObject({ vni: 257 })
  })
})

describe('removing a network', () => {
  async function both() {
    const lab = cluster()
    const [net1, net2] = [lab.host(1), lab.host(2)]
    const { v4 } = await createNetwork(net1, { id: id('a') })
    await createNetwork(net2, copyOf)
    return { lab, net1, net2, v4 }
  }

  test('without a container removes all its records, on either host', async () => {
    const { net1, net2, v4 } = await both()
    await removeNetwork(net2, id('b'), v4.cidr, v4.gateway)
    expect(show(net2)).toMatchInlineSnapshot(`
      "replicas/net-1/a… "a…""
    `)
    await removeNetwork(net1, id('a'), v4.cidr, v4.gateway)
    await removeNetwork(net1, id('a'), v4.cidr, v4.gateway)
    expect(net1.store.snapshot().replicas.size).toBe(0)
  })

  test.each([true, false])(
    'whose copy Docker cannot keep, as on a full disk, leaves it to the other hosts (store answers: %s)',
    async (answers) => {
      const lab = cluster()
      const [net1, net2] = [lab.host(1), lab.host(2)]
      await createNetwork(net1, { id: id('a') })
      await createNetwork(net2, { ...copyOf, isRefused: true })
      lab.away = !answers
      await removeNetwork(net2, id('b'), '172.21.0.0/16', '172.21.255.254')
      expect(net2.store.journal.removedNetworks.all()).toEqual([])
      lab.away = false
      await net2.context.inFlight.deferred.flush()
      const { networks, replicas } = await net1.store.read()
      expect(networks.get(id('a'))?.value.removing).toBeUndefined()
      expect([...networks.keys(), ...replicas.keys()]).toEqual([id('a'), `net-1/${id('a')}`])
    },
  )

  test('that another host uses only takes it from this host, and frees nothing', async () => {
    const { net1, net2, v4 } = await both()
    await run(net2, { network: id('b'), pool: v4.cidr, endpoint: id('e') })
    await removeNetwork(net1, id('a'), v4.cidr, v4.gateway)
    const { networks, replicas, pools, vnis } = net1.store.snapshot()
    expect(networks.get(id('a'))?.value.removing).toBeUndefined()
    expect([pools.size, vnis.size]).toEqual([1, 1])
    expect([...replicas.keys()]).toEqual([`net-2/${id('b')}`])
  })

  const use = (host: Host, containers = 1) =>
    host.store.commit([
      { op: 'create', table: 'uses', key: `${host.name}/${id('a')}`, value: { containers, names: ['db'] } },
    ])

  test('that a stopped container of another host needs only takes it from this host', async () => {
    const { net1, net2, v4 } = await both()
    await use(net2)
    await removeNetwork(net1, id('a'), v4.cidr, v4.gateway)
    const { networks, replicas } = await net1.store.read()
    expect(networks.get(id('a'))?.value.removing).toBeUndefined()
    expect([...replicas.keys()]).toEqual([`net-2/${id('b')}`])
  })

  test('waits a moment for the record of a container that was removed on another host', async () => {
    const { net1, net2, v4 } = await both()
    await use(net2)
    await net1.store.read()
    const removing = removeNetwork(net1, id('a'), v4.cidr, v4.gateway)
    await new Promise((resolve) => setTimeout(resolve, 50))
    await net2.store.commit([{ op: 'drop', table: 'uses', key: `net-2/${id('a')}` }])
    await removing
    expect((await net1.store.read()).networks.size).toBe(0)
  })

  test('that only stopped containers of this host need removes it with the record of that use', async () => {
    const { net1, v4 } = await both()
    await use(net1)
    await removeNetwork(net1, id('a'), v4.cidr, v4.gateway)
    const { networks, uses } = await net1.store.read()
    expect([networks.size, uses.size]).toEqual([0, 0])
  })

  test('on which a service is published only takes it from this host', async () => {
    const { net1, v4 } = await both()
    const value = { id: id('5'), network: id('a'), name: 'cache', v4: '172.21.0.9' }
    await net1.store.commit([{ op: 'create', table: 'services', key: `${id('a')}/cache`, value }])
    await removeNetwork(net1, id('a'), v4.cidr, v4.gateway)
    const { networks, services } = await net1.store.read()
    expect([networks.size, services.size]).toEqual([1, 1])
  })

  test.each(['services', 'uses'] as const)(
    'that another host needs by its %s, which this host learns after the mark, only takes it from this host',
    async (table) => {
      const { net1, net2, v4 } = await both()
      const need = (): Promise<void> =>
        table === 'uses'
          ? use(net2)
          : net2.store.commit([
              {
                op: 'create',
                table,
                key: `${id('a')}/cache`,
                value: { id: id('5'), network: id('a'), name: 'cache', v4: '172.21.0.9' },
              },
            ])
      const { commit } = net1.store
      let needed = false
      net1.store.commit = async (changes) => {
        const marks = changes.some((it) => it.op === 'update' && it.table === 'networks')
        if (marks && !needed) {
          needed = true
          await need()
        }
        await commit(changes)
      }
      await removeNetwork(net1, id('a'), v4.cidr, v4.gateway)
      const read = await net2.store.read()
      expect(needed).toBe(true)
      expect(read.networks.get(id('a'))?.value.removing).toBeUndefined()
      expect([read.networks.size, read[table].size]).toEqual([1, 1])
    },
  )

  test('cannot cross the creation of an endpoint elsewhere: one of the two gives way', async () => {
    for (let i = 0; i < 20; i++) {
      const { net1, net2, v4 } = await both()
      const [started] = await Promise.allSettled([
        run(net2, { network: id('b'), pool: v4.cidr, endpoint: id('e') }),
        removeNetwork(net1, id('a'), v4.cidr, v4.gateway),
      ])
      const { networks, endpoints, addresses } = await net1.store.read()
      const kept = started.status === 'fulfilled'
      expect([networks.size, endpoints.size]).toEqual(kept ? [1, 1] : [0, 0])
      if (!kept) expect(addresses.size).toBe(0)
    }
  })

  test('that was left half done is finished by any host, and undone when an endpoint was there first', async () => {
    const { net1, net2, v4 } = await both()
    const ip = await run(net2, { network: id('b'), pool: v4.cidr, endpoint: id('e') })
    const marked = net1.store.snapshot().networks.get(id('a'))
    if (marked === undefined) throw new Error('no network')
    const value = { ...marked.value, removing: true as const }
    await net1.store.commit([{ op: 'update', table: 'networks', key: id('a'), value, index: marked.index }])
    await finishRemoval(net2.store, id('a'))
    expect((await net2.store.read()).networks.get(id('a'))?.value.removing).toBeUndefined()
    await stop(net2, { network: id('b'), pool: v4.cidr, endpoint: id('e'), ip })
    await removeNetwork(net2, id('b'), v4.cidr, v4.gateway)
    await finishRemoval(net1.store, id('a'))
    expect((await net1.store.read()).networks.size).toBe(0)
  })

  test.each([
    ['endpoint', 'endpoints', `${id('a')}/${id('e')}`],
    ['service', 'services', `${id('a')}/cache`],
    ['use', 'uses', `net-3/${id('a')}`],
  ] as const)('with an %s that cannot be read only takes it from this host', async (_, table, key) => {
    const { lab, net1, v4 } = await both()
    lab.put(table, key, '{"later": "version"}')
    await net1.store.read()
    await removeNetwork(net1, id('a'), v4.cidr, v4.gateway)
    const { networks, replicas } = await net1.store.read()
    expect([...networks.keys()]).toEqual([id('a')])
    expect(networks.get(id('a'))?.value.removing).toBeUndefined()
    expect([...replicas.keys()]).toEqual([`net-2/${id('b')}`])
  })
})

test('a removal is in the journal until the store has it', async () => {
  const lab = cluster()
  let saved: JournalContent | undefined
  const file = journalFile(async (content) => {
    saved = content
  }, silentLog)
  const store = withJournal(lab.open('net-1'), file, { host: 'net-1', log: silentLog })
  const inFlight = createInFlight({ store, log: silentLog, now: () => new Date() })
  const net1 = { ...lab.host(1, { store, inFlight }), store }
  await createNetwork(net1, { id: id('a') })
  lab.away = true
  await net1.verbs.deleteNetwork(id('a'), never)
  expect(store.journal.removedNetworks.all()).toEqual([id('a')])
  expect(saved?.removing).toEqual([id('a')])
  lab.away = false
  await inFlight.deferred.flush()
  expect((await store.read()).networks.size).toBe(0)
  expect(store.journal.removedNetworks.all()).toEqual([])
  await until('the file is empty', () => saved?.removing.length === 0)
})
