import fc from 'fast-check'
import { expect, test } from 'vitest'
import { overlaps } from '../../../../driver/core/addresses.ts'
import {
  checkPool,
  checkRange,
  checkSource,
  choosePool,
  defaultPools,
} from '../../../../driver/core/pools.ts'

test('the first pool is the one people know from 2015', () => {
  expect(choosePool({ claimed: [] })).toBe('172.21.0.0/16')
})

test('a pool that overlaps a claim, a route or a refused one is passed over', () => {
  expect(
    choosePool({
      claimed: ['172.21.5.0/24', 'fd00::/64'],
      routed: ['172.22.0.0/15'],
      refused: ['172.24.0.0/16'],
    }),
  ).toBe('172.25.0.0/16')
})

test('a pool that was refused is not offered again, so that dockerd comes to an end', () => {
  const refused: string[] = []
  for (const pool of defaultPools) {
    const offered = choosePool({ claimed: [], refused })
    expect(offered).toBe(pool)
    refused.push(offered)
  }
  expect(() => choosePool({ claimed: [], refused })).toThrow(
    "no free pool: all 11 of 172.21.0.0/16 … 172.31.0.0/16 overlap one of 0 networks' pools, " +
      '0 routes of this host or 11 pools that the engine refused',
  )
})

test('a list may name all pools of a length in a block', () => {
  const sources = ['10.0.0.0/30', '10.128.0.0/9:24']
  expect(choosePool({ sources, claimed: [] })).toBe('10.0.0.0/30')
  expect(choosePool({ sources, claimed: ['10.0.0.0/30', '10.128.0.0/16'] })).toBe('10.129.0.0/24')
  expect(() => choosePool({ sources, claimed: ['10.0.0.0/8'] })).toThrow(
    'all 32769 of 10.0.0.0/30, 10.128.0.0/9:24',
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
    }),
  )
})

test.each(['', '10.0.0.0', '10.0.0.0/8:7', '10.0.0.0/8:31', '10.0.0.0/8:x', 'x/8'])(
  '%j is no list of pools',
  (text) => {
    expect(() => checkSource(text)).toThrow(`'${text}' is not a list of pools`)
  },
)

test('a good list is given back', () => {
  expect(checkSource('10.0.0.0/8:24')).toBe('10.0.0.0/8:24')
})

test('a subnet that was asked for is normalised, as Docker does', () => {
  expect(checkPool('10.1.2.3/16', ['10.2.0.0/16'])).toBe('10.1.0.0/16')
})

test('a subnet that overlaps another network’s is taken, and both are named', () => {
  expect(() => checkPool('10.1.0.0/16', ['10.0.0.0/8'])).toThrow('the subnet 10.1.0.0/16 overlaps 10.0.0.0/8')
})

test('a subnet of one address has no room for a container', () => {
  expect(() => checkPool('10.1.0.0/32', [])).toThrow('10.1.0.0/32 has room for the gateway alone')
  expect(checkPool('10.1.0.0/31', [])).toBe('10.1.0.0/31')
})

test('an ip-range lies inside of its subnet', () => {
  expect(checkRange('10.1.5.9/24', '10.1.0.0/16')).toBe('10.1.5.0/24')
  expect(() => checkRange('10.2.0.0/24', '10.1.0.0/16')).toThrow(
    '--ip-range 10.2.0.0/24 is not inside the subnet 10.1.0.0/16',
  )
  expect(() => checkRange('fd00::/64', '10.1.0.0/16')).toThrow('not inside')
})
