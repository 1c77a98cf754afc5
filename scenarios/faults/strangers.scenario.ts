/**
 * Strangers send frames into a network: from containers, from another interface, from a machine that is no
 * member, with the source address of a member. None arrives, and none moves a MAC.
 */
import { expect } from 'vitest'
import { sending } from '../kit/forged-frame.ts'
import type { Container, Host } from '../kit/host.ts'
import { insideNetwork, macOf, vniOn } from '../kit/inside.ts'
import { sharedNetwork } from '../kit/network.ts'
import { scenario } from '../kit/scenario.ts'

const times = 1000

/** Echo requests that have reached the container. */
async function echoesIn(container: Container): Promise<number> {
  const text = await container.succeed`grep ^Icmp: /proc/net/snmp`
  const [names = [], values = []] = text
    .trim()
    .split('\n')
    .map((line) => line.split(' '))
  return Number(values[names.indexOf('InEchos')])
}

/** Refused packets by the filter's own counters. */
async function refusedOn(...hosts: Host[]): Promise<number> {
  const all = hosts.map((host) => host.succeed`nft list counters table inet multihost`)
  return (await Promise.all(all))
    .flatMap((text) => [...text.matchAll(/packets (\d+)/g)])
    .reduce((sum, [, packets]) => sum + Number(packets), 0)
}

/** A machine beside the host, on an interface of its own, with an address. */
async function neighbour(host: Host, address: string): Promise<AsyncDisposable> {
  await host.succeed`ip netns add stranger`
  await host.succeed`ip link add stranger type veth peer name eth0 netns stranger`
  await host.succeed`ip address add 10.66.0.1/24 dev stranger; ip link set stranger up`
  await host.succeed`sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.stranger.rp_filter=0`
  await host.succeed`ip -n stranger address add ${address} dev eth0; ip -n stranger link set eth0 up`
  await host.succeed`ip -n stranger route replace 10.66.0.0/24 dev eth0`
  return {
    async [Symbol.asyncDispose]() {
      await host.succeed`ip netns del stranger`
      await host.waitUntilSucceeds`! ip link show stranger 2> /dev/null`
    },
  }
}

interface Places {
  hostA: Host
  hostB: Host
  consulServer: Host
  vni: number
  /** On the network: two on host A, one on host B. */
  a: Container
  local: Container
  remote: Container
  /** On another network. */
  inOther: Container
}

/** Who sends, and how. Each sends as many packets. */
async function attemptsOf(places: Places): Promise<[string, () => Promise<unknown>][]> {
  const { hostA, hostB, consulServer, vni, a, local, remote, inOther } = places
  const gateway = async (bridge: string) =>
    JSON.parse(await hostA.succeed`ip -4 -j address show ${bridge}`)[0].addr_info[0].local
  const onBridge = (text: string) => [
    ...['docker', 'run', '--rm', '--network', 'bridge', 'debian:13'],
    ...['bash', '-c', text],
  ]
  const inNamespace = (text: string) => ['ip', 'netns', 'exec', 'stranger', 'bash', '-c', text]
  const frame = { vni, from: local.address, to: a.address }
  const toBridge = sending(frame, await gateway('docker0'), times)
  const toOther = sending(frame, await gateway('docker_gwbridge'), times)
  const toMember = sending({ vni, from: local.address, to: remote.address }, hostB.address, times)
  const fromNeighbour = async (address: string): Promise<void> => {
    await using _machine = await neighbour(hostA, address)
    await hostA.succeed`${inNamespace(sending(frame, '10.66.0.1', times))}`
  }
  return [
    ['a container of another network', () => inOther.succeed`bash -c ${toOther}`],
    ['a container on the bridge of the host', () => hostA.succeed`${onBridge(toBridge)}`],
    ['a container, through NAT, to another host', () => hostA.succeed`${onBridge(toMember)}`],
    ['a user of a host that is a member', () => hostA.succeed`setpriv --reuid 65534 bash -c ${toMember}`],
    ['the host’s other interface', () => fromNeighbour('10.66.0.2/24')],
    ['a member’s address on the wrong interface', () => fromNeighbour(`${hostB.address}/32`)],
    [
      'a machine on the underlay that is not a member',
      () => consulServer.succeed`bash -c ${sending(frame, hostA.address, times)}`,
    ],
  ]
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
    expect((await echoesIn(a)) - fromMember, 'a member’s own frames arrive').toBe(10)

    const attempts = await attemptsOf({ hostA, hostB, consulServer, vni, local, a, remote, inOther })
    for (const [who, send] of attempts) {
      const [echoes, refused] = [await echoesIn(a), await refusedOn(hostA, hostB)]
      const atRemote = await echoesIn(remote)
      await send()
      expect((await refusedOn(hostA, hostB)) - refused, `refused: ${who}`).toBe(times)
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
  'the filter is mended, survives restarts, and drops no packet of a member',
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
    await hostA.succeed`systemctl stop multihost`
    expect((await rules()).stdout).toBe(right)
    await hostA.succeed`systemctl start multihost`
    await hostA.waitUntilSucceeds`multihost status --json > /dev/null`
    await hostA.waitUntilSucceeds`docker start one`
    await b.waitUntilSucceeds`ping -c1 -W1 ${await a.currentAddress()}`
  },
)
