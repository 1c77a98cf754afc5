import fc from 'fast-check'
import { expect, test } from 'vitest'
import { formatIp, overlaps, parseIp } from '../../../../driver/core/ip.ts'
import {
  checkPool,
  checkRange,
  checkSource,
  choosePool,
  type PoolQuestion,
} from '../../../../driver/core/pools.ts'

/** moby's daemon/libnetwork/ipamutils, and Swarm's default address pool. */
const othersPools = [
  ...Array.from({ length: 15 }, (_, i) => `172.${17 + i}.0.0/16`),
  '192.168.0.0/16',
  '10.0.0.0/8',
]

test('hundreds of networks get pools, away from those of the engine and of Swarm', () => {
  const claimed: string[] = []
  for (let i = 0; i < 768; i++) claimed.push(choosePool({ claimed }))
  expect(claimed[0]).toBe('172.16.0.0/24')
  expect(claimed[256]).toBe('198.18.0.0/24')
  expect(claimed.filter((pool) => othersPools.some((other) => overlaps(pool, other)))).toEqual([])
  expect(() => choosePool({ claimed })).toThrow('no free pool: each of the 768 pools in')
})

test('a pool that overlaps a claim, a route or a refused one is passed over', () => {
  expect(
    choosePool({
      sources: ['172.16.0.0/12:16'],
      claimed: ['172.16.5.0/24', 'fd00::/64'],
      routed: { connected: ['172.18.0.0/15'], other: ['172.17.0.0/16'] },
      refused: ['172.20.0.0/16'],
    }),
  ).toBe('172.21.0.0/16')
})

test('a route that is wider than the pool is avoided, and hinders none where each pool is inside of one', () => {
  const sources = ['172.16.0.0/16:24', '198.18.0.0/15:24']
  const choose = (other: string[], more: Partial<PoolQuestion> = {}) =>
    choosePool({ sources, claimed: [], routed: { connected: [], other }, ...more })
  expect(choose(['172.16.0.0/12'])).toBe('198.18.0.0/24')
  expect(choose(['172.16.0.0/12', '0.0.0.0/1', '128.0.0.0/1'])).toBe('198.18.0.0/24')
  expect(choose(['172.16.0.0/12', '198.0.0.0/8'])).toBe('172.16.0.0/24')
  expect(choose(['172.16.0.0/12', '172.16.0.0/24', '172.16.1.64/26', '198.0.0.0/8'])).toBe('172.16.2.0/24')
  const connected = ['172.16.0.0/12']
  expect(choose([], { routed: { connected, other: ['198.0.0.0/8'] } })).toBe('198.18.0.0/24')
  expect(() => choose([], { routed: { connected: ['128.0.0.0/1'], other: [] } })).toThrow('no free pool')
})

test('a pool with a single address of a host in it is passed over', () => {
  const routed = { connected: [], other: ['172.16.0.10/32', 'fd00::53/128'] }
  expect(choosePool({ claimed: [], routed })).toBe('172.16.1.0/24')
  const sources = ['172.16.0.0/24']
  expect(() => choosePool({ sources, claimed: [], routed })).toThrow(
    '(0 of networks, 1 routed or needed by hosts, 0 refused by Docker)',
  )
})

test('a pool of an engine’s bridges is spared while another one is free', () => {
  const sources = ['172.16.0.0/16:24', '198.18.0.0/15:24']
  const choose = (ofEngines: string[], claimed: string[] = []) => choosePool({ sources, claimed, ofEngines })
  expect(choose(['172.16.0.0/12'])).toBe('198.18.0.0/24')
  expect(choose(['172.16.0.0/24'])).toBe('172.16.1.0/24')
  expect(choose(['172.16.0.0/12'], ['198.18.0.0/15'])).toBe('172.16.0.0/24')
  expect(choose(['172.16.0.0/12', '198.18.0.0/15'])).toBe('172.16.0.0/24')
})

test('a pool that rests is chosen before one inside of a wide route', () => {
  const routed = { connected: [], other: ['172.16.0.0/12'] }
  const question = { sources: ['172.21.0.0/16', '198.18.0.0/16'], claimed: [], routed }
  expect(choosePool({ ...question, avoided: ['198.18.0.0/16'] })).toBe('198.18.0.0/16')
  expect(choosePool({ ...question, refused: ['198.18.0.0/16'] })).toBe('172.21.0.0/16')
})

test('a pool that was refused is not offered again, so that dockerd stops asking', () => {
  const sources = ['172.21.0.0/16', '172.22.0.0/15:16']
  const refused: string[] = []
  for (const pool of ['172.21.0.0/16', '172.22.0.0/16', '172.23.0.0/16']) {
    expect(choosePool({ sources, claimed: [], refused })).toBe(pool)
    refused.push(pool)
  }
  expect(() => choosePool({ sources, claimed: [], refused })).toThrow(
    'no free pool: each of the 3 pools in 172.21.0.0/16, 172.22.0.0/15:16 overlaps a block in use ' +
      '(0 of networks, 0 routed or needed by hosts, 3 refused by Docker)',
  )
})

