import { expect, test } from 'vitest'
import { DriverError } from '../../../../driver/core/errors.ts'
import type { Change } from '../../../../driver/core/records.ts'
import { createWants } from '../../../../driver/verbs/wanted.ts'
import { until } from '../../../fixtures/until.ts'
import { cluster, createNetwork, id, never } from './cluster.ts'

test('a request that ends leaves the record of the next one, whose commit is under way', async () => {
  const lab = cluster()
  const [net1, net2] = [lab.host(1), lab.host(2)]
  const { v4 } = await createNetwork(net1, { id: id('a'), subnet: '10.9.0.0/30' })
  const leasedAt = net1.clock.now.toISOString()
  const idle: Change = {
    ...{ op: 'create', table: 'addresses', key: `${id('a')}/10.9.0.1` },
    value: { host: 'net-1', leasedAt },
  }
  await net1.store.commit([idle])
  const committed: Change[] = []
  let answer = (): void => undefined
  const store: typeof net2.store = {
    ...net2.store,
    async commit(changes) {
      await net2.store.commit(changes)
      committed.push(...changes)
      // The answer to the second request's commit comes late.
      if (changes.some(({ op }) => op === 'update')) await new Promise<void>((come) => (answer = come))
    },
  }
  await store.read()
  const wants = createWants({ ...net2.context, store })
  const exhausted = async (): Promise<never> => {
    throw new DriverError('exhausted', 'no free address')
  }
  const ask = () => wants.orIdle(v4.cidr, { pool: v4.cidr, gateway: false }, never, exhausted)
  const first = ask().catch(() => 'refused')
  await until('it is written', () => committed.length === 1)
  const second = ask().catch(() => 'refused')
  await until('it is written again', () => committed.length === 2)
  expect(await first).toBe('refused')
  expect(store.snapshot().wanted.size).toBe(1)
  answer()
  expect(await second).toBe('refused')
  expect(store.snapshot().wanted.size).toBe(0)
})
