import { expect, test } from 'vitest'
import { foreignRoute, holders, type Interface } from '../../../../provision/backends/foreign-networks.ts'

const network = '192.168.33.0/24'

test.each(['192.168.33.0/24', '192.168.33.128/25', '192.168.32.0/20', '192.168.33.10'])(
  'a route to %s shares addresses with the lab',
  (dst) => {
    expect(
      foreignRoute(network, [{ dst: 'default' }, { dst: '10.0.0.0/8' }, { dst, dev: 'vboxnet0' }]),
    ).toEqual({
      dst,
      dev: 'vboxnet0',
    })
  },
)

test('routes elsewhere and the default route do not', () => {
  const routes = ['default', '0.0.0.0/0', '192.168.34.0/24', '172.17.0.0/16'].map((dst) => ({ dst }))
  expect(foreignRoute(network, routes)).toBeUndefined()
})

test('an interface holds the lab’s network when their subnets overlap, IPv6 aside', () => {
  const addresses = (ifname: string, ...cidrs: string[]): Interface => ({
    ifname,
    addr_info: cidrs.map((cidr) => {
      const [local = '', prefix] = cidr.split('/')
      return { family: local.includes(':') ? 'inet6' : 'inet', local, prefixlen: Number(prefix) }
    }),
  })
  expect(
    holders(network, [
      addresses('lo', '127.0.0.1/8', '::1/128'),
      addresses('wide0', '192.168.0.7/16'),
      addresses('eth0', '10.0.0.5/24', '192.168.33.200/25'),
      addresses('beside0', '192.168.34.1/24'),
    ]),
  ).toEqual([
    { name: 'wide0', address: '192.168.0.7/16' },
    { name: 'eth0', address: '192.168.33.200/25' },
  ])
})
