import { Map as PersistentMap } from 'immutable'
import { expect, test } from 'vitest'
import type { Endpoint, Network, Snapshot } from '../../../../../driver/core/records.ts'
import { emptySnapshot } from '../../../../../driver/core/snapshot.ts'
import type { EngineNetwork } from '../../../../../driver/engine/engine.ts'
import { planNetworks, replicaOf, type Step } from '../../../../../driver/loops/networks/plan.ts'
import { lookupIn } from '../../../../../driver/store/lookup.ts'
import type { ChangedKey } from '../../../../../driver/store/store.ts'

const network = (id: string, more: Partial<Network> = {}): Network => ({
  ...{
    id,
    vni: 256,
    v4: { cidr: '10.9.0.0/16', gateway: '10.9.255.254', aux: {} },
    port: 4789,
    internal: false,
  },
  ...{ options: {}, labels: {}, createdBy: 'net-1', createdAt: '2026-01-01T00:00:00Z' },
  ...more,
})
const engine = (id: string, name: string, more: Partial<EngineNetwork> = {}): EngineNetwork => ({
  ...{ id, name, driver: 'vxlan', internal: false, attachable: false, options: {}, ipamDriver: 'vxlan' },
  ...{ ipamOptions: {}, labels: {}, pools: [], endpoints: [] },
  ...more,
})
const copyOf = (id: string) => ({ options: { 'multihost.id': id } })

interface World {
  networks?: Network[]
  mapped?: Record<string, string>
  names?: Record<string, string>
  /** VNI or pool → the network that has it. */
  vnis?: Record<string, string>
  pools?: Record<string, string>
  usedNetwork?: string
  /** Keys whose values cannot be read. */
  corrupt?: ChangedKey[]
  doubt?: string
}

function snapshot(world: World): Snapshot {
  const { networks = [], mapped = {}, names = {}, vnis = {}, pools = {}, usedNetwork } = world
  const at = <T>(value: T) => ({ value, index: 1 })
  const endpoint = { network: usedNetwork, id: 'e', host: 'net-1' } as Endpoint
  return {
    ...emptySnapshot(),
    hosts: PersistentMap([['net-1', at({ vtep: '192.168.33.11', driverVersion: '1' })]]),
    replicas: PersistentMap(Object.entries(mapped).map(([local, id]) => [`net-1/${local}`, at(id)])),
    networks: PersistentMap(networks.map((it) => [it.id, at(it)])),
    vnis: PersistentMap(Object.entries(vnis).map(([vni, id]) => [vni, at(id)])),
    pools: PersistentMap(
      Object.entries(pools).map(([cidr, id]) => [
        cidr,
        at({ host: 'net-1', network: id, reserved: [], claimedAt: '' }),
      ]),
    ),
    'network-names': PersistentMap(Object.entries(names).map(([name, id]) => [name, at(id)])),
    endpoints: PersistentMap(usedNetwork === undefined ? [] : [[`${usedNetwork}/e`, at(endpoint)]]),
  }
}

const plan = (world: World, here: EngineNetwork[] = [], changing: string[] = []) => {
  const { corrupt = [], doubt } = world
  const known = snapshot(world)
  const status = { corrupt, doubt: doubt === undefined ? undefined : { why: doubt } }
  const lookup = (id: string) => lookupIn(known, status, 'networks', id)
  return planNetworks({ snapshot: known, host: 'net-1', here, changing, lookup, corrupt, doubt })
    .map(line)
    .join('\n')
}
const line = ({ step, ...rest }: Step) => {
  const words = Object.values(rest).map((it) => (typeof it === 'object' && 'says' in it ? it.says : it))
  return `${step} ${words.filter((it) => typeof it === 'string').join(' | ')}`
}

test('a network of the cluster that the engine lacks is made, once it has a name', () => {
  expect(plan({ networks: [network('a', { name: 'foobar' }), network('b')] })).toBe('create a | foobar')
})

test('a network that is there needs nothing', () => {
  const world = { networks: [network('a', { name: 'foobar' })], mapped: { local: 'a' } }
  expect(plan(world, [engine('local', 'foobar', copyOf('a'))])).toBe('')
})

test('what Docker is just making, as its place in the store tells, is not made again', () => {
  expect(plan({ networks: [network('a', { name: 'foobar' })], mapped: { local: 'a' } })).toBe('forget local')
})

