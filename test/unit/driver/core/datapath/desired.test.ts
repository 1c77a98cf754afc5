import { describe, expect, test } from 'vitest'
import {
  containerEndName,
  desiredFor,
  namespaceOf,
  portName,
} from '../../../../../driver/core/datapath/desired.ts'
import { innerMtu } from '../../../../../driver/core/datapath/mtu.ts'
import { plan } from '../../../../../driver/core/datapath/plan.ts'
import type { Network, Snapshot } from '../../../../../driver/core/records.ts'
import { applyDeltas } from '../../../../../driver/core/snapshot.ts'
import { endpoint, id, network, show, snapshotOf } from '../../../../fixtures/datapath.sample.ts'

const place = { vtep: '192.168.33.11', mtuBytes: 1500, namespace: namespaceOf(id('a')) }
const here = endpoint('1', 'net-1', '172.21.0.2')
const there = endpoint('2', 'net-2', '172.21.0.3')

describe('desired', () => {
  test('an endpoint here and one elsewhere make a veth and a peer', () => {
    expect(shown(snapshotOf([network()], [here, there]))).toMatchInlineSnapshot(`
      "netns add /var/run/docker/netns/aaaaaaaaaaaa
      link add br0 type bridge
      link add vxlan1 type vxlan id 256 local 192.168.33.11 dstport 4789 mtu 1450
      fdb replace 02:42:ac:15:00:03 dev vxlan1 dst 192.168.33.12
      neigh replace 172.21.0.3 lladdr 02:42:ac:15:00:03 dev vxlan1
      link add veth11111111 type veth peer vxc11111111 address 02:42:ac:15:00:02 mtu 1450"
    `)
  })

  test('both addresses of a dual-stack endpoint are neighbours', () => {
    const dual = { ...there, v6: 'fd00:21::3' }
    expect(shown(snapshotOf([network()], [here, dual]))).toContain(
      'neigh replace fd00:21::3 lladdr 02:42:ac:15:00:03 dev vxlan1',
    )
  })

  test('an IPv6 address that the interface does not have is no neighbour, and takes none from another', () => {
    const v6 = 'fd00:21::3'
    const without = { ...there, v6, withoutIpv6: true } as const
    expect(shown(snapshotOf([network()], [here, without]))).toBe(
      shown(snapshotOf([network()], [here, there])),
    )
    const other = { ...endpoint('3', 'net-2', '172.21.0.4'), v6 }
    expect(shown(snapshotOf([network()], [here, without, other]))).toContain(
      `neigh replace ${v6} lladdr ${other.mac} dev vxlan1`,
    )
  })

  test.each([
    ['no endpoint of the network is on this host', snapshotOf([network()], [there])],
    ['the network is not in the store', snapshotOf([], [here, there])],
    ['the endpoint is of another network', snapshotOf([network()], [{ ...here, network: id('b') }])],
  ])('nothing is wanted when %s', (_, snapshot) => {
    expect(desiredFor(snapshot, 'net-1', id('a'), place)).toBeUndefined()
  })

  test('an endpoint here is made before it joins', () => {
    const snapshot = snapshotOf([network()], [{ ...here, joined: false }, there])
    expect(shown(snapshot)).toBe(shown(snapshotOf([network()], [here, there])))
  })

  test('in a macvlan network it is a child of the VXLAN device, and there is no bridge', () => {
    expect(shown(snapshotOf([network({ datapath: 'macvlan' })], [here, there]))).toMatchInlineSnapshot(`
      "netns add /var/run/docker/netns/aaaaaaaaaaaa
      link add vxlan1 type vxlan id 256 local 192.168.33.11 dstport 4789 mtu 1450
      fdb replace 02:42:ac:15:00:03 dev vxlan1 dst 192.168.33.12
      neigh replace 172.21.0.3 lladdr 02:42:ac:15:00:03 dev vxlan1
      link add vxc11111111 link vxlan1 type macvlan address 02:42:ac:15:00:02 mtu 1450"
    `)
  })

  test('the MTU is what fits through the underlay of every host that uses the network', () => {
    const hosts = { 'net-2': 1400, 'net-3': 9000, 'net-4': 1300, 'net-5': undefined }
    const records = Object.entries(hosts).map(([name, mtuBytes]) => {
      const tunnel = mtuBytes === undefined ? {} : { tunnel: { mtuBytes, answers: true } }
      const value = { vtep: '192.168.33.12', driverVersion: '0.1.0', ...tunnel }
      return { table: 'hosts' as const, key: name, record: { value, index: 1 } }
    })
    const uses = ['net-1', 'net-2', 'net-3', 'net-5'].map((name) => {
      return {
        table: 'uses' as const,
        key: `${name}/${id('a')}`,
        record: { value: { containers: 1, names: [] }, index: 1 },
      }
    })
    const mtuOf = (change: Partial<Network>): number | undefined => {
      const snapshot = applyDeltas(snapshotOf([network(change)], [here, there]), [...records, ...uses])
      return desiredFor(snapshot, 'net-1', id('a'), place)?.vxlan.mtuBytes
    }
    expect(mtuOf({}), 'of net-2; net-4 does not use the network').toBe(1350)
    expect(mtuOf({ mtuBytes: 1300 })).toBe(1300)
    expect(mtuOf({ mtuBytes: 1450 })).toBe(1350)
  })

  test('an endpoint elsewhere that has not joined is no peer', () => {
    const snapshot = snapshotOf([network()], [here, { ...there, joined: false }])
    expect(desiredFor(snapshot, 'net-1', id('a'), place)?.peers).toEqual([])
  })

  test('an endpoint that claims our own VTEP is no peer: the entry would loop', () => {
    const snapshot = snapshotOf([network()], [here, { ...there, vtep: place.vtep }])
    expect(desiredFor(snapshot, 'net-1', id('a'), place)?.peers).toEqual([])
  })

  test('of two peers with one address the lower endpoint id has it, in every order', () => {
    const rival = endpoint('3', 'net-3', there.v4, { mac: '02:42:00:00:00:09' })
    for (const order of [
      [here, there, rival],
      [rival, there, here],
    ]) {
      const peers = desiredFor(snapshotOf([network()], order), 'net-1', id('a'), place)?.peers ?? []
      expect(peers.filter(({ addresses }) => addresses.length > 0).map(({ mac }) => mac)).toEqual([there.mac])
    }
  })

  test('of two peers with one address the one with its lease has it and its MAC', () => {
    const rival = endpoint('3', 'net-3', there.v4, { vtep: '192.168.33.13' })
    const lease = { host: 'net-3', endpoint: rival.id, leasedAt: '2026-01-01T00:00:00Z' }
    const snapshot = applyDeltas(snapshotOf([network()], [here, there, rival]), [
      { table: 'addresses', key: `${id('a')}/${there.v4}`, record: { value: lease, index: 1 } },
    ])
    expect(desiredFor(snapshot, 'net-1', id('a'), place)?.peers).toEqual([
      { mac: rival.mac, vtep: rival.vtep, addresses: [rival.v4] },
    ])
  })

  test('of two peers with one MAC the lower endpoint id has it, in every order', () => {
    const twin = endpoint('3', 'net-3', '172.21.0.9', { mac: there.mac })
    for (const order of [
      [here, there, twin],
      [twin, there, here],
    ]) {
      expect(desiredFor(snapshotOf([network()], order), 'net-1', id('a'), place)?.peers).toEqual([
        { mac: there.mac, vtep: '192.168.33.12', addresses: ['172.21.0.3'] },
      ])
    }
  })

  test('the MTU is the network’s, or what the underlay leaves', () => {
    const mtuOf = (change: Parameters<typeof network>[0]) =>
      desiredFor(snapshotOf([network(change)], [here]), 'net-1', id('a'), place)?.vxlan.mtuBytes
    expect(mtuOf({ mtuBytes: 1400 })).toBe(1400)
    expect(mtuOf({})).toBe(1450)
    expect(innerMtu(9000, '192.168.33.11')).toBe(8950)
    expect(innerMtu(1500, 'fd00:33::11')).toBe(1430)
  })

  test('the MTU of a network with IPv6 is at least 1280, also where the underlay leaves less', () => {
    const v6 = { cidr: 'fd00:21::/64', gateway: 'fd00:21::ffff', aux: {} }
    const mtuOf = (change: Partial<Network>, mtuBytes: number) =>
      desiredFor(snapshotOf([network(change)], [here]), 'net-1', id('a'), { ...place, mtuBytes })?.vxlan
        .mtuBytes
    expect(mtuOf({ v6 }, 1300)).toBe(1280)
    expect(mtuOf({ v6, mtuBytes: 1400 }, 1300)).toBe(1280)
    expect(mtuOf({ v6 }, 1400)).toBe(1350)
    expect(mtuOf({}, 1300)).toBe(1250)
  })

  test('names fit into the kernel’s 15 bytes', () => {
    expect([portName(id('1')), containerEndName(id('1'))]).toEqual(['veth11111111', 'vxc11111111'])
  })
})

function shown(snapshot: Snapshot): string {
  const want = desiredFor(snapshot, 'net-1', id('a'), place)
  return want === undefined ? '' : show(plan(undefined, want).ops)
}
