import { Map as PersistentMap } from 'immutable'
import { expect, test } from 'vitest'
import type { Endpoint, Lease, PoolClaim, Snapshot } from '../../../../../driver/core/records.ts'
import { emptySnapshot } from '../../../../../driver/core/snapshot.ts'
import { removalsOf, untakenOn, unused } from '../../../../../driver/loops/endpoints/leftovers.ts'

const at = <T>(value: T) => ({ value, index: 7 })
const now = new Date('2026-01-01T01:00:00Z')
const [old, young] = ['2026-01-01T00:56:00Z', '2026-01-01T00:58:00Z']
const endpoint = (id: string, v4: string, host = 'net-1'): Endpoint => ({
  ...{
    network: 'n',
    id,
    v4,
    host,
    mac: '02:42:0a:09:00:02',
    vtep: '192.168.33.11',
    joined: true,
    aliases: [],
  },
})
const lease = (more: Partial<Lease>): Lease => ({ host: 'net-1', leasedAt: old, ...more })
const claim = (more: Partial<PoolClaim>): PoolClaim => ({
  host: 'net-1',
  reserved: [],
  claimedAt: old,
  ...more,
})

const snapshot: Snapshot = {
  ...emptySnapshot(),
  endpoints: PersistentMap([
    ['n/mine', at(endpoint('mine', '10.9.0.2'))],
    ['n/lost', at(endpoint('lost', '10.9.0.3'))],
    ['n/theirs', at(endpoint('theirs', '10.9.0.4', 'net-2'))],
  ]),
  addresses: PersistentMap([
    ['n/10.9.0.2', at(lease({ endpoint: 'mine' }))],
    ['n/10.9.0.3', at(lease({ endpoint: 'lost' }))],
    ['n/10.9.0.5', at(lease({}))],
    ['n/10.9.0.6', at(lease({ leasedAt: young }))],
    ['n/10.9.0.7', at(lease({ service: 'bar' }))],
    ['n/10.9.0.8', at(lease({ host: 'net-2' }))],
    ['n/10.9.0.9', at(lease({ endpoint: 'never made' }))],
  ]),
  pools: PersistentMap([
    ['10.1.0.0/16', at(claim({}))],
    ['10.2.0.0/16', at(claim({ claimedAt: young }))],
    ['10.3.0.0/16', at(claim({ network: 'n' }))],
    ['10.4.0.0/16', at(claim({ host: 'net-2' }))],
  ]),
}

test('an endpoint goes in a commit of its own; its address goes to the reserve', () => {
  const commits = removalsOf(snapshot, 'net-1', new Set(['lost', 'theirs']), now.toISOString())
  expect(commits.map(({ changes }) => changes.map(({ op, table, key }) => `${op} ${table}/${key}`))).toEqual([
    ['remove endpoints/n/lost', 'update addresses/n/10.9.0.3'],
  ])
})

test('pools without a network and addresses without their endpoint are released; the reserve is not', () => {
  const keys = unused(untakenOn(snapshot, 'net-1'), now, { at: new Date(old), graceMs: 4000 }).map(
    ({ key }) => key,
  )
  expect(keys).toEqual(['n/10.9.0.9', '10.1.0.0/16'])
})

test('what an earlier life of the driver gave away is released as soon as Docker cannot come for it any more', () => {
  const after = (seconds: number) =>
    unused(untakenOn(snapshot, 'net-1'), new Date(now.getTime() + seconds * 1000), { at: now, graceMs: 4000 })
      .map(({ key }) => key)
      .filter((key) => /0\.6$|10\.2/.test(key))
  expect([after(3), after(4)]).toEqual([[], ['10.2.0.0/16']])
})
