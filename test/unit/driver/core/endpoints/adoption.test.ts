import { expect, test } from 'vitest'
import { adoption } from '../../../../../driver/core/endpoints/adoption.ts'
import type { Snapshot } from '../../../../../driver/core/records.ts'
import { id } from '../../../../fixtures/datapath.sample.ts'
import { agreeing, gone, mine, put, theirs } from '../check/check.sample.ts'

const a = id('a')
const chosen = '02:aa:00:00:00:01'
const evicted = gone('addresses', `${a}/${mine.v4}`)(gone('endpoints', `${a}/${mine.id}`)(agreeing()))

function claims(snapshot: Snapshot, mac: string) {
  const container = { id: 'c'.repeat(64), name: 'one' }
  const state = { snapshot, host: 'net-1', vtep: '192.168.33.11', now: '2026-01-01T00:00:00Z' }
  const changes = adoption(state, a, { id: mine.id, v4: mine.v4, mac, container })
  return changes?.filter((change) => 'table' in change && change.table === 'macs')
}

test('a MAC that a person chose is claimed again, and the MAC of the address needs no claim', () => {
  expect(claims(evicted, chosen)).toEqual([
    { op: 'create', table: 'macs', key: `${a}/${chosen}`, value: mine.id },
  ])
  expect(claims(evicted, mine.mac)).toEqual([])
})

test('a MAC that another endpoint claimed meanwhile stays the other’s, and the endpoint gets its record', () => {
  expect(claims(put('macs', `${a}/${chosen}`, theirs.id)(evicted), chosen)).toEqual([])
})
