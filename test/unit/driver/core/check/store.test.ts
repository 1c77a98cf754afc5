import { expect, test } from 'vitest'
import { sentence } from '../../../../../driver/core/check/difference.ts'
import { checkStore } from '../../../../../driver/core/check/store.ts'
import type { Snapshot } from '../../../../../driver/core/records.ts'
import { id, network } from '../../../../fixtures/datapath.sample.ts'
import { agreeing, gone, mine, put, theirs } from './check.sample.ts'

const a = id('a')
/** What net-1's check says, and the commit that it would make. */
function told(snapshot: Snapshot, corrupt: string[] = [], missing: string[] = []): string {
  return checkStore({ snapshot, host: 'net-1', corrupt, missing })
    .map((it) => {
      const steps = (it.repair ?? []).map(({ op, table, key }) => `\n  ${op} ${table}/${key}`)
      return `${sentence(it)}${steps.join('')}`.replaceAll(/([0-9a-f])\1{63}/g, '$1…')
    })
    .join('\n')
}

test('a store that agrees with itself has no differences', () => {
  expect(told(agreeing())).toBe('')
})

test.each(['networks', 'endpoints', 'services', 'hosts'] as const)(
  'a record of the table %s that cannot be read is named alone: nothing that refers to it goes',
  (table) => {
    const { networks, endpoints, services, hosts } = agreeing()
    const keys = [...{ networks, endpoints, services, hosts }[table].keys()]
    expect(keys.length).toBeGreaterThan(0)
    const broken = keys.reduce((snapshot, key) => gone(table, key)(snapshot), agreeing())
    const corrupt = keys.map((key) => `${table}/${key}`)
    expect(checkStore({ snapshot: broken, host: 'net-1', corrupt, missing: [] })).toEqual(
      corrupt.map((key) => expect.objectContaining({ object: `key ${key}` })),
    )
  },
)

test('a key that was deleted by hand and is not back is named', () => {
  expect(told(agreeing(), [], ['vnis/256'])).toMatchInlineSnapshot(
    `"store: key vnis/256: found nothing, expected a record; the host that it belongs to puts it back as soon as it reaches Consul"`,
  )
})

test('a claim that a network has lost is made again, when no other network has it', () => {
  const broken = gone(
    'vnis',
    '256',
  )(gone('network-names', 'foobar')(gone('pools', '172.21.0.0/16')(agreeing())))
  expect(told(broken)).toMatchInlineSnapshot(`
    "store: claim vnis/256 of network foobar: found nothing, expected one of network foobar; multihost check --repair
      expect networks/a…
      create vnis/256
    store: claim network-names/foobar of network foobar: found nothing, expected one of network foobar; multihost check --repair
      expect networks/a…
      create network-names/foobar
    store: claim pools/172.21.0.0/16 of network foobar: found nothing, expected one of network foobar; multihost check --repair
      expect networks/a…
      create pools/172.21.0.0/16"
  `)
})

test('two networks with one VNI, or with pools that overlap, are a matter for people', () => {
  const other = network({
    id: id('f'),
    name: 'other',
    v4: { cidr: '172.21.4.0/24', gateway: '172.21.4.254', aux: {} },
  })
  const pool = { host: 'net-2', network: other.id, reserved: [], claimedAt: '' }
  const broken = [put('networks', other.id, other), put('network-names', 'other', other.id)]
    .concat(put('pools', '172.21.4.0/24', pool))
    .reduce((snapshot, edit) => edit(snapshot), agreeing())
  expect(told(broken)).toMatchInlineSnapshot(`
    "store: claim vnis/256 of network other (ffffffffffff): found one of network foobar (aaaaaaaaaaaa), expected one of network other (ffffffffffff); remove one of the two networks
    store: pool 172.21.4.0/24: found a part of 172.21.0.0/16, expected a block of its own; remove one of the two networks"
  `)
})

test('two hosts with one VTEP are a matter for people', () => {
  const broken = put('hosts', 'net-3', { vtep: '192.168.33.12', driverVersion: '0.1.0' })(agreeing())
  expect(told(broken)).toMatchInlineSnapshot(
    `"store: VTEP 192.168.33.12: found net-2 and net-3, expected one host that has it; if one of the two will not come back, run 'multihost host rm' with its name, else give each host an address of its own (--bind-interface)"`,
  )
})

test('a host whose VTEP has another family is named, where it shares a network', () => {
  const value = { vtep: 'fd00:33::12', driverVersion: '0.1.0' }
  expect(told(put('hosts', 'net-3', value)(agreeing()))).toBe('')
  const broken = put('hosts', 'net-2', value)(agreeing())
  expect(told(broken).split('\n')).toContain(
    'store: host net-2: found the VTEP fd00:33::12, expected a VTEP of the family of 192.168.33.11, on network foobar; give both hosts a VTEP of one family: start the driver of one of them with --bind-interface=ADDRESS',
  )
})

test('a claim whose network is gone goes, an unbound pool only by the host that made it', () => {
  const pool = (host: string) => ({ host, reserved: [], claimedAt: '2026-01-01T00:00:00Z' })
  const broken = [
    put('vnis', '300', id('9')),
    put('network-names', 'old', id('9')),
    put('pools', '10.1.0.0/16', pool('net-1')),
    put('pools', '10.2.0.0/16', pool('net-2')),
  ].reduce((snapshot, edit) => edit(snapshot), agreeing())
  expect(told(broken)).toMatchInlineSnapshot(`
    "store: claim network-names/old: found a network without it, expected a network that has it; multihost check --repair
      remove network-names/old
    store: claim vnis/300: found a network without it, expected a network that has it; multihost check --repair
      remove vnis/300
    store: claim pools/10.1.0.0/16: found a pool that no network has, expected a network that has it; multihost check --repair
      remove pools/10.1.0.0/16
    store: claim pools/10.2.0.0/16: found a pool that no network has, expected a network that has it; multihost check --repair on net-2"
  `)
})

