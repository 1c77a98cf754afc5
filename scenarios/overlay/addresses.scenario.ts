/**
 * Leases: addresses are unique across hosts, also when two hosts ask at the same time.
 */
import { expect } from 'vitest'
import { atEnd } from '../kit/at-end.ts'
import {
  type ExclusiveInput,
  exclusive,
  type History,
  type Holder,
  recordHistory,
  violations,
} from '../kit/history.ts'
import type { Host } from '../kit/host.ts'
import { sharedNetwork } from '../kit/network.ts'
import { scenario } from '../kit/scenario.ts'
import { together } from '../kit/together.ts'

const socket = '/run/docker/plugins/vxlan.sock'
const plugin = `curl -sf --unix-socket ${socket}`

/** Asks the host's driver for `count` addresses at once, as dockerd does. */
async function lease(host: Host, pool: string, count: number): Promise<string[]> {
  const body = JSON.stringify({ PoolID: pool, Address: '', Options: {} })
  const one = `${plugin} -d '${body}' http://d/IpamDriver.RequestAddress`
  const answers = await host.succeed`seq ${count} | xargs -P ${count} -n 1 sh -c ${one}`
  return [...answers.matchAll(/"Address":"([^"]+)"/g)].map((each) => each[1] ?? '')
}

async function release(host: Host, pool: string, addresses: readonly string[]): Promise<void> {
  const bodies = addresses.map((each) => JSON.stringify({ PoolID: pool, Address: each.split('/')[0] }))
  const all = bodies.map((body) => `${plugin} -d '${body}' http://d/IpamDriver.ReleaseAddress`)
  await host.succeed`sh -c ${all.join(' && ')}`
}

scenario('both hosts lease a hundred addresses at once, and all are different', async ({ hostA, hostB }) => {
  const pool = '10.60.0.0/16'
  await using _crowd = await sharedNetwork([hostA, hostB], 'crowd', ['--subnet', pool])
  const [first = [], second = []] = await together([lease(hostA, pool, 100), lease(hostB, pool, 100)])
  expect(first).toHaveLength(100)
  expect(second).toHaveLength(100)
  expect(new Set([...first, ...second]).size).toBe(200)
  await together([release(hostA, pool, first), release(hostB, pool, second)])
})

scenario(
  'a full /28 is an error with the numbers; when it is empty again, it can be filled again',
  async ({ hostA, hostB }) => {
    const pool = '10.50.0.0/28'
    await using _small = await sharedNetwork([hostA, hostB], 'small', ['--subnet', pool])
    for (const [host, other] of [
      [hostA, hostB],
      [hostB, hostA],
    ] as const) {
      const addresses = await lease(host, pool, 12)
      expect(new Set(addresses).size).toBe(12)
      const words = await other.fail`docker run --rm --network small debian:13 true`
      expect(words).toContain('no free address in 10.50.0.0/28')
      expect(words).toContain('12 of 12')
      await release(host, pool, addresses)
      await other.succeed`docker run --rm --network small debian:13 true`
    }
  },
)

/** Leases and releases an address ten times, as one client; each lease and each release is an operation. */
async function leaseAndRelease(
  history: History<ExclusiveInput, Holder>,
  host: Host,
  client: string,
  pool: string,
): Promise<void> {
  for (let round = 0; round < 10; round++) {
    const { outcome, key } = await history.run(client, undefined, { take: client }, async () => {
      const body = JSON.stringify({ PoolID: pool, Address: '', Options: {} })
      const answer =
        await host.succeed`curl -s --unix-socket ${socket} -d ${body} http://d/IpamDriver.RequestAddress`
      const { Address } = JSON.parse(answer) as { Address?: string }
      return Address ? { outcome: 'ok', key: Address.split('/')[0] ?? '' } : { outcome: 'failed' }
    })
    if (outcome !== 'ok' || key === undefined) continue
    await history.run(client, key, { release: client }, async () => {
      await release(host, pool, [key])
      return { outcome: 'ok' }
    })
  }
}

scenario(
  'six clients on two hosts lease and release addresses, and no address ever has two holders',
  async ({ hostA, hostB }) => {
    const pool = '10.52.0.0/28'
    await using _small = await sharedNetwork([hostA, hostB], 'small', ['--subnet', pool])
    const history = recordHistory<ExclusiveInput, Holder>()
    const clients = [hostA, hostB].flatMap((host) => ['a', 'b', 'c'].map((name) => ({ host, name })))
    await together(
      clients.map(({ host, name }) => leaseAndRelease(history, host, `${host.name}/${name}`, pool)),
    )
    const leases = history.operations.filter(({ input, outcome }) => 'take' in input && outcome === 'ok')
    expect(leases.length).toBeGreaterThan(20)
    expect(violations(history.operations, exclusive)).toEqual([])
  },
)

scenario(
  'containers that are started again get their own addresses, in any order',
  async ({ hostA, hostB }) => {
    await using _shop = await sharedNetwork([hostA, hostB], 'shop')
    await using one = await hostA.run({ name: 'one', network: 'shop' })
    await using two = await hostA.run({ name: 'two', network: 'shop' })
    await hostA.succeed`docker stop -t0 one && docker stop -t0 two`
    await using other = await hostA.run({ name: 'other', network: 'shop' })
    expect([one.address, two.address], 'a new container takes none of theirs').not.toContain(other.address)
    await hostA.succeed`docker start one && docker start two`
    expect(await one.currentAddress()).toBe(one.address)
    expect(await two.currentAddress()).toBe(two.address)
  },
)

scenario('an address of --ip is kept for a container that was created only', async ({ hostA, hostB }) => {
  await using _fixed = await sharedNetwork([hostA, hostB], 'fixed', ['--subnet', '10.61.0.0/24'])
  await using _db = atEnd(() => hostA.run`docker rm -f db`)
  const db = '--name db --network fixed --ip 10.61.0.2'
  await hostA.succeed`sh -c ${`docker create ${db} debian:13 sleep infinity > /dev/null`}`
  await using web = await hostA.run({ name: 'web', network: 'fixed' })
  expect(web.address).not.toBe('10.61.0.2')
  await hostA.succeed`docker start db`
})