test('the name of a network made here is learnt, and that of another host is not ours to tell', () => {
  const world = { networks: [network('a'), network('b', { createdBy: 'net-2' })], mapped: { a: 'a' } }
  expect(plan(world, [engine('a', 'foobar')])).toBe('learn a | a | foobar')
})

test.each(['two words', 'tab\t', '#x', 'x'.repeat(256)])(
  'a network called %j stays here, which is a problem',
  (name) => {
    expect(plan({ networks: [network('a')], mapped: { a: 'a' } }, [engine('a', name)])).toBe(
      `report a | network '${name}' stays on this host alone: its name is not one word of at most 255 characters; remove it, and choose another name`,
    )
  },
)

test('a replica has the labels and the flags of the network that was made', () => {
  const labels = { 'com.docker.compose.network': 'default' }
  const made = network('a', { name: 'foobar', labels, internal: true, attachable: true })
  expect(replicaOf(made)).toMatchObject({ name: 'foobar', labels, internal: true, attachable: true })
  expect(replicaOf(network('a', { name: 'foobar' }))).toMatchObject({ internal: false, attachable: false })
})

test('a copy is known by its option, also without a replica in the store', () => {
  const world = { networks: [network('a', { name: 'foobar' })] }
  expect(plan(world, [engine('local', 'foobar', copyOf('a'))])).toBe('map local | a')
})

test('what is gone from the cluster goes from the engine, before its name is needed again', () => {
  const world = { networks: [network('b', { name: 'foobar' })], mapped: { local: 'a' } }
  expect(plan(world, [engine('local', 'foobar', copyOf('a'))])).toMatchInlineSnapshot(`
    "remove local | foobar | the store has no key networks/a
    create b | foobar"
  `)
})

test('a network that the store never had, or has lost, is reported and kept', () => {
  expect(plan({}, [engine('a', 'foobar')])).toMatchInlineSnapshot(
    `"report a | network foobar (a) of this host is not in the store; remove it and make it again"`,
  )
})

test('a network whose record cannot be read keeps its copy and its replica, and is reported', () => {
  const corrupt: ChangedKey[] = [{ table: 'networks', key: 'a' }]
  const stays = 'network foobar stays on this host: its record is not known (its value cannot be read)'
  expect(plan({ corrupt }, [engine('local', 'foobar', copyOf('a'))])).toBe(`report networks/local | ${stays}`)
  expect(plan({ corrupt }, [engine('a', 'foobar')])).toBe(`report networks/a | ${stays}`)
  expect(plan({ corrupt, mapped: { local: 'a' } })).toBe('')
})

test('a store in doubt removes nothing, makes nothing, and names the networks that it does not have', () => {
  const networks = [network('b', { name: 'web' }), network('c', { removing: true }), network('d')]
  const world = { networks, mapped: { local: 'a', d: 'd', lost: 'b' }, doubt: 'the store is empty' }
  const second = engine('second', 'web', copyOf('b'))
  const here = [engine('local', 'foobar', copyOf('a')), engine('first', 'web', copyOf('b')), second]
  expect(plan(world, here)).toBe(
    'report networks/local | network foobar stays on this host: its record is not known (the store is empty)',
  )
})

test('of two networks of one name the later gives way, unless a container uses it', () => {
  const networks = [network('a', { name: 'foobar', createdBy: 'net-2' }), network('b')]
  const world = { networks, mapped: { b: 'b' }, names: { foobar: 'a' } }
  expect(plan(world, [engine('b', 'foobar')])).toMatchInlineSnapshot(`
    "remove b | foobar | net-2 made a network foobar first
    create a | foobar"
  `)
  expect(plan({ ...world, usedNetwork: 'b' }, [engine('b', 'foobar')])).toMatchInlineSnapshot(`
    "report b | network foobar stays on this host alone: net-2 made a network foobar first; remove it, then the other one appears
    create a | foobar"
  `)
})

test('a second copy goes, and the one that the store knows stays', () => {
  const world = { networks: [network('a', { name: 'foobar' })], mapped: { known: 'a' } }
  const here = [engine('other', 'foobar', copyOf('a')), engine('known', 'foobar', copyOf('a'))]
  expect(plan(world, here)).toBe('remove other | foobar | it is a second copy of foobar')
})

test('a network without a name that the engine never got is discarded; a removal that stopped is finished', () => {
  const networks = [network('a'), network('b', { name: 'gone', removing: true })]
  expect(plan({ networks, mapped: { a: 'a' } })).toBe('discard a\nfinish b')
})

