import { expect, test } from 'vitest'
import { observed, routesIn, underlayIn } from '../../../../driver/kernel/parse.ts'

const addresses = JSON.stringify([
  { ifname: 'lo', mtu: 65536, addr_info: [{ local: '127.0.0.1', prefixlen: 8, scope: 'host' }] },
  { ifname: 'eth0', mtu: 1500, addr_info: [{ local: '10.0.2.15', prefixlen: 24, scope: 'global' }] },
  {
    ifname: 'eth1',
    mtu: 9000,
    addr_info: [
      { local: '192.168.33.11', prefixlen: 24, scope: 'global' },
      { local: 'fd00:33::11', prefixlen: 64, scope: 'global' },
      { local: 'fe80::1', prefixlen: 64, scope: 'link' },
    ],
  },
])

test.each([
  ['eth1', '192.168.33.11'],
  ['192.168.33.0/24', '192.168.33.11'],
  ['192.168.33.11', '192.168.33.11'],
  ['fd00:33::/64', 'fd00:33::11'],
])('%s is found by name, address or CIDR', (bind, address) => {
  expect(underlayIn(addresses, bind)).toEqual({ device: 'eth1', address, mtuBytes: 9000 })
})

test.each(['eth7', '10.9.0.0/16', 'fe80::1', '192.168.33.0/99', ''])(
  '%j is refused with what there is',
  (bind) => {
    expect(() => underlayIn(addresses, bind)).toThrow(
      expect.objectContaining({
        code: 'invalid',
        hint: '--bind-interface takes an interface, an address or a CIDR; this host has eth0 10.0.2.15/24, eth1 192.168.33.11/24, eth1 fd00:33::11/64',
      }),
    )
  },
)

test('of several addresses of an interface the one in use stays, and at first one that is there to stay', () => {
  const vip = { local: '192.168.33.100', prefixlen: 32, scope: 'global' }
  const alias = { local: '10.99.0.1', prefixlen: 24, scope: 'global' }
  const main = { local: '192.168.33.11', prefixlen: 24, scope: 'global', noprefixroute: true }
  const fading = { local: 'fd00::7', prefixlen: 64, scope: 'global', temporary: true, deprecated: true }
  const six = { local: 'fd00::11', prefixlen: 64, scope: 'global' }
  const on = (...infos: object[]) => JSON.stringify([{ ifname: 'eth1', mtu: 1500, addr_info: infos }])
  const addressOf = (text: string, inUse?: string) => underlayIn(text, 'eth1', inUse).address
  expect(addressOf(on(vip, main))).toBe(main.local)
  expect(addressOf(on(alias, main), main.local)).toBe(main.local)
  expect(addressOf(on(alias, vip), main.local), 'the one in use has gone').toBe(alias.local)
  expect(addressOf(on(vip))).toBe(vip.local)
  expect(addressOf(on(vip, six)), 'the family stays').toBe(vip.local)
  expect(addressOf(on(fading, six))).toBe(six.local)
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
