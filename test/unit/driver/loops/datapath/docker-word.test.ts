import { expect, test } from 'vitest'
import { containerEndName } from '../../../../../driver/core/datapath/desired.ts'
import type { EndpointCall } from '../../../../../driver/core/endpoints/life.ts'
import { emptySnapshot } from '../../../../../driver/core/snapshot.ts'
import type { EngineNetwork } from '../../../../../driver/engine/engine.ts'
import { createDockerWord } from '../../../../../driver/loops/datapath/docker-word.ts'
import { anyProof } from '../../../../fixtures/proof.ts'
import { until } from '../../../../fixtures/until.ts'

const network = 'a'.repeat(64)
const namespace = `/run/multihost/netns/${network.slice(0, 12)}`
const endpoint = 'e'.repeat(64)
const link = containerEndName(endpoint)

/** A Docker that has the network and no endpoint on it, and one link without a record in the store. */
function withoutRecord(call: EndpointCall | undefined) {
  const calls = new Map<string, EndpointCall>(call === undefined ? [] : [[endpoint, call]])
  let answers = 0
  const endpoints: EngineNetwork['endpoints'] = []
  const found = { id: network, name: 'blue', endpoints } as unknown as EngineNetwork
  const word = createDockerWord({
    network,
    engine: {
      networks: async () => [found],
      network: async () => {
        answers += 1
        return found
      },
      attached: async () => [],
    },
    calls: () => calls,
    ended: () => new Map([...calls].flatMap(([id, its]) => (its === 'leave' ? [[id, anyProof]] : []))),
    arriving: () => [...calls].flatMap(([id, its]) => (its === 'leave' ? [] : [id])),
    snapshot: emptySnapshot,
    graceMs: 100,
    again: () => undefined,
  })
  const isGone = {
    link: () => word.ofLinks(namespace, [link]).has(link),
    namespace: () => word.ofNamespace(namespace, [link]) !== undefined,
  }
  return { calls, endpoints, isGone, answers: () => answers }
}

const parts = ['link', 'namespace'] as const

test.each(parts)(
  'a %s without a record goes when Docker does not show the endpoint in two answers',
  async (part) => {
    const { isGone, answers } = withoutRecord(undefined)
    await until('Docker’s word is believed', isGone[part])
    expect(answers()).toBeGreaterThan(1)
  },
)

test.each(parts)('answers during a Join do not count, for a %s', async (part) => {
  const { calls, isGone, answers } = withoutRecord('join')
  await until('Docker has answered three times during the Join', () => !isGone[part]() && answers() >= 3)
  calls.delete(endpoint)
  const before = answers()
  expect(isGone[part]()).toBe(false)
  await until('two later answers are believed', isGone[part])
  expect(answers() - before).toBeGreaterThan(1)
})

test.each(parts)('a %s stays while Docker shows the endpoint in no container yet', async (part) => {
  const { endpoints, isGone, answers } = withoutRecord(undefined)
  endpoints.push({ id: endpoint, container: `ep-${endpoint}`, name: 'web', mac: '', v4: '' })
  await until('Docker has answered three times', () => !isGone[part]() && answers() >= 3)
  endpoints.length = 0
  await until('Docker does not show it any more', isGone[part])
})

test('a namespace stays while a container runs on its network, which Docker has lost', async () => {
  let attached = [{ name: 'web', network, endpoint }]
  const word = createDockerWord({
    network,
    engine: { networks: async () => [], network: async () => undefined, attached: async () => attached },
    calls: () => new Map(),
    ended: () => new Map(),
    arriving: () => [],
    snapshot: emptySnapshot,
    graceMs: 100,
    again: () => undefined,
  })
  const isGone = () => word.ofNamespace(namespace, [link]) !== undefined
  await until('Docker has answered', () => !isGone() && word.kept().length > 0)
  expect(word.kept()).toEqual([
    `the namespace ${namespace} of container web is kept: Docker has lost its network, and the container runs on; docker stop web, and start it again`,
  ])
  attached = []
  await until('Docker’s word is believed', isGone)
})
