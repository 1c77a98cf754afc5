import { expect, test } from 'vitest'
import { applyDeltas, emptySnapshot } from '../../../../../driver/core/snapshot.ts'
import { foreignVxlansIn, publishedVxlans } from '../../../../../driver/core/tunnels/foreign-vxlans.ts'

test('a hypervisor with very many devices publishes those with the lowest VNIs', () => {
  const many = Array.from({ length: 2000 }, (_, i) => ({ vni: 3000 - i, port: 4789 }))
  const published = publishedVxlans(many)
  expect([published.length, published[0]?.vni, published.at(-1)?.vni]).toEqual([500, 1001, 1500])
})

test('of this host the present devices count, and of the others those in their records', () => {
  const deltas = ['net-1', 'net-2', 'old'].map((key, i) => {
    const value = {
      vtep: `192.168.33.1${i}`,
      driverVersion: '0.1.0',
      ...(key === 'old' ? {} : { foreignVxlans: [{ vni: 300 + i, port: 4789 }] }),
    }
    return { table: 'hosts', key, record: { value, index: 1 } } as const
  })
  const own = { host: 'net-1', vxlans: [{ vni: 7, port: 8472 }] }
  expect(foreignVxlansIn(applyDeltas(emptySnapshot(), deltas), own)).toEqual([
    { host: 'net-1', vni: 7, port: 8472 },
    { host: 'net-2', vni: 301, port: 4789 },
  ])
})
