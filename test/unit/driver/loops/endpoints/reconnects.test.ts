import { Map as PersistentMap } from 'immutable'
import { expect, test } from 'vitest'
import type { Network } from '../../../../../driver/core/records.ts'
import { emptySnapshot } from '../../../../../driver/core/snapshot.ts'
import type { EngineNetwork, StoppedContainer } from '../../../../../driver/engine/engine.ts'
import { planReconnects } from '../../../../../driver/loops/endpoints/reconnects.ts'
import { lookupIn } from '../../../../../driver/store/lookup.ts'
import type { ChangedKey } from '../../../../../driver/store/store.ts'

const at = <T>(value: T) => ({ value, index: 7 })
const copy = { id: 'copy', name: 'foobar', options: {} } as EngineNetwork
const asConfigured = { aliases: ['www'], links: [], options: {}, linkLocal: [], v4: '10.9.0.9' }

const container = (id: string, network = 'foobar'): StoppedContainer => ({
  ...{ id: 'c', name: 'web', error: '', hasPolicy: false, hasRun: true, mode: network },
  networks: [{ name: network, id, connection: asConfigured }],
})

interface Case {
  here?: EngineNetwork[]
  corrupt?: ChangedKey[]
  hasRecord?: boolean
  /** The container that had an address of the network last. */
  left?: string
}

function plan(
  stopped: StoppedContainer,
  { here = [copy], corrupt = [], hasRecord = true, left = 'c' }: Case = {},
) {
  const snapshot = {
    ...emptySnapshot(),
    networks: PersistentMap(hasRecord ? [['a', at({ id: 'a', name: 'foobar' } as Network)]] : []),
    'network-names': PersistentMap([['foobar', at('a')]]),
    replicas: PersistentMap([['net-1/copy', at('a')]]),
    addresses: PersistentMap([
      ['a/10.9.0.2', at({ host: 'net-1', leasedAt: '', left: { endpoint: 'e', at: '', container: left } })],
    ]),
  }
  const lookup = (id: string) => lookupIn(snapshot, { corrupt, doubt: undefined }, 'networks', id)
  return planReconnects({ snapshot, host: 'net-1', stopped: [stopped], here, lookup }).map(
    ({ container, ...it }) => ({ ...it, container: container.name }),
  )
}

const again = (lost: string, isProven = true) => [
  { container: 'web', network: 'foobar', lost, connection: asConfigured, isProven },
]

test('a container whose network the engine does not have is connected to the copy of that name', () => {
  expect(plan(container('earlier'))).toEqual(again('earlier'))
})

test('without a sign that the container was on that network, a person decides', () => {
  expect(plan(container('earlier'), { left: 'another' })).toEqual(again('earlier', false))
})

test('a network of this host whose copy has another id is known by its own id', () => {
  expect(plan(container('a'))).toEqual(again('a'))
})

test('a copy that has no replica yet says whose it is', () => {
  const unmapped = { ...copy, id: 'unmapped', options: { 'multihost.id': 'a' } }
  expect(plan(container('earlier'), { here: [unmapped] })).toEqual(again('earlier'))
})

test.each<[string, StoppedContainer, Case]>([
  ['whose network the engine has', container('copy'), {}],
  ['that Docker finds by the network’s name', container(''), {}],
  ['on a network that the cluster does not have', container('b', 'bridge'), {}],
  ['whose network has no copy here', container('earlier'), { here: [] }],
  [
    'whose network’s record cannot be read',
    container('earlier'),
    { corrupt: [{ table: 'networks', key: 'a' }], hasRecord: false },
  ],
  ['whose network is gone from the cluster', container('earlier'), { hasRecord: false }],
])('a container %s stays as it is', (_, stopped, more) => {
  expect(plan(stopped, more)).toEqual([])
})
