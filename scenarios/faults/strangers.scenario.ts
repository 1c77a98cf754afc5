/**
 * The filter against strangers: it counts each of their frames, none moves a MAC, and it is repaired when
 * another program removes it. conformance/strangers has the same frames for any driver.
 */
import { expect } from 'vitest'
import { atEnd } from '../kit/at-end.ts'
import { sending } from '../kit/forged-frame.ts'
import type { Host } from '../kit/host.ts'
import { insideNetwork, macOf, vniOn } from '../kit/inside.ts'
import { sharedNetwork } from '../kit/network.ts'
import { lostWhile } from '../kit/pings.ts'
import { scenario } from '../kit/scenario.ts'
import { attemptsOf, echoesIn, times } from '../kit/strangers.ts'
import { together } from '../kit/together.ts'

/** Refused packets by the filter's own counters. */
async function refusedOn(...hosts: Host[]): Promise<number> {
  const all = hosts.map((host) => host.succeed`nft list counters table inet multihost`)
  return (await together(all))
    .flatMap((text) => [...text.matchAll(/packets (\d+)/g)])
    .reduce((sum, [, packets]) => sum + Number(packets), 0)
}

scenario(
  'forged frames of strangers do not arrive, and move no MAC',
  async ({ hostA, hostB, consulServer }) => {
    await using network = await sharedNetwork([hostA, hostB], 'closed')
    await using other = await sharedNetwork([hostA, hostB], 'unrelated')
    await using a = await hostA.run({ name: 'victim', network: network.name })
    await using local = await hostA.run({ name: 'local', network: network.name })
    await using remote = await hostB.run({ name: 'remote', network: network.name })
    await using inOther = await hostA.run({ name: 'inother', network: other.name })
    const vni = await vniOn(hostA, network.name)
    const inside = await insideNetwork(hostA, network.name)
    const macs = () => inside('bridge fdb show br br0 | grep -v permanent | sort')
    const before = await macs()
    expect(before).toContain(`${macOf(local.address)} dev veth`)

    const fromMember = await echoesIn(a)
    const own = { vni, from: remote.address, to: a.address }
    await hostB.succeed`bash -c ${sending(own, hostA.address, 10)}`
    const arrived = async () => (await echoesIn(a)) - fromMember
    await expect.poll(arrived, { message: 'a member’s own frames arrive' }).toBe(10)

    const attempts = await attemptsOf({ hostA, hostB, consulServer, vni, local, a, remote, inOther })
    for (const [who, send] of attempts) {
      const [echoes, refused] = [await echoesIn(a), await refusedOn(hostA, hostB)]
      const atRemote = await echoesIn(remote)
      await send()
      const more = async () => (await refusedOn(hostA, hostB)) - refused
      await expect.poll(more, { message: `refused: ${who}` }).toBe(times)
      expect(await echoesIn(a), `arrived: ${who}`).toBe(echoes)
      expect(await echoesIn(remote), `arrived at the other host: ${who}`).toBe(atRemote)
    }
    expect(await macs()).toBe(before)
    const seen = 'curl -s --unix-socket /run/multihost/control.sock http://localhost/metrics'
    await hostA.within(15_000)
      .waitUntilSucceeds`sh -c ${`${seen} | grep -E '^multihost_filter_refused_packets.*arriving.* [1-9][0-9]{3}'`}`
    await local.succeed`ping -c1 -W1 ${remote.address}`
  },
)

scenario('a container cannot take the MAC of another one', async ({ hostA, hostB }) => {
  await using network = await sharedNetwork([hostA, hostB], 'closed')
  await using thief = await hostA.run({ name: 'thief', network: network.name })
  await using here = await hostA.run({ name: 'here', network: network.name })
  await using there = await hostB.run({ name: 'there', network: network.name })
  const inside = await insideNetwork(hostA, network.name)
  const macs = () => inside('bridge fdb show br br0 | grep -v permanent | sort')
  const before = await macs()
  const pid = await hostA.succeed`docker inspect -f ${'{{.State.Pid}}'} ${thief.id}`
  for (const victim of [here, there]) {
    const forge = `ip link add forged link eth0 address ${macOf(victim.address)} type macvlan mode bridge && ip link set forged up && ip address add 10.99.0.1/24 dev forged && for i in 1 2 3; do arping -c1 -w1 -I forged 10.99.0.2 || ping -c1 -W1 10.99.0.2; done; ip link del forged`
    await hostA.succeed`nsenter -t ${pid.trim()} -n sh -c ${forge}`
    expect(await macs()).toBe(before)
  }
  await here.succeed`ping -c3 -i0.2 -W1 ${there.address}`
})

scenario(
  'the filter is repaired, survives restarts, and drops no packet of a member',
  async ({ hostA, hostB }) => {
    await using network = await sharedNetwork([hostA, hostB], 'closed')
    await using a = await hostA.run({ name: 'one', network: network.name })
    await using b = await hostB.run({ name: 'two', network: network.name })
    const rules = () => hostA.run`nft list chain inet multihost judge`
    const right = (await rules()).stdout
    expect(right).toContain(hostB.address)
    await hostA.succeed`nft flush ruleset && systemctl restart docker`
    await hostA.within(20_000)
      .waitUntilSucceeds`nft list chain inet multihost judge | grep -F ${hostB.address}`
    expect((await rules()).stdout).toBe(right)
    await hostA.waitUntilSucceeds`docker start one`
    await b.waitUntilSucceeds`ping -c1 -W1 ${await a.currentAddress()}`
    const lost = await lostWhile(b, { address: await a.currentAddress() }, async () => {
      await hostA.succeed`systemctl stop multihost`
      await using _driver = atEnd(() => hostA.succeed`systemctl start multihost`)
      expect((await rules()).stdout).toBe(right)
      await hostA.succeed`systemctl start multihost`
      await hostA.waitUntilSucceeds`multihost status --json > /dev/null`
    })
    expect(lost).toBe(0)
  },
)
