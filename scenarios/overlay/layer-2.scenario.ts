/**
 * Layer 2: one MAC for each container of a network, an MTU that changes, and addresses that move.
 */
import { expect } from 'vitest'
import { convergesWithinMs } from '../kit/converged.ts'
import type { Container, Host } from '../kit/host.ts'
import { pair, sharedNetwork } from '../kit/network.ts'
import { scenario } from '../kit/scenario.ts'

async function macOf(host: Host, { name }: Container, network: string): Promise<string> {
  return await host.succeed`docker inspect -f ${`{{.NetworkSettings.Networks.${network}.MacAddress}}`} ${name}`
}

async function reachEachOther(all: readonly Container[]): Promise<void> {
  for (const from of all) for (const to of all) await from.waitUntilSucceeds`ping -c1 -W1 -q ${to.address}`
}

scenario(
  'a MAC that another container was given is chosen otherwise, or refused with its holder',
  async ({ hostA, hostB }) => {
    const ofFive = '02:42:0a:3f:00:05'
    const options = ['--subnet', '10.63.0.0/24']
    await using _network = await sharedNetwork([hostA, hostB], 'macs', options)
    const on = { network: 'macs' }
    const given = ['--ip', '10.63.0.9', '--mac-address', ofFive]
    await using nine = await hostA.run({ ...on, name: 'nine', args: given })
    await using five = await hostB.run({ ...on, name: 'five', args: ['--ip', '10.63.0.5'] })
    expect(await macOf(hostA, nine, 'macs')).toBe(ofFive)
    expect(await macOf(hostB, five, 'macs')).toBe('06:42:0a:3f:00:05')
    await using local = await hostA.run({ ...on, name: 'local' })
    await reachEachOther([nine, five, local])
    for (const host of [hostA, hostB]) {
      const words = await host.fail`docker run --rm --network macs --mac-address ${ofFive} debian:13 true`
      expect(words).toContain(`the MAC ${ofFive} belongs to container nine on ${hostA.name} in network macs`)
    }
    // A restart asks for nothing: the engine keeps no MAC that it was not given.
    await hostB.succeed`docker restart -t 0 five`
    await reachEachOther([nine, five, local])
  },
)

/** The MTU of the interface with the host's VTEP, for the length of a scope. */
async function underlayMtu(host: Host, mtuBytes: number): Promise<AsyncDisposable> {
  const set = (bytes: number) =>
    `ip link set $(ip -o -4 address | grep -F ${host.address}/ | cut -d' ' -f2) mtu ${bytes}`
  await host.succeed`sh -c ${set(mtuBytes)}`
  return {
    async [Symbol.asyncDispose]() {
      await host.succeed`sh -c ${set(1500)}`
    },
  }
}

const hasMtu = (bytes: number): string => `grep -qx ${bytes} /sys/class/net/eth0/mtu`

scenario(
  'the underlay’s MTU falls and rises under running containers: packets arrive, or the sender is told',
  async ({ hostA, hostB }) => {
    await using _network = await sharedNetwork([hostA, hostB], 'mtu')
    await using two = await pair(hostA, hostB, 'mtu')
    const { a, b } = two
    const large = (to: Container): string => `ping -c1 -W1 -q -s 1400 ${to.address}`
    await a.waitUntilSucceeds`sh -c ${large(b)}`
    {
      await using _there = await underlayMtu(hostB, 1400)
      {
        await using _here = await underlayMtu(hostA, 1400)
        // Before a driver has noticed, the kernel tells the sender: the first packet may be its error.
        await a.within(convergesWithinMs).waitUntilSucceeds`sh -c ${large(b)}`
        for (const each of [a, b]) await each.waitUntilSucceeds`sh -c ${hasMtu(1350)}`
        for (const [from, to] of [
          [a, b],
          [b, a],
        ] as const)
          await from.succeed`sh -c ${large(to)}`
        expect(await a.fail`ping -c1 -W1 -M do -s 1400 ${b.address}`).toMatch(
          /message too long|mtu ?= ?1350/i,
        )
      }
      // The other host's is still small: what is longer could not arrive there.
      await hostA.waitUntilSucceeds`multihost status | grep 'MTU 1500'`
      expect(await a.succeed`sh -c ${hasMtu(1350)}`).toBe('')
      await a.succeed`sh -c ${large(b)}`
    }
    for (const each of [a, b]) await each.waitUntilSucceeds`sh -c ${hasMtu(1450)}`
    await a.waitUntilSucceeds`ping -c1 -W1 -M do -s 1400 ${b.address}`
  },
)

