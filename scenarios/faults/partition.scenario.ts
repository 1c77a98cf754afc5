/**
 * A host that is cut off from Consul, from another host or from both: what each host can still do, and
 * convergence within 5 s after the partition is healed.
 */
import { expect } from 'vitest'
import { converged, convergesWithinMs } from '../kit/converged.ts'
import { gone, refusesNew, sharedNetwork } from '../kit/network.ts'
import { lostWhile } from '../kit/pings.ts'
import { scenario } from '../kit/scenario.ts'
import { withSteadyPair } from '../kit/steady.ts'
import { together } from '../kit/together.ts'

scenario(
  'a host cut off from Consul: containers start and stop, new networks are refused, others notice nothing',
  async ({ hostA, hostB, consulServer, faults }) => {
    await withSteadyPair(hostA, hostB, async (a, b) => {
      await using ending = await hostA.run({ name: 'ending', network: 'steady' })
      await b.waitUntilSucceeds`ping -c1 -W1 ending`
      await using cut = await faults.partition(hostA, consulServer)
      await using late = await hostB.run({ name: 'late-one', network: 'steady' })
      const lost = await lostWhile(a, b, async () => {
        await hostA.succeed`timeout 4 docker network ls`
        await refusesNew(hostA)
        // The other hosts learn of it when Consul is reached again; until then only this host leads to it.
        await hostA.succeed`docker run --rm --network steady debian:13 ping -c1 -W1 ${a.address}`
        await ending.remove()
        expect(await hostA.succeed`multihost status`).toMatch(/away/)
        await late.succeed`ping -c1 -W1 two`
        await hostB.succeed`docker run --rm --network steady debian:13 ping -c1 -W1 ${b.address}`
      })
      expect(lost).toBe(0)

      await cut.heal()
      await converged([hostA, hostB], [a, b, late])
      await b.within(convergesWithinMs).waitUntilSucceeds`! grep -q ending /etc/hosts`
      await hostA.waitUntilSucceeds`docker run --rm --network steady debian:13 ping -c1 -W1 ${late.address}`
    })
  },
)

scenario(
  'two hosts cut off from each other: both start containers and create networks, and all meet when it is healed',
  async ({ hostA, hostB, faults }) => {
    await withSteadyPair(hostA, hostB, async (a, b) => {
      await using cut = await faults.partition(hostA, hostB)
      await a.fail`ping -c1 -W1 ${b.address}`
      await using here = await hostA.run({ name: 'here', network: 'steady' })
      await using there = await hostB.run({ name: 'there', network: 'steady' })
      await here.succeed`ping -c1 -W1 ${a.address}`
      await there.succeed`ping -c1 -W1 ${b.address}`
      await hostA.succeed`docker network create -d vxlan --ipam-driver vxlan apart`
      await hostB.waitUntilSucceeds`docker network inspect apart > /dev/null`
      await hostB.succeed`docker network rm apart`
      await gone(hostA, 'apart')

      await cut.heal()
      await converged([hostA, hostB], [a, b, here, there])
    })
  },
)

scenario(
  'a host cut off from all: its containers reach each other, other hosts go on, and all meet when it is healed',
  async ({ hostA, hostB, consulServer, faults }) => {
    await withSteadyPair(hostA, hostB, async (a, b) => {
      await using beside = await hostA.run({ name: 'beside', network: 'steady' })
      await using fromConsul = await faults.partition(hostA, consulServer)
      await using fromOther = await faults.partition(hostA, hostB)
      const lost = await lostWhile(a, beside, async () => {
        await a.fail`ping -c1 -W1 ${b.address}`
        await refusesNew(hostA)
      })
      expect(lost).toBe(0)
      await using late = await hostB.run({ name: 'late-one', network: 'steady' })
      await late.succeed`ping -c1 -W1 ${b.address}`

      await fromConsul.heal()
      await fromOther.heal()
      await converged([hostA, hostB], [a, b, beside, late])
    })
  },
)

scenario(
  'a host that is unplugged for longer than its session’s TTL comes back',
  async ({ hostA, hostB, faults }) => {
    await withSteadyPair(hostA, hostB, async (a, b) => {
      await using unplugged = await faults.unplug(hostA)
      await refusesNew(hostA)
      await hostB.within(60_000).waitUntilSucceeds`multihost host ls | grep -E ${`^${hostA.name} .* away`}`
      await using late = await hostB.run({ name: 'late-one', network: 'steady' })
      expect(late.address).not.toBe(a.address)

      await unplugged.heal()
      await converged([hostA, hostB], [a, b, late])
    })
  },
)

scenario(
  'a name of members on two hosts leads to the host that is left, and to all members when the other is back',
  async ({ hostA, hostB, faults }) => {
    await using foobar = await sharedNetwork([hostA, hostB], 'foobar')
    const member = { network: foobar.name, args: ['--network-alias', 'api'] }
    await using a1 = await hostA.run({ ...member, name: 'a1' })
    await using a2 = await hostA.run({ ...member, name: 'a2' })
    await using b1 = await hostB.run({ ...member, name: 'b1' })
    await using b2 = await hostB.run({ ...member, name: 'b2' })
    await using c1 = await hostA.run({ name: 'c1', network: foobar.name })
    await using c2 = await hostA.run({ name: 'c2', network: foobar.name })
    await using c3 = await hostA.run({ name: 'c3', network: foobar.name })
    await using c4 = await hostA.run({ name: 'c4', network: foobar.name })
    const clients = [c1, c2, c3, c4]
    const all = [a1, a2, b1, b2].map(({ address }) => address).sort()
    const everyClientKnows = (addresses: readonly string[]) =>
      together(
        clients.map(
          (client) =>
            client.within(10_000)
              .waitUntilSucceeds`awk '$2 == "api" { print $1 }' /etc/hosts | sort | xargs | grep -x ${addresses.join(' ')}`,
        ),
      )
    await everyClientKnows(all)

    await using unplugged = await faults.unplug(hostB)
    await everyClientKnows([a1, a2].map(({ address }) => address).sort())
    await together(clients.map((client) => client.succeed`ping -c1 -W1 api`))
    expect(await c1.succeed`cat /etc/hosts`, 'the only member of its name').toContain(`${b1.address}\tb1\n`)

    await unplugged.heal()
    await everyClientKnows(all)
    await together(
      clients.map((client) => client.within(convergesWithinMs).waitUntilSucceeds`ping -c1 -W1 b1`),
    )
  },
)
