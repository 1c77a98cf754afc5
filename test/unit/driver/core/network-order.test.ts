/** Which network of a container answers for a name: libnetwork's order. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { compareNetworks, type OrderedNetwork } from '../../../../driver/core/network-order.ts'

const network = (name: string, more: Partial<OrderedNetwork> = {}): OrderedNetwork => ({
  ...{ name, isSwarms: false, internal: false, hasGateway: false, priority: 0 },
  ...more,
})
const ordered = (...all: OrderedNetwork[]): string =>
  all
    .toSorted(compareNetworks)
    .map(({ name }) => name)
    .join(' ')

test.each<[string, OrderedNetwork[], string]>([
  ['names, as bytes', [network('b'), network('a'), network('B')], 'B a b'],
  ['a gateway before names', [network('a'), network('z', { hasGateway: true })], 'z a'],
  ['internal ones last', [network('a', { internal: true, hasGateway: true }), network('z')], 'z a'],
  [
    'a priority before all',
    [network('a', { hasGateway: true }), network('z', { internal: true, priority: 1 })],
    'z a',
  ],
  [
    'a negative priority after all',
    [network('a', { priority: -1 }), network('z', { internal: true })],
    'z a',
  ],
  [
    'one of Swarm’s before all',
    [network('a', { hasGateway: true, priority: 1 }), network('z', { internal: true, isSwarms: true })],
    'z a',
  ],
])('%s', (_, all, expected) => {
  expect(ordered(...all)).toBe(expected)
  expect(ordered(...all.toReversed())).toBe(expected)
})

test('it is one order, whatever comes first', () => {
  const some = fc.record({
    name: fc.constantFrom('a', 'b'),
    ...{ isSwarms: fc.boolean(), internal: fc.boolean(), hasGateway: fc.boolean() },
    ...{ priority: fc.integer({ min: -1, max: 1 }) },
  })
  fc.assert(
    fc.property(fc.array(some, { maxLength: 6 }), (all) => {
      expect(all.toSorted(compareNetworks)).toEqual(all.toReversed().toSorted(compareNetworks))
    }),
  )
})
