import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  advance,
  type Contents,
  contentsOf,
  observedAt,
} from '../../../../../driver/core/datapath/contents.ts'
import type { AlteredFlag, Datapath, Observed, Op } from '../../../../../driver/core/datapath/datapath.ts'
import { plan } from '../../../../../driver/core/datapath/plan.ts'
import { showOp } from '../../../../../driver/core/datapath/show.ts'
import { type DatapathKind, datapathKinds } from '../../../../../driver/core/records.ts'
import { datapath, made, peer, show, veth } from '../../../../fixtures/datapath.sample.ts'

const want = datapath({ veths: [veth('1')], peers: [peer(2), peer(3)] })
const right = made(want)
const isolated: AlteredFlag = { flag: 'isolated', is: 'on', usual: 'off' }
const flood: AlteredFlag = { flag: 'flood', is: 'on', usual: 'off' }

describe('plan', () => {
  test('what is right needs nothing', () => {
    expect(plan(right, want)).toEqual({ ops: [], reasons: [] })
  })

  test('a peer that moves host is added there before it is removed here', () => {
    expect(told(right, { ...want, peers: [peer(2, '192.168.33.13'), peer(3)] })).toMatchInlineSnapshot(`
      "fdb replace 02:42:ac:15:00:02 dev vxlan1 dst 192.168.33.13
      fdb del     02:42:ac:15:00:02 dev vxlan1 dst 192.168.33.12
      # fdb 02:42:ac:15:00:02: 192.168.33.12 vs 192.168.33.13"
    `)
  })

  test('additions go before removals', () => {
    expect(told(right, { ...want, veths: [veth('4')], peers: [peer(3), peer(5)] })).toMatchInlineSnapshot(`
      "fdb replace 02:42:ac:15:00:05 dev vxlan1 dst 192.168.33.12
      neigh replace 172.21.0.5 lladdr 02:42:ac:15:00:05 dev vxlan1
      link add veth44444444 type veth peer vxc44444444 address 02:42:ac:15:00:63 mtu 1450
      link del veth11111111
      neigh del     172.21.0.2 dev vxlan1
      fdb del     02:42:ac:15:00:02 dev vxlan1 dst 192.168.33.12
      # fdb 02:42:ac:15:00:05: none vs 192.168.33.12
      # neighbour 172.21.0.5: none vs 02:42:ac:15:00:05
      # veth44444444 is missing
      # veth11111111 belongs to no endpoint
      # neighbour 172.21.0.2 belongs to no endpoint
      # fdb 02:42:ac:15:00:02: 192.168.33.12 vs none"
    `)
  })

  test('a device that differs is recreated with its entries, and the reason says how', () => {
    const have = { ...right, vxlan: { ...want.vxlan, vni: 41, master: true, up: true } }
    expect(told(have, { ...want, peers: [peer(2)] })).toMatchInlineSnapshot(`
      "link del vxlan1
      link add vxlan1 type vxlan id 256 local 192.168.33.11 dstport 4789 mtu 1450
      fdb replace 02:42:ac:15:00:02 dev vxlan1 dst 192.168.33.12
      neigh replace 172.21.0.2 lladdr 02:42:ac:15:00:02 dev vxlan1
      # vxlan1: vni: 41 vs 256
      # fdb 02:42:ac:15:00:02: none vs 192.168.33.12
      # neighbour 172.21.0.2: none vs 02:42:ac:15:00:02"
    `)
  })

  test('a device whose VTEP or MTU differs is changed, and its entries are made anew', () => {
    const have = {
      ...right,
      vxlan: { ...want.vxlan, local: '192.168.33.99', mtuBytes: 1300, master: true, up: true },
    }
    expect(told(have, want)).toMatchInlineSnapshot(`
      "link set vxlan1 type vxlan local 192.168.33.11 mtu 1450
      fdb del     02:42:ac:15:00:02 dev vxlan1 dst 192.168.33.12
      fdb replace 02:42:ac:15:00:02 dev vxlan1 dst 192.168.33.12
      fdb del     02:42:ac:15:00:03 dev vxlan1 dst 192.168.33.12
      fdb replace 02:42:ac:15:00:03 dev vxlan1 dst 192.168.33.12
      # vxlan1: local: 192.168.33.99 vs 192.168.33.11"
    `)
  })

  test('a VTEP of the other family cannot be set: the device is recreated', () => {
    const have = { ...right, vxlan: { ...want.vxlan, local: 'fd00:33::11', master: true, up: true } }
    expect(show(plan(have, want).ops)).toContain('link del vxlan1')
  })

  test('a child that is not wanted any more is removed where Docker has put it back', () => {
    const macvlan: Datapath = { ...want, kind: 'macvlan', veths: [{ ...veth('1'), port: 'vxc11111111' }] }
    const have = made(macvlan)
    expect(plan(have, macvlan).ops).toEqual([])
    expect(told(have, { ...macvlan, veths: [] })).toMatchInlineSnapshot(`
      "link del vxc11111111 here
      # vxc11111111 belongs to no endpoint"
    `)
  })

  test('a MAC that has moved to another host does not lead to its old port, whose link goes later', () => {
    const moved = {
      ...right,
      ports: [...right.ports, { name: 'veth99999999', up: true, macs: [peer(9).mac] }],
    }
    const { ops } = plan(moved, { ...want, peers: [...want.peers, peer(9)] })
    expect(ops.map(showOp)).toEqual([
      `fdb del     ${peer(9).mac} dev veth99999999 master`,
      `fdb replace ${peer(9).mac} dev vxlan1 dst 192.168.33.12`,
      `neigh replace 172.21.0.9 lladdr ${peer(9).mac} dev vxlan1`,
      'link del veth99999999',
    ])
  })

  test('the MAC of another host does not lead to a port that a person gave it', () => {
    const placed = {
      ...right,
      ports: [{ name: 'veth11111111', up: true, macs: [veth('1').mac, peer(2).mac] }],
      strays: [
        { port: 'vxlan1', mac: peer(2).mac },
        { port: 'veth11111111', mac: '02:00:00:00:00:01' },
      ],
    }
    expect(plan(placed, want).ops.map(showOp)).toEqual([
      `fdb del     ${peer(2).mac} dev veth11111111 master`,
      `fdb del     ${peer(2).mac} dev vxlan1 master`,
    ])
  })

  test.each([
    [
      'a device that is down is set up again',
      { vxlan: { ...want.vxlan, master: true, up: false } },
      'vxlan1 is down',
    ],
    [
      'a device off the bridge is put back',
      { vxlan: { ...want.vxlan, master: false, up: true } },
      'vxlan1 is not a port of br0',
    ],
    ['a bridge that is down is set up again', { bridge: false }, 'br0 is missing or down'],
    ['a bridge that snoops is told not to', { snoops: true }, 'br0: mcast_snooping on'],
    ['a mark that was lost is set again', { marked: false }, 'the namespace does not carry the mark'],
    [
      'a port that is down is set up again',
      { ports: [{ name: 'veth11111111', up: false }] },
      'veth11111111 is down or not a port of br0',
    ],
    [
      'a port whose MAC br0 has at another port gets it again',
      { ports: [{ name: 'veth11111111', up: true, macs: ['02:42:00:00:00:01'] }] },
      'veth11111111 is not the port where br0 has its MAC',
    ],
  ])('%s, without recreating anything', (_, change, reason) => {
    const { ops, reasons } = plan({ ...right, ...change }, want)
    expect(reasons).toEqual([reason])
    expect(ops).toHaveLength(1)
    expect(ops[0]?.op).toMatch(/-add$/)
  })

  test('of a port with changed flags, these flags are set and named, and it stays in br0', () => {
    const have: Observed = {
      ...right,
      vxlan: { ...want.vxlan, master: true, up: true, altered: [isolated] },
      ports: right.ports.map((port) => ({ ...port, altered: [flood, isolated] })),
    }
    expect(told(have, want)).toMatchInlineSnapshot(`
      "link set vxlan1 type bridge_slave isolated off
      link set veth11111111 type bridge_slave flood off isolated off
      # vxlan1: isolated on
      # veth11111111: flood on
      # veth11111111: isolated on"
    `)
  })

  test.each<[string, { [K in keyof Observed]?: Observed[K] | undefined }]>([
    ['the mark', { marked: false }],
    ['br0', { bridge: false }],
    ['snooping', { snoops: true }],
    ['no vxlan1', { vxlan: undefined, fdb: [], neighbours: [] }],
    ['another VNI', { vxlan: { ...want.vxlan, vni: 41, master: true, up: true } }],
    ['another MTU', { vxlan: { ...want.vxlan, mtuBytes: 1300, master: true, up: true } }],
    ['vxlan1 off br0', { vxlan: { ...want.vxlan, master: false, up: true } }],
    ['a flag of vxlan1', { vxlan: { ...want.vxlan, master: true, up: true, altered: [isolated] } }],
    ['a flag of vxlan1, down', { vxlan: { ...want.vxlan, master: true, up: false, altered: [isolated] } }],
    ['a flag of a port', { ports: right.ports.map((port) => ({ ...port, altered: [flood, isolated] })) }],
    ['a flag of a port, down', { ports: [{ name: 'veth11111111', up: false, altered: [flood] }] }],
    ['no port', { ports: [] }],
    ['a port of no endpoint', { ports: [...right.ports, { name: 'veth99999999', up: true }] }],
    ['another MAC at a port', { ports: [{ name: 'veth11111111', up: true, macs: [peer(9).mac] }] }],
    ['a remote MAC at a port', { strays: [{ port: 'veth11111111', mac: peer(2).mac }] }],
    ['a remote MAC at vxlan1', { strays: [{ port: 'vxlan1', mac: peer(2).mac }] }],
    ['two remote MACs', { strays: [2, 3].map((n) => ({ port: 'veth11111111', mac: peer(n).mac })) }],
    ['no entries', { fdb: [], neighbours: [] }],
    ['entries of no endpoint', made({ ...want, peers: [...want.peers, peer(9)] })],
    ['another host', made({ ...want, peers: [peer(2, '192.168.33.19'), peer(3)] })],
  ])('damage that one plan mends, as the driver remembers it: %s', (_, damage) => {
    const have = { ...right, ...damage } as Observed
    const { ops } = plan(have, want)
    expect(ops).not.toEqual([])
    const there = observedAt(advance(contentsOf(have), ops) as Contents)
    expect(plan(there, want)).toEqual({ ops: [], reasons: [] })
  })

  test('an entry that is remembered goes with its port, and no other', () => {
    const strays = ['veth11111111', 'veth99999999', 'vxlan1'].map((port, n) => ({
      port,
      mac: peer(n + 7).mac,
    }))
    const ports = [...right.ports, { name: 'veth99999999', up: true }]
    const left = (op: Op) =>
      advance(contentsOf({ ...right, ports, strays }), [op])?.strays.map(({ port }) => port)
    const { namespace } = want
    expect(left({ op: 'vxlan-del', namespace })).toEqual(['veth11111111', 'veth99999999'])
    expect(left({ op: 'veth-del', namespace, port: 'veth99999999' })).toEqual(['veth11111111', 'vxlan1'])
    const own = { ...veth('1'), mac: peer(9).mac }
    expect(
      left({ op: 'veth-add', namespace, veth: own, mtuBytes: 1450 }),
      'br0 has one entry of a MAC',
    ).toEqual(['veth11111111', 'veth99999999'])
  })

  test('an entry that is not permanent, or has another value, is replaced', () => {
    const have: Observed = {
      ...right,
      fdb: right.fdb.map((it) => ({ ...it, permanent: false })),
      neighbours: right.neighbours.map((it) => ({ ...it, mac: '02:00:00:00:00:01' })),
    }
    expect(told(have, { ...want, peers: [peer(2)] })).toMatchInlineSnapshot(`
      "fdb replace 02:42:ac:15:00:02 dev vxlan1 dst 192.168.33.12
      neigh replace 172.21.0.2 lladdr 02:42:ac:15:00:02 dev vxlan1
      neigh del     172.21.0.3 dev vxlan1
      # fdb 02:42:ac:15:00:02: 192.168.33.12 (not permanent) vs 192.168.33.12
      # neighbour 172.21.0.2: 02:00:00:00:00:01 vs 02:42:ac:15:00:02
      # neighbour 172.21.0.3 belongs to no endpoint"
    `)
  })

  test('default, group and learnt entries are not ours', () => {
    const have: Observed = {
      ...right,
      fdb: [
        ...right.fdb,
        { mac: '00:00:00:00:00:00', vtep: '192.168.33.14', permanent: true },
        { mac: '33:33:00:00:00:01', vtep: '192.168.33.14', permanent: true },
        { mac: '02:42:00:00:00:99', vtep: '192.168.33.14', permanent: false },
      ],
      neighbours: [
        ...right.neighbours,
        { ip: 'ff02::1', mac: '33:33:00:00:00:01', permanent: true },
        { ip: '224.0.0.1', mac: '01:00:5e:00:00:01', permanent: true },
        { ip: '172.21.0.99', mac: '', permanent: false },
      ],
    }
    expect(plan(have, want).ops).toEqual([])
  })

  test('a second destination of a MAC is removed', () => {
    const have = {
      ...right,
      fdb: [...right.fdb, { mac: peer(2).mac, vtep: '192.168.33.19', permanent: true }],
    }
    expect(told(have, want)).toMatchInlineSnapshot(`
      "fdb del     02:42:ac:15:00:02 dev vxlan1 dst 192.168.33.19
      # fdb 02:42:ac:15:00:02: 192.168.33.12, 192.168.33.19 vs 192.168.33.12"
    `)
  })

  test('while the store may be old, nothing is removed and no device replaced', () => {
    const have = { ...right, vxlan: { ...want.vxlan, vni: 41, master: true, up: true } }
    expect(
      show(plan(have, { ...want, veths: [], peers: [peer(9)] }, { remove: false }).ops),
    ).toMatchInlineSnapshot(`
      "fdb replace 02:42:ac:15:00:09 dev vxlan1 dst 192.168.33.12
      neigh replace 172.21.0.9 lladdr 02:42:ac:15:00:09 dev vxlan1"
    `)
  })

  test('an MTU falls at the senders first, and rises at the device first', () => {
    const wide = datapath({ veths: [veth('1'), veth('2')] })
    const narrow = { ...wide, vxlan: { ...wide.vxlan, mtuBytes: 1350 } }
    expect(show(plan(made(wide), narrow).ops)).toMatchInlineSnapshot(`
      "link set veth11111111 veth22222222 and their peers mtu 1350
      link set vxlan1 type vxlan local 192.168.33.11 mtu 1350"
    `)
    expect(show(plan(made(narrow), wide).ops)).toMatchInlineSnapshot(`
      "link set vxlan1 type vxlan local 192.168.33.11 mtu 1450
      link set veth11111111 veth22222222 and their peers mtu 1450"
    `)
    expect(plan(made(narrow), wide, { remove: false }).ops, 'the device is not changed yet').toEqual([])
  })

  test('a container that was started with another MTU gets the present one', () => {
    const want = datapath({ veths: [veth('1'), veth('2')] })
    const have = made(want)
    const odd = { ...have, ports: have.ports.map((it, i) => ({ ...it, mtuBytes: i === 0 ? 1400 : 1450 })) }
    expect(plan(odd, want)).toEqual({
      ops: [{ op: 'veth-mtu', namespace: want.namespace, veths: [veth('1')], mtuBytes: 1450 }],
      reasons: ['veth11111111: mtu 1400 vs 1450'],
    })
  })

  test('from anything to anything: one plan is enough, and a second one is empty', () => {
    fc.assert(
      fc.property(fc.constantFrom(...datapathKinds).chain(twoOf), ([before, after]) => {
        const have = made(before)
        const there = observedAt(advance(contentsOf(have), plan(have, after).ops) as Contents)
        expect(plan(there, after).ops).toEqual([])
        expect(there).toMatchObject({ marked: true, bridge: after.kind === 'bridge', vxlan: after.vxlan })
      }),
    )
  })
})

const peers = fc.uniqueArray(fc.tuple(fc.integer({ min: 2, max: 9 }), fc.integer({ min: 12, max: 14 })), {
  selector: ([n]) => n,
})
const twoOf = (kind: DatapathKind) => fc.tuple(datapaths(kind), datapaths(kind))
const datapaths = (kind: DatapathKind): fc.Arbitrary<Datapath> =>
  fc
    .record({
      // the children of a device that is recreated are gone, and not made again
      vni: kind === 'bridge' ? fc.integer({ min: 256, max: 257 }) : fc.constant(256),
      mtuBytes: fc.constantFrom(1400, 1450),
      veths: fc.uniqueArray(fc.constantFrom('1', '2', '3')),
      peers,
    })
    .map(({ vni, mtuBytes, veths, peers }) =>
      datapath({
        kind,
        vxlan: { ...want.vxlan, vni, mtuBytes },
        veths: veths.map(veth),
        peers: peers.map(([n, host]) => peer(n, `192.168.33.${host}`)),
      }),
    )

function told(have: Observed, next: Datapath): string {
  const { ops, reasons } = plan(have, next)
  return [show(ops), ...reasons.map((reason) => `# ${reason}`)].join('\n')
}
