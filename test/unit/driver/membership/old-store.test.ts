/** A store that was moved by a snapshot, and the Consul that it was moved from. */
import { expect, test } from 'vitest'
import { DriverError } from '../../../../driver/core/errors.ts'
import { answeringApart, type OldServer } from '../../../../driver/membership/old-store.ts'
import { type ConsulInMemory, consulInMemory } from '../../../fixtures/consul-in-memory.ts'

const at = (consul: ConsulInMemory, url: string, prefix = 'multihost'): OldServer => {
  return { url, prefix, client: consul.client() }
}
const failing = (message: string): OldServer => {
  const list = () => Promise.reject(new DriverError('unavailable', message))
  return { url: 'old', prefix: 'multihost', client: { list } }
}

function moved() {
  const old = consulInMemory()
  old.put('multihost/cluster', '{"id":"c1","format":1}')
  const copy = consulInMemory()
  copy.restore(old.backup())
  return { old, copy, wanted: { prefix: 'multihost', client: copy.client() } }
}

test('the old Consul of a copy is named while it answers', async () => {
  const { old, copy, wanted } = moved()
  expect(await answeringApart([at(old, 'old'), at(copy, 'agent')], wanted)).toEqual(['old'])
  expect(copy.keys()).toEqual(['multihost/cluster'])
})

test('an old address that is silent, or leads to the same Consul, is not named', async () => {
  const { copy, wanted } = moved()
  const silent = failing('Consul at old does not answer: connect ECONNREFUSED')
  expect(await answeringApart([silent, at(copy, 'another server')], wanted)).toEqual([])
})

test('an old Consul that refuses the token answers; another folder of one Consul is another store', async () => {
  const { copy, wanted } = moved()
  const refuses = failing('Consul at old refuses: Permission denied')
  expect(await answeringApart([refuses, at(copy, 'other folder', 'other')], wanted)).toEqual([
    'old',
    'other folder',
  ])
})