test('what the engine is slow to show is neither forgotten nor discarded while it is being made', () => {
  const networks = [network('a'), network('b', { name: 'web' })]
  const world = { networks, mapped: { a: 'a', copy: 'b' } }
  expect(plan(world)).toBe('forget copy\ndiscard a')
  expect(plan(world, [], ['a', 'copy'])).toBe('')
})

test('a name that a network has until its removal is finished is waited for', () => {
  const old = network('b', { name: 'foobar', createdBy: 'net-2', removing: true })
  const world = { networks: [network('a'), old], mapped: { a: 'a' }, names: { foobar: 'b' } }
  expect(plan(world, [engine('a', 'foobar')])).toBe('finish b')
})

test('a copy is asked for with all that the network has, and its id', () => {
  const v6 = { cidr: 'fd00:9::/64', gateway: 'fd00:9::1', aux: {} }
  const v4 = { cidr: '10.9.0.0/16', gateway: '10.9.0.1', range: '10.9.4.0/24', aux: { router: '10.9.0.9' } }
  const given = { name: 'foobar', v4, v6, internal: true, options: { mtu: '1400' }, labels: { team: 'blue' } }
  expect(replicaOf(network('a', given))).toEqual({
    ...{
      name: 'foobar',
      driver: 'vxlan',
      internal: true,
      attachable: false,
      ipv6: true,
      labels: { team: 'blue' },
    },
    options: { mtu: '1400', 'multihost.id': 'a' },
    ipamDriver: 'vxlan',
    ipamOptions: { 'multihost.id': 'a' },
    pools: [
      { subnet: '10.9.0.0/16', range: '10.9.4.0/24', gateway: '10.9.0.1', aux: { router: '10.9.0.9' } },
      { subnet: 'fd00:9::/64', gateway: 'fd00:9::1', aux: {} },
    ],
  })
})

test('a network whose VNI another one has is made on no further host, and goes when nothing needs it', () => {
  const [a, b] = [network('a', { name: 'old' }), network('b', { name: 'new', v4: pool('10.8.0.0/16') })]
  const world = { networks: [a, b], mapped: { local: 'b' }, vnis: { 256: 'b' } }
  const copy = engine('local', 'new', copyOf('b'))
  expect(plan(world, [copy])).toBe('yield a | b')
  expect(plan({ ...world, usedNetwork: 'a' }, [copy])).toBe(
    'report rival/a | networks old (a) and new (b) both have the VNI 256: old (a) is made on no further host; ' +
      'remove it where it is (net-1), or a host that does not come back (multihost host rm)',
  )
  const unread = { table: 'uses', key: 'net-3/a' } as const
  expect(plan({ ...world, corrupt: [unread] }, [copy])).toMatch(/^report rival\/a .*\(uses\/net-3\/a\)/)
  expect(plan({ ...world, doubt: 'the store is empty' }, [copy])).toBe('')
})

test('of two networks with overlapping pools, the one that no host has gives way', () => {
  const [a, b] = [network('a', { name: 'old' }), network('b', { name: 'new', v4: pool('10.9.4.0/24') })]
  const world = { networks: [a, b], vnis: {}, pools: { '10.9.0.0/16': 'a', '10.9.4.0/24': 'b' } }
  const copies = [engine('1', 'old', copyOf('a')), engine('2', 'new', copyOf('b'))]
  expect(plan({ ...world, mapped: { 2: 'b' } }, copies.slice(1))).toBe('yield a | b')
  expect(plan({ ...world, mapped: { 1: 'a', 2: 'b' } }, copies)).toMatch(
    /^report rival\/a \| .* both have overlapping pools, 10.9.0.0\/16 and 10.9.4.0\/24: .*\nreport rival\/b \|/,
  )
  expect(plan(world), 'the first to be made excludes the other').toBe('create a | old\ncreate b | new')
})

function pool(cidr: string): Network['v4'] {
  return { cidr, gateway: cidr.replace('0/', '254/').split('/')[0] ?? '', aux: {} }
}

test('a network whose record cannot be read keeps its name', () => {
  const world: World = { networks: [network('b')], mapped: { b: 'b' }, names: { foobar: 'a' } }
  const here = [engine('b', 'foobar')]
  expect(plan(world, here), 'a is gone').toBe('learn b | b | foobar')
  expect(plan({ ...world, corrupt: [{ table: 'networks', key: 'a' }] }, here)).toBe(
    'report b | network foobar stays on this host alone: another network has the name, and its record is not known (its value cannot be read)',
  )
})
