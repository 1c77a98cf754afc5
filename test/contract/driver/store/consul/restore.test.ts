/**
 * Consul's own backup, restored into the same server and into a new one: the repair relies on what a restored
 * Consul says of its keys' versions.
 */
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openConsulStore } from '../../../../../driver/store/consul/store.ts'
import type { Store } from '../../../../../driver/store/store.ts'
import { startConsul, type TestConsul } from '../../../../fixtures/consul.ts'
import { createNetwork, lease } from '../../../../fixtures/store-records.ts'
import { until } from '../../../../fixtures/until.ts'

let consul: TestConsul
let one: Store
let other: Store
beforeEach(async () => {
  consul = await startConsul()
  const open = (host: string) =>
    openConsulStore({ url: consul.url, host, timeoutMs: 1000, pauseMs: 50, resyncMs: 1000 })
  one = await open('net-1')
  other = await open('net-2')
  await until('both are fresh', () => [one, other].every((store) => store.status().fresh))
})
afterEach(async () => {
  await Promise.all([one, other].map((store) => store.close()))
  await consul.stop()
})

const stored = async (path: string) => JSON.parse((await consul.get(`multihost/${path}`)) ?? 'null')
const backUp = async () => (await fetch(`${consul.api}/snapshot`)).arrayBuffer()

async function restore(backup: ArrayBuffer): Promise<void> {
  const before = (await stored('cluster'))?.restored
  const answer = await fetch(`${consul.api}/snapshot`, { method: 'PUT', body: backup })
  expect(answer.status).toBe(200)
  await until(
    'both accept the store',
    async () => {
      const { restored } = (await stored('cluster')) ?? {}
      const accepted = [one, other].every((store) => store.status().fresh && !store.status().doubt)
      return accepted && restored !== undefined && restored !== before
    },
    30_000,
  )
}

test.each([
  ['the same server', async () => undefined],
  ['a new server', () => consul.loseData()],
])(
  'in %s, claims and leases that changed hands since the backup stay where they are, twice',
  async (_, lose) => {
    const held = (host: string) => ({ ...lease(host), endpoint: `on-${host}` })
    await one.commit([
      createNetwork('n1'),
      { op: 'create', table: 'vnis', key: '256', value: 'n1' },
      { op: 'create', table: 'addresses', key: 'n0/10.0.0.2', value: held('net-1') },
    ])
    const backup = await backUp()
    await one.commit([
      { op: 'drop', table: 'networks', key: 'n1' },
      { op: 'drop', table: 'vnis', key: '256' },
      { op: 'drop', table: 'addresses', key: 'n0/10.0.0.2' },
    ])
    await other.read()
    await other.commit([
      createNetwork('n2'),
      { op: 'create', table: 'vnis', key: '256', value: 'n2' },
      { op: 'create', table: 'addresses', key: 'n0/10.0.0.2', value: held('net-2') },
    ])
    await until('net-1 knows', () => one.snapshot().networks.has('n2'))
    for (const time of ['once', 'twice']) {
      await lose()
      await restore(backup)
      expect(await stored('vnis/256'), time).toBe('n2')
      expect(await stored('addresses/n0/10.0.0.2'), time).toMatchObject({ endpoint: 'on-net-2' })
      expect(one.snapshot().vnis.get('256')?.value).toBe('n2')
    }
  },
)
