import { expect, test } from 'vitest'
import { addressConflicts } from '../../../../../driver/core/endpoints/conflicts.ts'
import type { Snapshot } from '../../../../../driver/core/records.ts'
import { id } from '../../../../fixtures/datapath.sample.ts'
import { agreeing, gone, mine, put, theirs } from '../check/check.sample.ts'

const a = id('a')
const leasedAt = '2026-01-01T00:00:00Z'

function conflicts(snapshot: Snapshot, leaving: string[] = []): string {
  const here = { id: mine.id, v4: mine.v4, mac: mine.mac, container: { id: 'c'.repeat(64), name: 'one' } }
  const networks = [{ network: a, localId: a, name: 'foobar', pools: [], endpoints: [here] }]
  const state = { snapshot, host: 'net-1', vtep: '192.168.33.11', networks, now: leasedAt }
  const found = addressConflicts(state, new Map(leaving.map((it) => [it, 'leave'])))
  return [...found.values()].map(({ message }) => message).join('\n')
}

const evicted = gone('addresses', `${a}/${mine.v4}`)(gone('endpoints', `${a}/${mine.id}`)(agreeing()))

test('a container whose address went to another while its host was away is named, with who has it', () => {
  const taken = put('addresses', `${a}/${mine.v4}`, { host: 'net-2', leasedAt, endpoint: theirs.id })(evicted)
  expect(conflicts(taken)).toMatchInlineSnapshot(
    `"container one is cut off from network foobar: its address 172.21.0.2 went to container two on net-2; docker network disconnect foobar one, and connect it again"`,
  )
  const served = put('addresses', `${a}/${mine.v4}`, { host: 'net-2', leasedAt, service: 'db' })(evicted)
  expect(conflicts(served)).toMatchInlineSnapshot(
    `"container one is cut off from network foobar: its address 172.21.0.2 went to service db on net-2; docker network disconnect foobar one, and connect it again"`,
  )
})

test('one whose service is still free gets its record back, and is not named', () => {
  const holder = { host: 'net-1' }
  const service = { id: id('e'), network: a, name: 'db', v4: mine.v4 }
  const kept = put('addresses', `${a}/${mine.v4}`, { host: 'net-1', leasedAt, service: 'db' })(evicted)
  expect(conflicts(put('services', `${a}/db`, { ...service, holder })(kept))).toBe('')
  expect(conflicts(put('services', `${a}/db`, service)(kept))).toContain('went to service db on net-1')
})

test('nothing is said of one that has its record, that has no rival, or that is leaving', () => {
  const taken = put('addresses', `${a}/${mine.v4}`, { host: 'net-2', leasedAt, endpoint: theirs.id })(evicted)
  expect([conflicts(agreeing()), conflicts(evicted), conflicts(taken, [mine.id])]).toEqual(['', '', ''])
})
