import { isIPv4 } from 'node:net'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { isCode } from '../../../../driver/core/errors.ts'
import {
  canonicalCidr,
  canonicalIp,
  contains,
  formatIp,
  isCidr,
  isIp,
  macOf,
  overlaps,
  parseCidr,
  parseIp,
  usable,
  within,
} from '../../../../driver/core/ip.ts'

const v4 = fc.bigInt({ min: 0n, max: 2n ** 32n - 1n }).map((value) => ({ family: 4 as const, value }))
const v6 = fc.bigInt({ min: 0n, max: 2n ** 128n - 1n }).map((value) => ({ family: 6 as const, value }))
const address = fc.oneof(v4, v6)
const cidr = address.chain((a) =>
  fc
    .integer({ min: 0, max: a.family === 4 ? 32 : 128 })
    .map((length) => canonicalCidr(`${formatIp(a)}/${length}`)),
)

test('every address is read back from its text', () => {
  fc.assert(fc.property(address, (a) => parseIp(formatIp(a)).value === a.value))
})

test('what is an IPv4 address is what Node takes for one, and its value is that of its bytes', () => {
  const part = fc.oneof(
    fc.integer({ min: -1, max: 300 }).map(String),
    fc.constantFrom('', '00', '01', ' 1', '1e2', '0x1', '٣'),
  )
  const text = fc.array(part, { minLength: 3, maxLength: 5 }).map((parts) => parts.join('.'))
  fc.assert(
    fc.property(text, (ip) => {
      expect(isIp(ip)).toBe(isIPv4(ip))
      if (!isIPv4(ip)) return
      expect(parseIp(ip).value).toBe(BigInt(`0x${Buffer.from(ip.split('.').map(Number)).toString('hex')}`))
    }),
    { numRuns: 500 },
  )
})

test('one address has one text', () => {
  expect(['FD00:0:0::2', 'fd00::0002', '::ffff:1.2.3.4', '10.0.0.2'].map(canonicalIp)).toMatchInlineSnapshot(`
    [
      "fd00::2",
      "fd00::2",
      "::ffff:102:304",
      "10.0.0.2",
    ]
  `)
})

test.each([
  '',
  '10.0.0',
  '10.0.0.256',
  '010.0.0.1',
  '10.0.0.1/8',
  'fe80::1%eth0',
  '[::1]',
  '1::2::3',
  'host',
  '10.0.0.1\n',
])('%j is not an address, and the error says so', (text) => {
  expect(isIp(text)).toBe(false)
  expect(() => parseIp(text)).toThrow(`'${text}' is not an IP address`)
})

test.each([
  '',
  '10.0.0.0',
  '10.0.0.0/',
  '10.0.0.0/33',
  '10.0.0.0/-1',
  'fd00::/129',
  '10.0.0.0/8/8',
  '10.0.0.0/0x8',
  '/8',
])('%j is not a block, and the error says so', (text) => {
  expect(isCidr(text)).toBe(false)
  expect(() => parseCidr(text)).toThrow(`'${text}' is not an address block`)
})

test('errors are invalid requests with a hint', () => {
  const caught = (() => {
    try {
      return parseIp('x')
    } catch (error) {
      return error
    }
  })()
  expect(isCode(caught, 'invalid') && caught.line).toBe(
    "'x' is not an IP address; write an address like 10.0.0.2 or fd00::2",
  )
})

test('host bits are cleared, as Docker does', () => {
  expect(canonicalCidr('10.1.2.3/16')).toBe('10.1.0.0/16')
  expect(canonicalCidr('FD00::1:2/64')).toBe('fd00::/64')
  expect(canonicalCidr('255.255.255.255/0')).toBe('0.0.0.0/0')
  expect(isCidr('10.1.2.3/16')).toBe(true)
})

test('a block contains its own addresses and no other family', () => {
  expect(contains('10.1.0.0/16', '10.1.255.255')).toBe(true)
  expect(contains('10.1.0.0/16', '10.2.0.0')).toBe(false)
  expect(contains('0.0.0.0/0', '::1')).toBe(false)
  expect(contains('::/0', '::1')).toBe(true)
})

test('two blocks overlap exactly when one lies within the other', () => {
  fc.assert(fc.property(cidr, cidr, (a, b) => overlaps(a, b) === (within(a, b) || within(b, a))))
  fc.assert(fc.property(cidr, (a) => overlaps(a, a) && within(a, a)))
})

test('usable addresses leave out what no host can have', () => {
  const ends = (text: string): string => {
    const block = parseCidr(text)
    const { first, last } = usable(block)
    const [from, to] = [first, last].map((value) => formatIp({ family: block.family, value }))
    return `${text} ${from} … ${to}`
  }
  expect(
    ['10.0.0.0/8', '10.0.0.0/28', '10.0.0.0/30', '10.0.0.0/31', '10.0.0.7/32', 'fd00::/64', 'fd00::/127']
      .map(ends)
      .join('\n'),
  ).toMatchInlineSnapshot(`
    "10.0.0.0/8 10.0.0.1 … 10.255.255.254
    10.0.0.0/28 10.0.0.1 … 10.0.0.14
    10.0.0.0/30 10.0.0.1 … 10.0.0.2
    10.0.0.0/31 10.0.0.0 … 10.0.0.1
    10.0.0.7/32 10.0.0.7 … 10.0.0.7
    fd00::/64 fd00::1 … fd00::ffff:ffff:ffff:ffff
    fd00::/127 fd00:: … fd00::1"
  `)
})

test('a MAC is 02:42 and the four address bytes', () => {
  expect(macOf('10.9.0.2')).toBe('02:42:0a:09:00:02')
  expect(macOf('0.0.0.1')).toBe('02:42:00:00:00:01')
  expect(() => macOf('fd00::2')).toThrow('not from fd00::2')
})
