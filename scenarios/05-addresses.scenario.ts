/**
 * No two containers ever get one address, also when both hosts ask at the same moment.
 */
import { expect } from 'vitest'
import type { Host } from './host.ts'
import { scenario } from './scenario.ts'

const perHost = 50

/** Creates containers without starting them would not lease; these are started by eight at a time. */
async function many(host: Host, network: string): Promise<void> {
  const one = `docker run -d --name ${network}-$1 --network ${network} debian:13 sleep infinity > /dev/null`
  await host.succeed`seq ${perHost} | xargs -P 8 -n 1 sh -c ${one} sh`
}

async function addresses(host: Host, network: string): Promise<string[]> {
  const ask = `docker ps -q --filter network=${network} | xargs docker inspect -f '{{(index .NetworkSettings.Networks "${network}").IPAddress}}'`
  return (await host.succeed`sh -c ${ask}`).split('\n')
}

async function clear(host: Host, network: string): Promise<void> {
  const all = `docker ps -aq --filter network=${network} | xargs -r docker rm -f > /dev/null`
  await host.succeed`sh -c ${all}`
}

scenario(
  'both hosts start containers at once, and every address is unique',
  { timeout: 300_000 },
  async ({ net1, net2 }) => {
    await net1.succeed`docker network create -d vxlan --ipam-driver vxlan crowd`
    await net2.waitUntilSucceeds`docker network inspect crowd`
    try {
      await Promise.all([many(net1, 'crowd'), many(net2, 'crowd')])
      const all = [...(await addresses(net1, 'crowd')), ...(await addresses(net2, 'crowd'))]
      expect(all).toHaveLength(2 * perHost)
      expect(new Set(all).size).toBe(2 * perHost)
    } finally {
      await Promise.all([clear(net1, 'crowd'), clear(net2, 'crowd')])
    }
    await net1.succeed`docker network rm crowd`
  },
)

scenario(
  'a /28 is filled, the error names the numbers, and emptied it is filled again',
  { timeout: 180_000 },
  async ({ net1, net2 }) => {
    await net1.succeed`docker network create -d vxlan --ipam-driver vxlan --subnet 10.50.0.0/28 small`
    await net2.waitUntilSucceeds`docker network inspect small`
    for (const [host, other] of [
      [net1, net2],
      [net2, net1],
    ] as const) {
      const fill =
        'for i in $(seq 12); do docker run -d --name small-$i --network small debian:13 sleep infinity > /dev/null || exit 1; done'
      await host.succeed`sh -c ${fill}`
      const all = await addresses(host, 'small')
      expect(new Set(all).size).toBe(12)
      const words = await other.fail`docker run --rm --network small debian:13 true`
      expect(words).toContain('no free address in 10.50.0.0/28')
      expect(words).toContain('12 of 12')
      await clear(host, 'small')
    }
    await net1.succeed`docker network rm small`
  },
)