scenario(
  'a network with an MTU that is too large for another host’s underlay comes there, with what fits',
  async ({ hostA, hostB }) => {
    await using _small = await underlayMtu(hostB, 1400)
    await hostB.waitUntilSucceeds`multihost status | grep 'MTU 1400'`
    await using _network = await sharedNetwork([hostA, hostB], 'wide', ['-o', 'mtu=1450'])
    await using two = await pair(hostA, hostB, 'wide')
    for (const each of [two.a, two.b]) await each.waitUntilSucceeds`sh -c ${hasMtu(1350)}`
    await two.b.succeed`ping -c1 -W1 -q -M do -s 1322 ${two.a.address}`
    expect(await hostB.fail`docker network create -d vxlan --ipam-driver vxlan -o mtu=1450 own`).toContain(
      'too large',
    )
  },
)

scenario(
  'containers keep IPv6 on an underlay that becomes too small for it, and status names the interface',
  async ({ hostA, hostB, consulServer }) => {
    const options = ['--subnet', '10.66.0.0/24', '--ipv6', '--subnet', 'fd00:66::/64']
    await using _network = await sharedNetwork([hostA, hostB], 'six', options)
    await using a = await hostA.run({ name: 'here', network: 'six', args: ['--ip6', 'fd00:66::a'] })
    await using b = await hostB.run({ name: 'there', network: 'six', args: ['--ip6', 'fd00:66::b'] })
    {
      // Hosts on one link have one MTU: Consul's longer packets would be lost.
      await using _store = await underlayMtu(consulServer, 1300)
      await using _there = await underlayMtu(hostB, 1300)
      await using _here = await underlayMtu(hostA, 1300)
      for (const each of [a, b]) await each.waitUntilSucceeds`sh -c ${hasMtu(1280)}`
      await hostB.waitUntilSucceeds`multihost status | grep -F ${'has MTU 1300'} | grep -F ${'packets of six'}`
      await a.waitUntilSucceeds`ping -c1 -W1 -q -M do -s 1232 fd00:66::b`
      const further = ['--subnet', '10.67.0.0/24', '--ipv6', '--subnet', 'fd00:67::/64']
      await using _born = await sharedNetwork([hostA, hostB], 'born', [...further, '-o', 'mtu=1280'])
      await using _four = await sharedNetwork([hostA, hostB], 'four', ['--subnet', '10.68.0.0/24'])
      await using two = await pair(hostA, hostB, 'four')
      for (const each of [two.a, two.b]) await each.succeed`sh -c ${hasMtu(1250)}`
      await two.a.waitUntilSucceeds`ping -c1 -W1 -q -M do -s 1222 ${two.b.address}`
    }
    for (const each of [a, b]) await each.waitUntilSucceeds`sh -c ${hasMtu(1450)}`
    await b.waitUntilSucceeds`ping -c1 -W1 -q -M do -s 1400 fd00:66::a`
    await hostB.waitUntilSucceeds`multihost status | grep ${'^no problems'}`
  },
)

scenario(
  'an address that moves to another MAC and host is reached within 2 s from every container',
  async ({ hostA, hostB }) => {
    const options = ['--subnet', '10.64.0.0/24', '--ipv6', '--subnet', 'fd00:64::/64']
    await using _network = await sharedNetwork([hostA, hostB], 'moves', options)
    const on = { network: 'moves' }
    await using a = await hostA.run({ ...on, name: 'here' })
    await using b = await hostB.run({ ...on, name: 'there' })
    const places = [
      [hostA, '02:00:00:00:00:0a'],
      [hostB, '02:00:00:00:00:0b'],
      [hostB, '02:00:00:00:00:0c'],
      [hostA, '02:00:00:00:00:0c'],
    ] as const
    for (const [host, mac] of places) {
      const args = ['--ip', '10.64.0.9', '--ip6', 'fd00:64::9', '--mac-address', mac]
      await using _moved = await host.run({ ...on, name: 'moved', args })
      for (const each of [a, b]) {
        await each.within(2000).waitUntilSucceeds`ping -c1 -W1 -q 10.64.0.9`
        await each.within(2000).waitUntilSucceeds`ping -c1 -W1 -q fd00:64::9`
      }
    }
  },
)