test('the error counts the blocks in use', () => {
  const sources = ['172.21.0.0/16']
  const routed = { connected: [], other: ['172.21.4.0/24', '128.0.0.0/1'] }
  expect(() => choosePool({ sources, claimed: ['172.21.0.0/16'], routed })).toThrow(
    'each of the 1 pools in 172.21.0.0/16 overlaps a block in use ' +
      '(1 of networks, 1 routed or needed by hosts, 0 refused by Docker)',
  )
})

test('an entry may stand for all blocks of one length in a larger block', () => {
  const sources = ['10.0.0.0/30', '10.128.0.0/9:24']
  expect(choosePool({ sources, claimed: [] })).toBe('10.0.0.0/30')
  expect(choosePool({ sources, claimed: ['10.0.0.0/30', '10.128.0.0/16'] })).toBe('10.129.0.0/24')
  expect(() => choosePool({ sources, claimed: ['10.0.0.0/8'] })).toThrow(
    'each of the 32769 pools in 10.0.0.0/30, 10.128.0.0/9:24',
  )
})

test('one large claim in a huge list costs one step', () => {
  const claimed = ['fd00::/9']
  expect(choosePool({ sources: ['fd00::/8:64'], claimed })).toBe('fd80::/64')
})

test('no list of claims leads to an overlapping pool', () => {
  const claim = fc
    .tuple(fc.integer({ min: 16, max: 30 }), fc.nat(255), fc.integer({ min: 16, max: 30 }))
    .map(([a, b, length]) => `172.${a}.${b}.0/${length}`)
  fc.assert(
    fc.property(fc.array(claim, { maxLength: 20 }), (claimed) => {
      const pool = choosePool({ sources: ['172.16.0.0/12:20'], claimed })
      expect(claimed.filter((other) => overlaps(pool, other))).toEqual([])
      const first = parseIp('172.16.0.0').value
      const before = Number(parseIp(pool.split('/')[0] ?? '').value - first) / 4096
      for (let n = 0; n < before; n++) {
        const earlier = `${formatIp({ family: 4, value: first + BigInt(n * 4096) })}/20`
        expect(claimed.some((other) => overlaps(earlier, other))).toBe(true)
      }
    }),
  )
})

test.each(['', '10.0.0.0', '10.0.0.0/8:7', '10.0.0.0/8:31', '10.0.0.0/8:x', 'x/8'])(
  '%j is not a pool',
  (text) => {
    expect(() => checkSource(text)).toThrow(`'${text}' is not a pool`)
  },
)

test('a valid pool is returned', () => {
  expect(checkSource('10.0.0.0/8:24')).toBe('10.0.0.0/8:24')
})

test('a subnet that was asked for is normalised, as Docker does', () => {
  expect(checkPool('10.1.2.3/16')).toBe('10.1.0.0/16')
})

test('a subnet of one address has no room for a container', () => {
  expect(() => checkPool('10.1.0.0/32')).toThrow('10.1.0.0/32 has room for the gateway only')
  expect(checkPool('10.1.0.0/31')).toBe('10.1.0.0/31')
})

test.each([
  ['224.0.0.0/24', '224.0.0.0/4, which is for multicast'],
  ['127.5.0.0/16', '127.0.0.0/8, which is for loopback'],
  ['0.0.0.0/0', '0.0.0.0/8, which is for "this network"'],
  ['169.254.255.0/24', '169.254.0.0/16, which is for link-local addresses'],
  ['255.255.255.0/24', '255.255.255.255/32, which is for broadcast'],
  ['::/64', '::/96, which is for loopback and IPv4-compatible addresses'],
  ['::a00:0/104', '::/96, which is for loopback and IPv4-compatible addresses'],
  ['fe80:1::/64', 'fe80::/10, which is for link-local addresses'],
  ['ff02::/64', 'ff00::/8, which is for multicast'],
  ['::ffff:10.0.0.0/104', '::ffff:0:0/96, which is for IPv4-mapped addresses'],
])('the subnet %s is refused, and so is it as an address pool: it overlaps %s', (cidr, clash) => {
  expect(() => checkPool(cidr)).toThrow(`the subnet ${cidr} overlaps ${clash}`)
  expect(() => checkSource(cidr)).toThrow(`the address pool ${cidr} overlaps ${clash}`)
})

test('private, shared, documentation and reserved addresses may be given', () => {
  for (const cidr of ['10.0.0.0/8', '100.64.0.0/10', '240.0.0.0/24', '2001:db8::/127', 'fd00::/8'])
    expect(checkPool(cidr)).toBe(cidr)
})

test('an ip-range lies inside of its subnet', () => {
  expect(checkRange('10.1.5.9/24', '10.1.0.0/16')).toBe('10.1.5.0/24')
  expect(() => checkRange('10.2.0.0/24', '10.1.0.0/16')).toThrow(
    '--ip-range 10.2.0.0/24 is not inside the subnet 10.1.0.0/16',
  )
  expect(() => checkRange('fd00::/64', '10.1.0.0/16')).toThrow('not inside')
})
