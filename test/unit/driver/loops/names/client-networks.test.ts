/** What a container's networks of other drivers cost, and whose names they change. */
import { beforeEach, expect, test } from 'vitest'
import { DriverError } from '../../../../../driver/core/errors.ts'
import type { EngineContainer, EngineNetwork } from '../../../../../driver/engine/engine.ts'
import {
  type ClientNetworks,
  createClientNetworks,
} from '../../../../../driver/loops/names/client-networks.ts'
import { createMemoryCluster } from '../../../../fixtures/memory-store.ts'
import { createNetwork } from '../../../../fixtures/store-records.ts'

let networks: ClientNetworks
/** Ids of the networks that the engine was asked for. */
let asked: string[]
let engineAway: boolean

const on = (network: string, ...dnsNames: string[]): EngineContainer['attachments'][number] => ({
  ...{ network, name: network, endpoint: 'e', v4: '172.20.0.2', mac: '', aliases: [], links: [] },
  ...{ dnsNames, hasGateway: true, priority: 0 },
})
const container = (id: string, ...attachments: EngineContainer['attachments']): EngineContainer => ({
  ...{ id, name: id, running: true, hostname: '', mounts: [], dns: [] },
  attachments,
})

beforeEach(async () => {
  ;[asked, engineAway] = [[], false]
  const store = createMemoryCluster().open('net-1')
  await store.commit([createNetwork('n1', { name: 'foobar' })])
  const engine = {
    async network(id: string) {
      asked.push(id)
      if (engineAway) throw new DriverError('unavailable', 'dockerd is away')
      const driver = id === 'foobar' ? 'vxlan' : 'bridge'
      return { driver, options: {}, internal: false } as EngineNetwork
    },
  }
  networks = createClientNetworks({ store, engine, host: 'net-1' })
})

test('a container with names on a bridge changes the others there, until it ends', async () => {
  await networks.learn(container('app', on('own', 'app'), on('foobar', 'app')))
  expect(await networks.learn(container('db', on('own', 'db')))).toEqual(['app'])
  expect(await networks.learn(container('db', on('own', 'db')))).toEqual([])
  expect(networks.forget('db')).toEqual(['app'])
})

test('a container without names on a bridge, as on the default one, changes no other one', async () => {
  await networks.learn(container('app', on('bridge'), on('foobar', 'app')))
  expect(await networks.learn(container('db', on('bridge')))).toEqual([])
  expect(await networks.learn(container('db'))).toEqual([])
  await networks.learn(container('db', on('bridge')))
  expect(networks.forget('db')).toEqual([])
})

test('a network of another driver is asked for once, also by containers that are learnt together', async () => {
  const learn = (id: string): Promise<string[]> => networks.learn(container(id, on('bridge'), on('own', id)))
  await Promise.all(['a', 'b', 'c'].map(learn))
  await learn('d')
  expect(asked).toEqual(['bridge', 'own'])
})

test('a network that the engine did not tell about is asked for again', async () => {
  engineAway = true
  const app = container('app', on('own', 'app'), on('foobar', 'app'))
  await expect(networks.learn(app)).rejects.toThrow('dockerd is away')
  engineAway = false
  await networks.learn(app)
  expect(networks.inOrder('app', [])).toEqual([{ names: new Set(['app']), aliases: new Set() }])
})
