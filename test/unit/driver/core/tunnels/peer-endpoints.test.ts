import { expect, test } from 'vitest'
import { forPeers } from '../../../../../driver/core/tunnels/peer-endpoints.ts'
import { endpoint } from '../../../../fixtures/store-records.ts'

test('other hosts learn the addresses of an endpoint and whether its interface has them, and no names', () => {
  const addresses = { v6: 'fd00::2', withoutIpv6: true } as const
  const names = { aliases: ['db'], hostname: 'web1', container: { id: 'c1', name: 'web' } }
  expect(forPeers(endpoint('n1', 'e1', { ...addresses, ...names }))).toEqual(endpoint('n1', 'e1', addresses))
})
