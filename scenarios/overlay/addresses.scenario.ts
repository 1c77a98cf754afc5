/**
 * Leases: addresses are unique across hosts, also when two hosts ask at the same time.
 */
import { expect } from 'vitest'
import type { Host } from '../kit/host.ts'
import { sharedNetwork } from '../kit/network.ts'
import { scenario } from '../kit/scenario.ts'
import { together } from '../kit/together.ts'

const plugin = 'curl -sf --unix-socket /run/docker/plugins/vxlan.sock'

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

scenario('both hosts lease a hundred addresses at once, and all are different', async ({ net1, net2 }) => {
  const pool = '10.60.0.0/16'
  await using _crowd = await sharedNetwork([net1, net2], 'crowd', ['--subnet', pool])
  const [first = [], second = []] = await together([lease(net1, pool, 100), lease(net2, pool, 100)])
  expect(first).toHaveLength(100)
  expect(second).toHaveLength(100)
  expect(new Set([...first, ...second]).size).toBe(200)
  await together([release(net1, pool, first), release(net2, pool, second)])
})

scenario(
  'a full /28 is an error with the numbers; when it is empty again, it can be filled again',
  { timeout: 120_000 },
  async ({ net1, net2 }) => {
    const pool = '10.50.0.0/28'
    await using _small = await sharedNetwork([net1, net2], 'small', ['--subnet', pool])
    for (const [host, other] of [
      [net1, net2],
      [net2, net1],
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
