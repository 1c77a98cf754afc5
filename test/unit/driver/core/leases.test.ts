import fc from 'fast-check'
import { expect, test } from 'vitest'
import { isCode } from '../../../../driver/core/errors.ts'
import { contains, lastUsable } from '../../../../driver/core/ip.ts'
import { checkAddress, checkInPool, nextAddress, nextAddresses } from '../../../../driver/core/leases.ts'
import type { Pool } from '../../../../driver/core/records.ts'

const pool = (cidr: string, more: Partial<Pool> = {}): Pool => ({
  cidr,
  gateway: lastUsable(cidr),
  aux: {},
  ...more,
})

/** Every address that is handed out until the pool is full. */
function fill(of: Pool, leased = new Set<string>(), last?: string): string[] {
  const handedOut: string[] = []
  for (;;) {
    try {
      const ip = nextAddress({ pool: of, leased, last: handedOut.at(-1) ?? last })
      leased.add(ip)
      handedOut.push(ip)
    } catch (error) {
      if (isCode(error, 'exhausted')) return handedOut
      throw error
    }
  }
}

test('the first container gets .0.2, and the next ones follow', () => {
  const of = pool('172.21.0.0/16')
  expect(nextAddress({ pool: of, leased: new Set() })).toBe('172.21.0.2')
  expect(nextAddress({ pool: of, leased: new Set(['172.21.0.2']), last: '172.21.0.2' })).toBe('172.21.0.3')
})

test('a freed address is not used again at once', () => {
  const of = pool('10.0.0.0/28')
  expect(nextAddress({ pool: of, leased: new Set(['10.0.0.2']), last: '10.0.0.3' })).toBe('10.0.0.4')
  expect(nextAddress({ pool: of, leased: new Set(['10.0.0.2']), last: '10.0.0.13' })).toBe('10.0.0.3')
})

test('a /28 gives .2 to .13: not the network, .1, the gateway or the broadcast', () => {
  expect(fill(pool('10.0.0.0/28')).join(' ')).toBe(
    '10.0.0.2 10.0.0.3 10.0.0.4 10.0.0.5 10.0.0.6 10.0.0.7 10.0.0.8 10.0.0.9 10.0.0.10 10.0.0.11 10.0.0.12 10.0.0.13',
  )
})

test('a full pool says how many addresses it has, and what to do', () => {
  const leased = new Set<string>()
  fill(pool('10.0.0.0/28'), leased)
  const answer = (): string => nextAddress({ pool: pool('10.0.0.0/28'), leased })
  expect(answer).toThrow('no free address in 10.0.0.0/28: 12 of 12 are leased')
  leased.add('10.0.0.1')
  expect(answer, '.1 does not count').toThrow('12 of 12')
})

test('a pool that was filled and emptied can be filled again', () => {
  const leased = new Set<string>()
  const first = fill(pool('10.0.0.0/28'), leased)
  leased.clear()
  expect(fill(pool('10.0.0.0/28'), leased).toSorted()).toEqual(first.toSorted())
})

test('a full ip-range names the range and the pool', () => {
  const of = pool('10.0.0.0/16', { range: '10.0.9.0/30' })
  const leased = new Set<string>()
  expect(fill(of, leased)).toEqual(['10.0.9.0', '10.0.9.1', '10.0.9.2', '10.0.9.3'])
  expect(() => nextAddress({ pool: of, leased })).toThrow(
    expect.objectContaining({
      message: 'no free address in 10.0.9.0/30 (the --ip-range in 10.0.0.0/16): 4 of 4 are leased',
      hint: 'remove a container, or create the network with a larger --ip-range',
    }),
  )
})

test('a last address from outside of the range begins the range', () => {
  const of = pool('10.0.0.0/16', { range: '10.0.9.0/30' })
  expect(nextAddress({ pool: of, leased: new Set(), last: '10.0.200.1' })).toBe('10.0.9.0')
})

test('small pools have what there is', () => {
  const sizes = ['10.0.0.0/29', '10.0.0.0/30', '10.0.0.0/31', '10.0.0.0/32', 'fd00::/126', 'fd00::/127']
  expect(sizes.map((cidr) => `${cidr}: ${fill(pool(cidr)).join(' ')}`).join('\n')).toMatchInlineSnapshot(`
    "10.0.0.0/29: 10.0.0.2 10.0.0.3 10.0.0.4 10.0.0.5
    10.0.0.0/30: 10.0.0.1
    10.0.0.0/31: 10.0.0.0
    10.0.0.0/32: 
    fd00::/126: fd00::1 fd00::2
    fd00::/127: fd00::"
  `)
})

test('a /64 and a /8 cost no more than what is taken', () => {
  const wide = pool('fd00::/64')
  const leased = new Set<string>()
  for (let i = 0, last: string | undefined; i < 2000; i++) {
    last = nextAddress({ pool: wide, leased, last })
    leased.add(last)
  }
  expect(leased.has('fd00::2') && leased.has('fd00::7d1')).toBe(true)
  expect(nextAddress({ pool: wide, leased })).toBe('fd00::7d2')
  expect(nextAddress({ pool: pool('10.0.0.0/8'), leased: new Set(), last: '10.255.255.253' })).toBe(
    '10.0.0.2',
  )
})

