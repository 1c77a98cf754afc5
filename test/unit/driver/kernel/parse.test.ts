import { expect, test } from 'vitest'
import { flagText } from '../../../../driver/core/datapath/plan.ts'
import { addressesIn, isOurNamespace, observed, routesIn, vxlansIn } from '../../../../driver/kernel/parse.ts'

test('global addresses, and which of them are leased or pass', () => {
  const six = { prefixlen: 64, scope: 'global' }
  const output = [
    { ifname: 'lo', mtu: 65536, addr_info: [{ local: '127.0.0.1', prefixlen: 8, scope: 'host' }] },
    {
      ifname: 'eth1',
      mtu: 9000,
      addr_info: [
        { local: '192.168.33.11', prefixlen: 24, scope: 'global', dynamic: true, noprefixroute: true },
        { local: 'fd00:33::11', ...six },
        { local: 'fd00:33::7', ...six, dynamic: true, temporary: true, deprecated: true },
        { local: 'fe80::1', prefixlen: 64, scope: 'link' },
      ],
    },
  ]
  const shown = addressesIn(JSON.stringify(output)).map(
    (it) =>
      `${it.device} ${it.mtuBytes} ${it.address}/${it.length}${it.isLeased ? ' leased' : ''}${it.isPassing ? ' passing' : ''}`,
  )
  expect(shown).toEqual([
    'eth1 9000 192.168.33.11/24 leased',
    'eth1 9000 fd00:33::11/64',
    'eth1 9000 fd00:33::7/64 leased passing',
  ])
})

test('routes leave the default out and write single addresses with their length', () => {
  const routes = [
    { dst: 'default' },
    { dst: '10.0.0.0/8', protocol: 'kernel', scope: 'link' },
    { dst: '172.16.0.0/12', protocol: 'boot', scope: 'link' },
    { dst: '10.1.2.3' },
    { dst: 'fd00::1' },
  ]
  expect(routesIn(JSON.stringify(routes))).toEqual([
    { to: '10.0.0.0/8', connected: true },
    { to: '172.16.0.0/12', connected: false, onLink: true },
    { to: '10.1.2.3/32', connected: false },
    { to: 'fd00::1/128', connected: false },
  ])
  expect(routesIn('')).toEqual([])
})

test('VXLAN devices are those with a VNI, also beside the empty objects of an earlier iproute2', () => {
  const device = (info_data: object) => ({ ifname: 'x', linkinfo: { info_kind: 'vxlan', info_data } })
  const links = [
    {},
    device({ id: 256, port: 8472, local: '192.168.33.11' }),
    { ifname: 'bond0', linkinfo: { info_kind: 'bond', info_data: { id: 3 } } },
    device({ external: true, id: 0, port: 4789 }),
  ]
  expect(vxlansIn(JSON.stringify(links))).toEqual([{ vni: 256, port: 8472 }])
  expect(vxlansIn('')).toEqual([])
})

test('of the flags of a port, those are compared that decide which frames pass', () => {
  const usual = {
    state: 'forwarding',
    learning: false,
    mcast_flood: true,
    bcast_flood: true,
    isolated: false,
  }
  const told = (change: { bridge?: object; port?: object; flags?: object; vxlan?: object }) => {
    const of = (info_slave_data: object) => ({ linkinfo: { info_slave_data } })
    const port = { flags: ['UP'], operstate: 'UP', master: 'br0', ...change.port }
    const { vxlan, ports } = observed(
      JSON.stringify([
        { ifname: 'br0', flags: ['UP'], linkinfo: { info_data: { mcast_snooping: 0, ...change.bridge } } },
        { ifname: 'vxlan1', ...port, ...of({ ...usual, flood: true, ...change.vxlan }) },
        { ifname: 'veth11111111', ...port, ...of({ ...usual, flood: false, ...change.flags }) },
      ]),
      '',
    )
    const altered = [vxlan?.altered, ports[0]?.altered].map((flags) => flags?.map(flagText).join(', '))
    return { up: ports[0]?.up, altered }
  }
  const none = [undefined, undefined]
  expect(told({})).toEqual({ up: true, altered: none })
  expect(told({ flags: { hairpin: true, vlan_tunnel: true, neigh_suppress: true } }).altered).toEqual(none)
  expect(told({ vxlan: { flood: false, mcast_flood: false, locked: true } }).altered).toEqual([
    'mcast_flood off, locked on, flood off',
    undefined,
  ])
  const all = { learning: true, flood: true, bcast_flood: false, isolated: true }
  expect(told({ flags: all })).toEqual({
    up: true,
    altered: [undefined, 'learning on, bcast_flood off, isolated on, flood on'],
  })
  expect(told({ flags: all, port: { master: undefined } })).toEqual({ up: false, altered: none })
  const disabled = { flags: { state: 'disabled' } }
  expect(told(disabled).altered).toEqual([undefined, 'state disabled'])
  expect(told({ ...disabled, port: { operstate: 'UNKNOWN' } }).altered).toEqual([undefined, 'state disabled'])
  expect(told({ ...disabled, port: { operstate: 'LOWERLAYERDOWN' } }).altered, 'no carrier').toEqual(none)
  expect(told({ ...disabled, port: { flags: [] } }).altered, 'a port that is down').toEqual(none)
  expect(told({ ...disabled, bridge: { stp_state: 1 } }).altered, 'spanning tree').toEqual(none)
})

test('a device of another type under our name differs from every wanted one', () => {
  const links = [{ ifname: 'vxlan1', flags: ['UP'], mtu: 1450, linkinfo: { info_kind: 'dummy' } }]
  expect(observed(JSON.stringify(links), '[]').vxlan).toMatchObject({ vni: 0, local: '' })
})

test('an entry with a port or VNI of its own does not count as ours', () => {
  const entry = { mac: '02:42:ac:15:00:02', ifname: 'vxlan1', dst: '192.168.33.12', state: 'permanent' }
  const fdb = [
    entry,
    { ...entry, port: 99 },
    { ...entry, vni: 7 },
    { mac: '33:33:00:00:00:01', ifname: 'vxlan1' },
  ]
  expect(observed('[]', JSON.stringify(fdb)).fdb.map((it) => it.permanent)).toEqual([true, false, false])
})

test('output that is not JSON is an error and not an empty namespace', () => {
  expect(() => observed('oops', '[]')).toThrow(expect.objectContaining({ code: 'kernel' }))
})

test.each([
  ['one that is new', true, []],
  ['a network’s', true, [{ ifname: 'br0' }, { ifname: 'vxlan1' }, { ifname: 'veth11111111', link_index: 7 }]],
  ['a network’s without br0 and vxlan1', true, [{ ifname: 'veth11111111', link_index: 7 }]],
  ['a network’s with br0 alone', true, [{ ifname: 'br0' }]],
  ['a container’s', false, [{ ifname: 'eth0', link_index: 7 }]],
  ['a container’s with a br0 of its own', false, [{ ifname: 'eth0', link_index: 7 }, { ifname: 'br0' }]],
  [
    'one of a container with an engine of its own',
    false,
    [{ ifname: 'eth0', link_index: 7 }, { ifname: 'docker0' }, { ifname: 'vethfb7a1c2', link_index: 9 }],
  ],
])('of marked namespaces, %s is the driver’s: %s', (_, isOurs, links) => {
  const marked = { ifname: 'lo', ifalias: 'multihost' }
  expect(isOurNamespace(JSON.stringify([marked, ...links]))).toBe(isOurs)
  expect(isOurNamespace(JSON.stringify([{ ifname: 'lo' }, ...links]))).toBe(false)
})
