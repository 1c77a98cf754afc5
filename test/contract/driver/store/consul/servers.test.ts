/** Three real servers: the driver's store goes on when the one that it asks, or the leader, is away. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openConsulStore } from '../../../../../driver/store/consul/store.ts'
import type { Store } from '../../../../../driver/store/store.ts'
import { startConsul, startConsulCluster, type TestConsul } from '../../../../fixtures/consul.ts'
import { createNetwork } from '../../../../fixtures/store-records.ts'
import { until } from '../../../../fixtures/until.ts'

let servers: TestConsul[]
let count = 0
const opened: Store[] = []

beforeAll(async () => {
  servers = await startConsulCluster(3)
})
afterAll(async () => {
  await Promise.all(opened.map((store) => store.close()))
  await Promise.all(servers.map((each) => each.stop()))
})

/** Two hosts that ask the servers in this order. */
async function hostsAsking(order: readonly TestConsul[]): Promise<[Store, Store]> {
  const url = `consul://${order.map((each) => each.url.replace('consul://', '')).join(',')}`
  const prefix = `p${++count}`
  const open = (host: string) => openConsulStore({ url, prefix, host, timeoutMs: 1000 })
  const [one, other] = [await open('net-1'), await open('net-2')]
  opened.push(one, other)
  await until('both are fresh', () => one.status().fresh && other.status().fresh)
  return [one, other]
}

async function leader(): Promise<TestConsul> {
  for (const each of servers) {
    const answer = await fetch(`${each.api}/agent/self`)
    const { Stats } = (await answer.json()) as { Stats: { consul: { leader: string } } }
    if (Stats.consul.leader === 'true') return each
  }
  throw new Error('no server leads')
}

/** Repeats what the store refuses while it is unavailable, as the driver's callers do. */
async function committed(store: Store, id: string): Promise<void> {
  await until(
    `${id} is committed`,
    async () => {
      if (store.snapshot().networks.has(id)) return true
      await store.commit([createNetwork(id)]).catch(() => undefined)
      return false
    },
    20_000,
  )
}

test('a server that does not run when the driver starts is passed over', async () => {
  const follower = servers.find((each) => each !== servers[0]) as TestConsul
  await follower.kill()
  const [one, other] = await hostsAsking([follower, ...servers.filter((each) => each !== follower)])
  await one.commit([createNetwork('n1')])
  await until('the other has it', () => other.snapshot().networks.has('n1'))
  expect(one.status().lastError).toBeUndefined()
  await follower.start()
})

test.each(['kill', 'pause'] as const)(
  'the leader is asked, and goes away (%s): commits go on',
  async (fault) => {
    const led = await leader()
    const [one, other] = await hostsAsking([led, ...servers.filter((each) => each !== led)])
    await one.commit([createNetwork('n1')])
    await led[fault]()
    await committed(one, 'n2')
    await until('the other has it', () => other.snapshot().networks.has('n2'), 20_000)
    expect([...one.snapshot().networks.keys()].sort()).toEqual(['n1', 'n2'])
    await until('both are fresh', () => one.status().fresh && other.status().fresh, 20_000)
    if (fault === 'kill') await led.start()
    else led.resume()
  },
)

test('without most servers nothing is committed; commits go on when they are back', async () => {
  const [first, ...others] = servers as [TestConsul, TestConsul, TestConsul]
  const [one] = await hostsAsking([first, ...others])
  await Promise.all(others.map((each) => each.kill()))
  await until('it is noticed', () => !one.status().fresh, 20_000)
  await expect(one.commit([createNetwork('n1')])).rejects.toMatchObject({ code: 'unavailable' })
  await Promise.all(others.map((each) => each.start()))
  await committed(one, 'n1')
})

test('a server of another cluster gets no records, and is left when the own one is back', async () => {
  await using own = await startConsul()
  await using other = await startConsul()
  const [one] = await hostsAsking([own, other])
  const prefix = `p${count}`
  await one.commit([createNetwork('n1')])
  await own.kill()
  await until(
    'it says so',
    () => /the store is empty, and another server is silent/.test(one.status().doubt?.why ?? ''),
    20_000,
  )
  expect(await other.keys(`${prefix}/`)).toEqual([])
  await own.start()
  await committed(one, 'n2')
  expect(await other.keys(`${prefix}/`)).toEqual([])
  expect([...one.snapshot().networks.keys()].sort()).toEqual(['n1', 'n2'])
})
