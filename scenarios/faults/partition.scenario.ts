/**
 * A host that is cut off from Consul, from another host or from both: what each host can still do, and convergence
 * within 5 s after the partition is healed.
 */
import { expect } from 'vitest'
import { converged, convergesWithinMs } from '../kit/converged.ts'
import type { Host } from '../kit/host.ts'
import { gone } from '../kit/network.ts'
import { lostWhile } from '../kit/pings.ts'
import { scenario } from '../kit/scenario.ts'
import { withSteadyPair } from '../kit/steady.ts'

/** Checks that a new container is refused within 5 s, with an error that names Consul. */
async function refusesNew(host: Host): Promise<void> {
  const words = await host.fail`timeout 5 docker run --rm --network steady debian:13 true`
  expect(words).toMatch(/Consul/)
}

scenario(
  'a host cut off from Consul: its containers run and stop, new ones are refused, other hosts are not affected',
  async ({ net1, net2, consulServer, faults }) => {
    await withSteadyPair(net1, net2, async (a, b) => {
      await using ending = await net1.run({ name: 'ending', network: 'steady' })
      await b.waitUntilSucceeds`ping -c1 -W1 ending`
      await using cut = await faults.partition(net1, consulServer)
      await using late = await net2.run({ name: 'late-one', network: 'steady' })
      const lost = await lostWhile(a, b, async () => {
        await net1.succeed`timeout 2 docker network ls`
        await refusesNew(net1)
        expect(await net1.fail`timeout 5 docker network create -d vxlan --ipam-driver vxlan more`).toMatch(
          /Consul/,
        )
        await ending.remove()
        expect(await net1.succeed`multihost status`).toMatch(/away/)
        await late.succeed`ping -c1 -W1 two`
        await net2.succeed`docker run --rm --network steady debian:13 ping -c1 -W1 ${b.address}`
      })
      expect(lost).toBe(0)

      await cut.heal()
      await converged([net1, net2], [a, b, late])
      await b.within(convergesWithinMs).waitUntilSucceeds`! grep -q ending /etc/hosts`
      await net1.succeed`docker run --rm --network steady debian:13 ping -c1 -W1 ${late.address}`
    })
  },
)

scenario(
  'two hosts cut off from each other: both start containers and create networks, and all meet when it is healed',
  async ({ net1, net2, faults }) => {
    await withSteadyPair(net1, net2, async (a, b) => {
      await using cut = await faults.partition(net1, net2)
      await a.fail`ping -c1 -W1 ${b.address}`
      await using here = await net1.run({ name: 'here', network: 'steady' })
      await using there = await net2.run({ name: 'there', network: 'steady' })
      await here.succeed`ping -c1 -W1 ${a.address}`
      await there.succeed`ping -c1 -W1 ${b.address}`
      await net1.succeed`docker network create -d vxlan --ipam-driver vxlan apart`
      await net2.waitUntilSucceeds`docker network inspect apart > /dev/null`
      await net2.succeed`docker network rm apart`
      await gone(net1, 'apart')

      await cut.heal()
      await converged([net1, net2], [a, b, here, there])
    })
  },
)

scenario(
  'a host cut off from all: its containers reach each other, other hosts go on, and all meet when it is healed',
  async ({ net1, net2, consulServer, faults }) => {
    await withSteadyPair(net1, net2, async (a, b) => {
      await using beside = await net1.run({ name: 'beside', network: 'steady' })
      await using fromConsul = await faults.partition(net1, consulServer)
      await using fromOther = await faults.partition(net1, net2)
      const lost = await lostWhile(a, beside, async () => {
        await a.fail`ping -c1 -W1 ${b.address}`
        await refusesNew(net1)
      })
      expect(lost).toBe(0)
      await using late = await net2.run({ name: 'late-one', network: 'steady' })
      await late.succeed`ping -c1 -W1 ${b.address}`

      await fromConsul.heal()
      await fromOther.heal()
      await converged([net1, net2], [a, b, beside, late])
    })
  },
)

scenario(
  'a host that is unplugged for longer than its session’s TTL comes back',
  async ({ net1, net2, faults }) => {
    await withSteadyPair(net1, net2, async (a, b) => {
      await using unplugged = await faults.unplug(net1)
      await refusesNew(net1)
      await net2.within(60_000).waitUntilSucceeds`multihost host ls | grep -E ${'^net-1 .* away'}`
      await using late = await net2.run({ name: 'late-one', network: 'steady' })
      expect(late.address).not.toBe(a.address)

      await unplugged.heal()
      await converged([net1, net2], [a, b, late])
    })
  },
)