const question = fc
  .record({
    length: fc.integer({ min: 24, max: 31 }),
    rangeLength: fc.option(fc.integer({ min: 25, max: 32 })),
    rangeAt: fc.nat(255),
    auxAt: fc.array(fc.nat(255), { maxLength: 4 }),
    gatewayAt: fc.option(fc.nat(255)),
  })
  .map(({ length, rangeLength, rangeAt, auxAt, gatewayAt }): Pool => {
    const cidr = `10.0.0.0/${length}`
    const inside = (n: number): string => `10.0.0.${n % 2 ** (32 - length)}`
    return pool(cidr, {
      ...(rangeLength !== null && rangeLength >= length
        ? { range: `${inside(rangeAt)}/${rangeLength}` }
        : {}),
      ...(gatewayAt === null ? {} : { gateway: inside(gatewayAt) }),
      aux: Object.fromEntries(auxAt.map((n) => [`aux${n}`, inside(n)])),
    })
  })

test('never twice, always in range, never a kept one, and exactly all that are usable', () => {
  fc.assert(
    fc.property(question, (of) => {
      const all = fill(of)
      const length = Number(of.cidr.split('/')[1])
      const size = 2 ** (32 - length)
      const usable = Array.from({ length: size }, (_, n) => `10.0.0.${n}`).filter(
        (ip, n) =>
          contains(of.range ?? of.cidr, ip) &&
          ip !== of.gateway &&
          !Object.values(of.aux).includes(ip) &&
          (size === 2 || (n !== 0 && n !== size - 1)) &&
          !(size >= 8 && n === 1),
      )
      expect(new Set(all).size).toBe(all.length)
      expect(new Set(all)).toEqual(new Set(usable))
    }),
  )
})

test('several at once are those that would come one by one, from any address on', () => {
  fc.assert(
    fc.property(question, fc.nat(20), fc.nat(255), fc.uniqueArray(fc.nat(255)), (of, count, at, taken) => {
      const leased = new Set(taken.map((n) => `10.0.0.${n}`))
      const last = `10.0.0.${at}`
      const several = nextAddresses({ pool: of, leased, last }, count)
      const rest = fill(of, leased, last)
      expect(several).toEqual(rest.slice(0, count))
    }),
  )
})

test('in any order of leasing and freeing no lease gives an address that is in use', () => {
  const steps = fc.array(fc.oneof(fc.constant('lease' as const), fc.nat(20)), { maxLength: 100 })
  fc.assert(
    fc.property(steps, (script) => {
      const of = pool('10.0.0.0/27')
      const leased = new Set<string>()
      let last: string | undefined
      for (const step of script) {
        if (step !== 'lease') leased.delete([...leased][step] ?? '')
        else if (leased.size < 28) {
          last = nextAddress({ pool: of, leased, last })
          expect(leased.has(last)).toBe(false)
          leased.add(last)
        }
      }
    }),
  )
})

test('what is reserved besides is not handed out', () => {
  expect(
    nextAddress({ pool: pool('10.0.0.0/28'), leased: new Set(), reserved: ['10.0.0.2', 'fd00::2'] }),
  ).toBe('10.0.0.3')
})

test('an address that was asked for is given, .0.1 and those outside of the range too', () => {
  const of = pool('10.0.0.0/16', { range: '10.0.9.0/24' })
  expect(checkAddress('10.0.0.1', { pool: of, leased: new Set() })).toBe('10.0.0.1')
  expect(checkAddress('FD00:0::5', { pool: pool('fd00::/64'), leased: new Set() })).toBe('fd00::5')
})

test.each([
  ['10.0.1.2', 'invalid', '10.0.1.2 is not in the subnet 10.0.0.0/24'],
  ['fd00::2', 'invalid', 'fd00::2 is not in the subnet 10.0.0.0/24'],
  ['10.0.0.0', 'invalid', '10.0.0.0 is the network address of 10.0.0.0/24'],
  ['10.0.0.255', 'invalid', '10.0.0.255 is the broadcast address of 10.0.0.0/24'],
  ['10.0.0.254', 'taken', 'the address 10.0.0.254 is the gateway of 10.0.0.0/24'],
  ['10.0.0.9', 'taken', 'the address 10.0.0.9 is reserved as --aux-address router'],
  ['10.0.0.5', 'taken', 'the address 10.0.0.5 is already leased'],
  ['ten', 'invalid', "'ten' is not an IP address"],
])('asking for %s is refused as %s: %s', (asked, code, message) => {
  const of = pool('10.0.0.0/24', { aux: { router: '10.0.0.9' } })
  const ask = (): string => checkAddress(asked, { pool: of, leased: new Set(['10.0.0.5']) })
  expect(ask).toThrow(expect.objectContaining({ code, message }))
})

test('a gateway is checked like any address of the pool', () => {
  expect(checkInPool('10.0.0.1', '10.0.0.0/24')).toBe('10.0.0.1')
})
