/**
 * A lossy network, a slow network, and processes that are stopped: traffic goes on, and the lab converges
 * within 5 s after the fault is healed.
 */
import { expect } from 'vitest'
import { converged, convergesWithinMs } from '../kit/converged.ts'
import { lostWhile } from '../kit/pings.ts'
import { scenario } from '../kit/scenario.ts'
import { withSteadyPair } from '../kit/steady.ts'

scenario(
  'a fifth of the packets is lost: containers start, are reached by name, and have different addresses',
  async ({ hostA, hostB, faults }) => {
    await withSteadyPair(hostA, hostB, async (a, b) => {
      await using lossy = await faults.lose(hostA, 20, hostB)
      await using here = await hostA.run({ name: 'here', network: 'steady' })
      await using there = await hostB.run({ name: 'there', network: 'steady' })
      for (const to of [b, there]) await here.waitUntilSucceeds`ping -c1 -W1 ${to.name}`
      expect(new Set([a, b, here, there].map(({ address }) => address)).size).toBe(4)

      await lossy.heal()
      await converged([hostA, hostB], [a, b, here, there])
    })
  },
)

scenario(
  'a network with a delay of 100 ms: containers start and are reached by name',
  async ({ hostA, hostB, consulServer, faults }) => {
    await withSteadyPair(hostA, hostB, async (a, b) => {
      await using slow = await faults.slow(hostA, 100, consulServer)
      const lost = await lostWhile(a, b, async () => {
        await using here = await hostA.run({ name: 'here', network: 'steady' })
        await using there = await hostB.run({ name: 'there', network: 'steady' })
        for (const to of [b, there]) await here.waitUntilSucceeds`ping -c1 -W1 ${to.name}`
      })
      expect(lost).toBe(0)

      await slow.heal()
      await converged([hostA, hostB], [a, b])
    })
  },
)

scenario(
  'a stopped engine: its containers learn the names of new containers on other hosts',
  async ({ hostA, hostB, faults }) => {
    await withSteadyPair(hostA, hostB, async (a, b) => {
      const hostsFile = await hostA.succeed`docker inspect -f ${'{{.HostsPath}}'} ${a.id}`
      await using paused = await faults.pause(hostA, 'docker')
      // Pings from the other host, because `docker exec` hangs too.
      const lost = await lostWhile(b, a, async () => {
        await hostA.fail`timeout 2 docker ps`
        await hostA.succeed`timeout 5 multihost status > /dev/null`
        await using there = await hostB.run({ name: 'there', network: 'steady' })
        await there.waitUntilSucceeds`ping -c1 -W1 ${a.address}`
        await hostA.waitUntilSucceeds`grep -q there.steady ${hostsFile}`
      })
      expect(lost).toBe(0)

      await paused.heal()
      await converged([hostA, hostB], [a, b])
      await hostA.within(convergesWithinMs).waitUntilSucceeds`docker run --rm --network steady debian:13 true`
    })
  },
)

scenario(
  'a Consul that is stopped for a minute: traffic goes on, and containers start again when it continues',
  async ({ hostA, hostB, consulServer, faults }) => {
    await withSteadyPair(hostA, hostB, async (a, b) => {
      await using paused = await faults.pause(consulServer, 'consul')
      const lost = await lostWhile(a, b, async () => {
        const minute = 'multihost status --json | jq -e ".store.ageMs > 60000"'
        for (const host of [hostA, hostB]) await host.within(90_000).waitUntilSucceeds`sh -c ${minute}`
      })
      expect(lost).toBe(0)

      await paused.heal()
      await converged([hostA, hostB], [a, b])
      for (const host of [hostA, hostB]) {
        await host.within(convergesWithinMs)
          .waitUntilSucceeds`docker run --rm --network steady debian:13 true`
      }
    })
  },
)
