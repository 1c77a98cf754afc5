/**
 * A disk without a byte left, on a host and under Consul: nothing that runs is disturbed, what cannot be done is refused
 * in words, and all is right within 5 s of there being room again.
 */
import { expect } from 'vitest'
import { converged, convergesWithinMs } from '../kit/converged.ts'
import { lostWhile } from '../kit/pings.ts'
import { scenario } from '../kit/scenario.ts'
import { withSteadyPair } from '../kit/steady.ts'

const starts = 'docker run --rm --network steady debian:13 true'

scenario(
  'a full disk on a host: names and traffic of what runs there stay, other hosts are free',
  { timeout: 240_000 },
  async ({ net1, net2, faults }) => {
    await using engineDisk = await faults.smallDisk(net1, '/var/lib/docker', 'docker.socket', 'docker')
    await using driverDisk = await faults.smallDisk(net1, '/var/lib/multihost', 'multihost')
    await withSteadyPair(net1, net2, async (a, b) => {
      await a.waitUntilSucceeds`grep -q two.steady /etc/hosts`
      await using fullEngine = await engineDisk.fill()
      await using fullDriver = await driverDisk.fill()
      const lost = await lostWhile(b, a, async () => {
        await using there = await net2.run({ name: 'there', network: 'steady' })
        await there.succeed`ping -c1 -W1 ${a.address}`
        expect(await net1.fail`timeout 10 sh -c ${starts}`).toMatch(/no space left/i)
        await net1.waitUntilSucceeds`multihost status --json | jq -e '.store.fresh'`
        expect(await a.succeed`cat /etc/hosts`).toMatch(/\ttwo\.steady$/m)
        expect(await a.succeed`cat /etc/hosts`).toMatch(/^127\.0\.0\.1\s+localhost/m)
      })
      expect(lost).toBe(0)

      await fullEngine.heal()
      await fullDriver.heal()
      await converged([net1, net2], [a, b])
      await net1.within(convergesWithinMs).waitUntilSucceeds`sh -c ${starts}`
      // The copy on disk is kept up again, so that a start without Consul knows what there is.
      await using after = await net2.run({ name: 'after', network: 'steady' })
      await net1.within(convergesWithinMs)
        .waitUntilSucceeds`grep -q ${after.id} /var/lib/multihost/snapshot.json`
    })
  },
)

scenario(
  'a full disk under Consul: what runs goes on, new containers are refused with the reason, and then start again',
  { timeout: 240_000 },
  async ({ net1, net2, consulServer, faults }) => {
    await using disk = await faults.smallDisk(consulServer, '/var/lib/consul', 'consul')
    await withSteadyPair(net1, net2, async (a, b) => {
      await using full = await disk.fill()
      const lost = await lostWhile(a, b, async () => {
        await net1.succeed`timeout 2 docker network ls`
        const words = await net1.waitUntilSucceeds`sh -c ${`! timeout 8 ${starts} 2>&1`}`
        expect(words).toMatch(/Consul|consul/)
      })
      expect(lost).toBe(0)

      await full.heal()
      await converged([net1, net2], [a, b])
      for (const host of [net1, net2]) await host.within(convergesWithinMs).waitUntilSucceeds`sh -c ${starts}`
    })
  },
)
