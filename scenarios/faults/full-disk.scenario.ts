/**
 * A full disk, on a host and under Consul: running containers are not disturbed, what cannot be done is
 * refused with the reason, and the lab converges within 5 s after space is free and Consul answers again.
 */
import { expect } from 'vitest'
import { converged, convergesWithinMs } from '../kit/converged.ts'
import { sharedNetwork } from '../kit/network.ts'
import { lostWhile } from '../kit/pings.ts'
import { scenario } from '../kit/scenario.ts'
import { withSteadyPair } from '../kit/steady.ts'

const starts = 'docker run --rm --network steady debian:13 true'
/**
 * Prints why a new network is refused; fails while it is not. Consul takes some commits more before its disk
 * is full.
 */
const refused = `words=$(timeout 30 docker network create -d vxlan --ipam-driver vxlan more 2>&1)
case $? in 0) docker network rm more; false ;; 124) false ;; *) echo "$words" ;; esac`

scenario(
  'a full disk on a host: its running containers keep names and traffic, other hosts start containers',
  async ({ hostA, hostB, faults }) => {
    await using engineDisk = await faults.smallDisk(hostA, '/var/lib/docker', 'docker.socket', 'docker')
    await using driverDisk = await faults.smallDisk(hostA, '/var/lib/multihost', 'multihost')
    await withSteadyPair(hostA, hostB, async (a, b) => {
      await a.waitUntilSucceeds`grep -q two.steady /etc/hosts`
      await using fullEngine = await engineDisk.fill()
      await using fullDriver = await driverDisk.fill()
      const lost = await lostWhile(b, a, async () => {
        await using there = await hostB.run({ name: 'there', network: 'steady' })
        await there.waitUntilSucceeds`ping -c1 -W1 ${a.address}`
        expect(await hostA.fail`timeout 10 sh -c ${starts}`).toMatch(/no space left/i)
        await hostA.waitUntilSucceeds`multihost status --json | jq -e '.store.fresh'`
        expect(await a.succeed`cat /etc/hosts`).toMatch(/\ttwo\.steady$/m)
        expect(await a.succeed`cat /etc/hosts`).toMatch(/^127\.0\.0\.1\s+localhost/m)
      })
      expect(lost).toBe(0)

      await fullEngine.heal()
      await fullDriver.heal()
      await converged([hostA, hostB], [a, b])
      await hostA.within(convergesWithinMs).waitUntilSucceeds`sh -c ${starts}`
      // The copy on disk is current again: a start without Consul needs it.
      await using after = await hostB.run({ name: 'after', network: 'steady' })
      await hostA.within(convergesWithinMs)
        .waitUntilSucceeds`grep -q ${after.id} /var/lib/multihost/snapshot.json`
    })
  },
)

scenario(
  'a full disk under Consul: traffic goes on, containers start, a new network is refused with the reason',
  async ({ hostA, hostB, consulServer, faults }) => {
    await using disk = await faults.smallDisk(consulServer, '/var/lib/consul', 'consul')
    await withSteadyPair(hostA, hostB, async (a, b) => {
      await using full = await disk.fill()
      const lost = await lostWhile(a, b, async () => {
        await hostA.succeed`timeout 4 docker network ls`
        const words = await hostA.within(60_000).waitUntilSucceeds`sh -c ${refused}`
        expect(words).toMatch(/Consul|consul/)
        await hostA.succeed`sh -c ${starts}`
      })
      expect(lost).toBe(0)

      await full.heal()
      await converged([hostA, hostB], [a, b])
      for (const host of [hostA, hostB])
        await host.within(convergesWithinMs).waitUntilSucceeds`sh -c ${starts}`
      await using _more = await sharedNetwork([hostA, hostB], 'more')
    })
  },
)
