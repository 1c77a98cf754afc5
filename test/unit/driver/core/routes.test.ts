import { expect, test } from 'vitest'
import {
  clashingNetworks,
  clashWith,
  type HostUse,
  publishedResolvers,
  publishedRoutes,
  refusedByEngine,
} from '../../../../driver/core/routes.ts'
import { readRecord } from '../../../../driver/store/schemas.ts'
import { agreeing } from './check/check.sample.ts'

const connected = (to: string) => ({ to, connected: true })
const other = (to: string) => ({ to, connected: false })

test('a host publishes subnets, not single addresses, links’ own blocks or the halves of a VPN’s default route', () => {
  const routes = [
    connected('192.168.33.0/24'),
    connected('192.168.33.128/25'),
    connected('172.17.0.0/16'),
    other('0.0.0.0/1'),
    other('128.0.0.0/1'),
    other('8000::/1'),
    connected('fe80::/64'),
    other('10.0.0.0/8'),
    other('10.1.0.0/16'),
    other('10.244.7.9/32'),
    other('fd00:7::/48'),
    other('ff00::/8'),
  ]
  expect(publishedRoutes(routes)).toEqual({
    connected: ['172.17.0.0/16', '192.168.33.0/24'],
    other: ['10.0.0.0/8', '10.1.0.0/16', 'fd00:7::/48'],
  })
})

test('a router publishes at most a hundred of each kind, the blocks that no other one contains first', () => {
  const many = Array.from({ length: 300 }, (_, i) => other(`10.${i % 250}.${Math.floor(i / 250)}.0/24`))
  const published = publishedRoutes([...many, other('10.0.0.0/8'), other('172.16.0.0/12')]).other
  expect(published).toHaveLength(100)
  expect([published[0], published.at(-1)]).toEqual(['10.0.0.0/8', '172.16.0.0/12'])
})

test('eight times the routes cost some eight times as much, not sixty-four times', () => {
  const disjoint = (count: number) =>
    Array.from({ length: count }, (_, i) => other(`${20 + (i >> 16)}.${(i >> 8) & 255}.${i & 255}.0/24`))
  const fastest = (count: number): number => {
    const times = Array.from({ length: 7 }, () => {
      const routes = disjoint(count)
      const began = process.cpuUsage()
      publishedRoutes(routes)
      const { user, system } = process.cpuUsage(began)
      return user + system
    })
    return Math.min(...times)
  }
  expect(fastest(40_000) / fastest(5_000)).toBeLessThan(24)
})

test('a pool clashes with an interface’s subnet that overlaps it, and with another route inside of it', () => {
  const routes = { connected: ['172.18.0.0/16'], other: ['10.0.0.0/8', '10.9.3.0/24'] }
  expect(clashWith('172.18.5.0/24', { routes })).toEqual({ route: '172.18.0.0/16' })
  expect(clashWith('172.16.0.0/12', { routes })).toEqual({ route: '172.18.0.0/16' })
  expect(clashWith('10.9.0.0/16', { routes })).toEqual({ route: '10.9.3.0/24' })
  expect(clashWith('10.10.0.0/16', { routes })).toBeUndefined()
})

test('a pool clashes with a name server of the host in it, and with the host’s VTEP', () => {
  const use = { vtep: '10.128.0.2', resolvers: ['172.16.0.10', 'fd00:53::1'] }
  const server = { address: '172.16.0.10', role: 'a name server' }
  expect(clashWith('172.16.0.0/24', use)).toEqual(server)
  expect(clashWith('172.16.1.0/24', use)).toBeUndefined()
  expect(clashWith('fd00:53::/64', use)).toMatchObject({ address: 'fd00:53::1' })
  expect(clashWith('10.128.0.0/20', use)).toEqual({ address: '10.128.0.2', role: 'the VTEP' })
  const routes = { connected: ['172.16.0.0/16'], other: [] }
  expect(clashWith('172.16.0.0/24', { ...use, routes })).toEqual({ route: '172.16.0.0/16' })
})

test('a host publishes no name server that is another machine on each host or link', () => {
  const servers = ['127.0.0.53', '10.0.0.2', '::1', '169.254.169.253', 'fe80::1', 'fd00::53']
  expect(publishedResolvers(servers)).toEqual(['10.0.0.2', 'fd00::53'])
})

test('a route that stands for a default one clashes with no pool, also in the record of an older driver', () => {
  const routes = { connected: [], other: ['0.0.0.0/1', '128.0.0.0/1', '::/1'] }
  expect(clashWith('0.0.0.0/1', { routes })).toBeUndefined()
  expect(clashWith('::/0', { routes })).toBeUndefined()
})

test('an engine before 27.0 takes no pool inside a route without a gateway, and before 23.0 in none at all', () => {
  const routes = [
    connected('192.168.33.0/24'),
    { ...other('128.0.0.0/1'), onLink: true as const },
    other('10.0.0.0/8'),
  ]
  expect(refusedByEngine(routes, '29.1.0')).toEqual([])
  expect(refusedByEngine(routes, undefined)).toEqual([])
  expect(refusedByEngine(routes, '26.1.5')).toEqual(['128.0.0.0/1'])
  expect(refusedByEngine(routes, '20.10.24')).toEqual(['128.0.0.0/1', '10.0.0.0/8'])
})

test('a clash that comes later is found by network', () => {
  const clashes = (use: HostUse) =>
    clashingNetworks(agreeing(), use).map(({ network, pool, clash }) => [network.name, pool, clash])
  expect(clashes({ routes: { connected: ['172.21.0.0/16'], other: [] } })).toEqual([
    ['foobar', '172.21.0.0/16', { route: '172.21.0.0/16' }],
  ])
  expect(clashes({ resolvers: ['10.0.0.2', '172.21.9.9'] })).toEqual([
    ['foobar', '172.21.0.0/16', { address: '172.21.9.9', role: 'a name server' }],
  ])
  expect(clashes({ vtep: '192.168.33.11' })).toEqual([])
})

test('the record of an older driver has no routes and no name servers, and that of a later one keeps what it has more', () => {
  const old = { vtep: '192.168.33.11', driverVersion: '0.1.0' }
  expect(readRecord('hosts', 'net-1', JSON.stringify(old))).toEqual(old)
  const later = { ...old, routes: { connected: [], other: [], blackhole: ['10.1.0.0/16'] } }
  expect(readRecord('hosts', 'net-1', JSON.stringify(later))).toEqual(later)
})
