import { Map as PersistentMap } from 'immutable'
import { expect, test } from 'vitest'
import type { Network, Snapshot, Use } from '../../../../../driver/core/records.ts'
import { emptySnapshot } from '../../../../../driver/core/snapshot.ts'
import type { ConfiguredContainer } from '../../../../../driver/engine/engine.ts'
import { planUses } from '../../../../../driver/loops/networks/plan-uses.ts'
import { lookupIn } from '../../../../../driver/store/lookup.ts'
import type { ChangedKey } from '../../../../../driver/store/store.ts'

const at = <T>(value: T) => ({ value, index: 7 })

function snapshot(uses: Record<string, Use> = {}): Snapshot {
  return {
    ...emptySnapshot(),
    networks: PersistentMap([['a', at({ id: 'a', name: 'foobar' } as Network)]]),
    'network-names': PersistentMap([['foobar', at('a')]]),
    replicas: PersistentMap([['net-1/local', at('a')]]),
    uses: PersistentMap(Object.entries(uses).map(([key, use]) => [key, at(use)])),
  }
}

const container = (name: string, network: string, id = ''): ConfiguredContainer => ({
  name,
  networks: [{ name: network, id, addresses: [] }],
})

function plan(
  containers: ConfiguredContainer[],
  uses: Record<string, Use> = {},
  { others = [], corrupt = [] }: { others?: string[]; corrupt?: ChangedKey[] } = {},
): string {
  const known = snapshot(uses)
  const lookup = (id: string) => lookupIn(known, { corrupt, doubt: undefined }, 'networks', id)
  return planUses({ snapshot: known, host: 'net-1', containers, others: new Set(others), lookup, corrupt })
    .map((change) => {
      const { op, key } = change
      return `${op} ${key} ${'value' in change ? JSON.stringify(change.value) : ''}`.trim()
    })
    .join('\n')
}

test('a network is used by its containers, whether Docker knows it by id, by an old id or by name', () => {
  const containers = [
    container('runs', 'foobar', 'local'),
    container('created', 'foobar'),
    container('older', 'foobar', 'removed'),
    container('by-id', 'local'),
    container('elsewhere', 'bridge', 'b'),
  ]
  expect(plan(containers)).toBe('create net-1/a {"containers":4,"names":["by-id","created","older","runs"]}')
})

test('a container that was made with the start of its network’s id, as docker network ls -q prints it, is a use', () => {
  const known = (name: string) => {
    const local = `${'0123456789ab'.padEnd(63, 'c')}0`
    const replicas = PersistentMap([[`net-1/${local}`, at('a')]])
    const containers = [container('web', name)]
    const lookup = () => ({ is: 'known', value: { id: 'a' } as Network, index: 7 }) as const
    return planUses({
      ...{ snapshot: { ...snapshot(), replicas }, host: 'net-1', containers },
      ...{ others: new Set<string>(), lookup, corrupt: [] },
    })
  }
  expect(known('0123456789ab')).toMatchObject([{ op: 'create', key: 'net-1/a' }])
  for (const other of ['0123456789', '0123456789ac', 'bridge']) expect(known(other)).toEqual([])
})

test('a container on another driver’s network of the same name is no use', () => {
  expect(plan([container('web', 'foobar', 'bridge')], {}, { others: ['bridge'] })).toBe('')
})

test('a record has the names of five containers, and changes only when they do', () => {
  const many = Array.from({ length: 7 }, (_, i) => container(`c${i}`, 'foobar', 'local'))
  const names = ['c0', 'c1', 'c2', 'c3', 'c4']
  expect(plan(many, { 'net-1/a': { containers: 7, names } })).toBe('')
  expect(plan(many, { 'net-1/a': { containers: 1, names: ['c0'] } })).toBe(
    `update net-1/a ${JSON.stringify({ containers: 7, names })}`,
  )
})

test('the last container’s end ends the use, that of other hosts stays', () => {
  const use = { containers: 1, names: ['web'] }
  expect(plan([], { 'net-1/a': use, 'net-2/a': use, 'net-1/gone': use })).toBe(
    'remove net-1/a\nremove net-1/gone',
  )
})

test('the use of a network whose record cannot be read stays', () => {
  const use = { containers: 1, names: ['web'] }
  expect(plan([], { 'net-1/x': use }, { corrupt: [{ table: 'networks', key: 'x' }] })).toBe('')
})

test.each<[string, ChangedKey, number]>([
  ['the name', { table: 'network-names', key: 'foobar' }, 0],
  ['a copy of this host', { table: 'replicas', key: 'net-1/local' }, 0],
  ['a copy of another host', { table: 'replicas', key: 'net-2/local' }, 1],
])(
  'a use stays where the record of %s cannot be read, which may say that a container needs the network',
  (_, at, removed) => {
    const use = { containers: 1, names: ['web'] }
    const lines = plan([], { 'net-1/a': use }, { corrupt: [at] })
      .split('\n')
      .filter(Boolean)
    expect(lines).toHaveLength(removed)
  },
)

test('a name that is too long for a record is left out, and its container counts', () => {
  const containers = [container('n'.repeat(256), 'foobar'), container('web', 'foobar')]
  expect(plan(containers)).toBe('create net-1/a {"containers":2,"names":["web"]}')
})