test('a lease is of an endpoint, of a service, or in the reserve of a host of the cluster', () => {
  const lease = (host: string, more = {}) => ({ host, leasedAt: '2026-01-01T00:00:00Z', ...more })
  const broken = [
    put('addresses', `${a}/172.21.0.19`, lease('net-1')),
    put('addresses', `${a}/172.21.0.20`, lease('net-9')),
    put('addresses', `${a}/172.21.0.21`, lease('net-2', { endpoint: id('8') })),
    put('addresses', `${a}/172.21.0.22`, lease('net-1', { service: 'gone' })),
    put('addresses', `${a}/${mine.v4}`, lease('net-1', { endpoint: mine.id, service: 'gone' })),
    put('addresses', `${id('7')}/10.0.0.2`, lease('net-2')),
  ].reduce((snapshot, edit) => edit(snapshot), agreeing())
  expect(told(broken)).toMatchInlineSnapshot(`
    "store: address 172.21.0.2 of network foobar: found 111111111111 and gone, not with this address or not there, expected an endpoint or a service that has it; multihost check --repair
      update addresses/a…/172.21.0.2
    store: address 172.21.0.20 of network foobar: found nothing, expected an endpoint or a service that has it; multihost check --repair on net-9
    store: address 172.21.0.21 of network foobar: found 888888888888, not with this address or not there, expected an endpoint or a service that has it; multihost check --repair on net-2
    store: address 172.21.0.22 of network foobar: found gone, not with this address or not there, expected an endpoint or a service that has it; multihost check --repair
      remove addresses/a…/172.21.0.22
    store: address 10.0.0.2 of network 777777777777: found nothing, expected its network; multihost check --repair
      remove addresses/7…/10.0.0.2"
  `)
})

test('an endpoint needs its lease, its network and its host', () => {
  const broken = [
    gone('addresses', `${a}/${mine.v4}`),
    put('endpoints', `${a}/${theirs.id}`, { ...theirs, vtep: '192.168.33.99' }),
    put('endpoints', `${a}/${id('5')}`, { ...theirs, id: id('5'), host: 'net-9', v4: theirs.v4 }),
    put('endpoints', `${id('6')}/${id('4')}`, { ...mine, id: id('4'), network: id('6') }),
  ].reduce((snapshot, edit) => edit(snapshot), agreeing())
  expect(told(broken)).toMatchInlineSnapshot(`
    "store: MAC 02:42:ac:15:00:03 of network foobar: found container two on net-2 and container two on net-9, expected one endpoint that has it; disconnect one of the two containers from the network and connect it again, or run it with another --mac-address
    store: endpoint 111111111111 (one) of network foobar: found nothing, expected a lease of 172.21.0.2; multihost check --repair
      expect endpoints/a…/1…
      create addresses/a…/172.21.0.2
    store: endpoint 222222222222 (two) of network foobar: found 192.168.33.99, expected the VTEP 192.168.33.12 of net-2; multihost check --repair
    store: endpoint 555555555555 (two) of network foobar: found one of 222222222222, expected a lease of 172.21.0.3; stop one of the two containers that have 172.21.0.3
    store: endpoint 555555555555 (two) of network foobar: found net-9, expected a host of the cluster; multihost host rm net-9
    store: endpoint 444444444444 (one) of network 666666666666: found nothing, expected its network; multihost check --repair
      remove endpoints/6…/4…"
  `)
})

test('a service keeps its address, and an endpoint behind it exists', () => {
  const bar = { id: id('e'), network: a, name: 'bar', v4: '172.21.0.9', endpoint: id('3') }
  const broken = put('services', `${a}/bar`, bar)(gone('addresses', `${a}/172.21.0.9`)(agreeing()))
  expect(told(broken)).toMatchInlineSnapshot(`
    "store: service bar of network foobar: found nothing, expected a lease of 172.21.0.9 that is kept for it; unpublish the service and publish it again
    store: service bar of network foobar: found nothing, expected endpoint 333333333333 behind it; multihost check --repair
      update services/a…/bar"
  `)
})

test('what is half done, cannot be read, or leads nowhere is told', () => {
  const unfinished = network({ id: id('f'), removing: true, vni: 300, name: 'leaving' })
  const broken = [
    put('networks', unfinished.id, unfinished),
    put('networks', a, network()),
    put('replicas', `net-2/${id('b')}`, id('0')),
    put('replicas', `net-9/${id('c')}`, a),
  ].reduce((snapshot, edit) => edit(snapshot), agreeing())
  expect(told(broken, ['vnis/12'])).toMatchInlineSnapshot(`
    "store: key vnis/12: found one that cannot be read, expected a value of its schema; correct or delete the key
    store: network aaaaaaaaaaaa: found nothing, expected a name; docker network rm on net-1
    store: network leaving: found one, expected no network that is being removed; multihost check --repair
    store: claim network-names/foobar: found a network without it, expected a network that has it; multihost check --repair
      remove network-names/foobar
    store: network bbbbbbbbbbbb of host net-2: found nothing, expected network 000000000000; multihost check --repair
    store: network cccccccccccc of host net-9: found net-9, expected a host of the cluster; multihost host rm net-9"
  `)
})
