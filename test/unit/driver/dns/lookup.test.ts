/** What a name or an address is answered with, by what the asker may see. */
import { describe, expect, test } from 'vitest'
import { addressOfReverse, type Found, lookup } from '../../../../driver/dns/lookup.ts'
import { zone } from './zones.ts'

const foobar = zone('foobar', '172.21.0.2 Web 172.21.0.3 db 172.21.0.2 all 172.21.0.3 all fd00:21::2 web')
const sixes = zone('sixes', 'fd00:21::9 all')
const other = zone('other', '172.22.0.2 db')

function show(found: Found): string {
  if (found.kind !== 'records') return found.kind
  return found.records.map(({ name, type, data }) => `${name} ${type} ${data}`).join(', ')
}
const inside = (name: string, type = 'A'): string =>
  show(lookup({ zones: [foobar], onlyUnambiguous: false }, name.toLowerCase(), type, name))
const hostwide = (name: string, type = 'A'): string =>
  show(lookup({ zones: [foobar, other], onlyUnambiguous: true }, name, type, name))

test.each([
  ['web', 'A', 'web A 172.21.0.2'],
  ['wEB.FooBar', 'A', 'wEB.FooBar A 172.21.0.2'],
  ['web.foobar', 'AAAA', 'web.foobar AAAA fd00:21::2'],
  ['web', 'ANY', 'web A 172.21.0.2, web AAAA fd00:21::2'],
  ['all', 'A', 'all A 172.21.0.2, all A 172.21.0.3'],
  ['db', 'AAAA', 'empty'],
  ['tasks.all', 'A', 'tasks.all A 172.21.0.2, tasks.all A 172.21.0.3'],
  ['tasks.db.foobar', 'A', 'tasks.db.foobar A 172.21.0.3'],
  ['tasks.gone', 'A', 'foreign'],
  ['db', 'MX', 'empty'],
  ['gone.foobar', 'A', 'unsure'],
  ['gone', 'A', 'foreign'],
  ['foobar', 'A', 'foreign'],
  ['db.other', 'A', 'foreign'],
  ['example.com', 'A', 'foreign'],
  ['', 'NS', 'foreign'],
])('%s %s → %s', (name, type, expected) => {
  expect(inside(name, type)).toBe(expected)
})

describe('addresses', () => {
  test.each([
    ['2.0.21.172.in-addr.arpa', 'PTR', '2.0.21.172.in-addr.arpa PTR Web.foobar'],
    ['2.0.21.172.in-addr.arpa', 'A', 'empty'],
    ['9.0.21.172.in-addr.arpa', 'PTR', 'denied'],
    ['8.8.8.8.in-addr.arpa', 'PTR', 'foreign'],
    ['999.0.21.172.in-addr.arpa', 'PTR', 'foreign'],
    ['0.21.172.in-addr.arpa', 'PTR', 'foreign'],
    [
      `2.${'0.'.repeat(23)}1.2.0.0.0.0.d.f.ip6.arpa`,
      'PTR',
      `2.${'0.'.repeat(23)}1.2.0.0.0.0.d.f.ip6.arpa PTR web.foobar`,
    ],
  ])('%s %s → %s', (name, type, expected) => {
    expect(inside(name, type)).toBe(expected)
  })

  test('are read from both notations', () => {
    expect(addressOfReverse('4.3.2.1.in-addr.arpa')).toBe('1.2.3.4')
    expect(addressOfReverse(`${'f.'.repeat(32)}ip6.arpa`)).toBe(Array(8).fill('ffff').join(':'))
    expect(addressOfReverse('web.foobar')).toBeUndefined()
  })
})

describe('a client on no network in particular', () => {
  test.each([
    ['web', 'web A 172.21.0.2'],
    ['db', 'foreign'],
    ['db.foobar', 'db.foobar A 172.21.0.3'],
    ['db.other', 'db.other A 172.22.0.2'],
  ])('gets for %s: %s', (name, expected) => {
    expect(hostwide(name)).toBe(expected)
  })
})

describe('a container on two networks gets the answer of the first one that knows the name', () => {
  const both = [foobar, other]
  test.each([
    ['db', 'A', both, 'db A 172.21.0.3'],
    ['db', 'A', both.toReversed(), 'db A 172.22.0.2'],
    ['web', 'A', both.toReversed(), 'web A 172.21.0.2'],
    ['db.other', 'A', both, 'db.other A 172.22.0.2'],
    ['db', 'AAAA', both, 'empty'],
    ['db', 'MX', both, 'empty'],
    ['all', 'AAAA', [foobar, sixes], 'empty'],
    ['all', 'A', [sixes, foobar], 'empty'],
    ['all', 'ANY', [sixes, foobar], 'all AAAA fd00:21::9'],
  ])('%s %s', (name, type, zones, expected) => {
    expect(show(lookup({ zones, onlyUnambiguous: false }, name, type, name))).toBe(expected)
  })
})
