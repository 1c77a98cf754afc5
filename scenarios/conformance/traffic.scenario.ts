/**
 * Traffic between containers: ping, bulk TCP and UDP, frames of exactly the MTU; and traffic to and from
 * outside.
 */
import { expect } from 'vitest'
import { pair, sharedNetwork } from '../kit/network.ts'
import { scenario } from '../kit/scenario.ts'

scenario('containers on one host ping each other', async ({ hostA, hostB }) => {
  await using blue = await sharedNetwork([hostA, hostB], 'blue')
  for (const host of [hostA, hostB]) {
    await using two = await pair(host, host, blue.name)
    await two.a.succeed`ping -c3 -i0.05 -W1 ${two.b.address}`
    await two.b.succeed`ping -c3 -i0.05 -W1 ${two.a.address}`
  }
})

scenario('containers on two hosts ping each other', async ({ hostA, hostB }) => {
  await using blue = await sharedNetwork([hostA, hostB], 'blue')
  await using two = await pair(hostA, hostB, blue.name)
  await two.b.waitUntilSucceeds`ping -c1 -W1 ${two.a.address}`
  await two.a.waitUntilSucceeds`ping -c1 -W1 ${two.b.address}`
  expect(await two.a.succeed`ping -c5 -i0.05 -W1 ${two.b.address}`).toContain(' 0% packet loss')
  expect(await two.b.succeed`ping -c5 -i0.05 -W1 ${two.a.address}`).toContain(' 0% packet loss')
})

scenario(
  'the first packet of a container that has just started arrives, ten times out of ten',
  async ({ hostA, hostB }) => {
    await using blue = await sharedNetwork([hostA, hostB], 'blue')
    await using two = await pair(hostA, hostB, blue.name)
    await two.b.succeed`ping -c1 -W1 ${two.a.address}`
    await two.a.succeed`ping -c1 -W1 ${two.b.address}`
    for (let i = 0; i < 10; i++) {
      await hostB.succeed`docker run --rm --network ${blue.name} debian:13 ping -c1 -W1 ${two.a.address}`
    }
  },
)

scenario('bulk TCP and UDP pass between hosts', async ({ hostA, hostB }) => {
  await using blue = await sharedNetwork([hostA, hostB], 'blue')
  await using two = await pair(hostA, hostB, blue.name)
  const { a, b } = two
  await a.succeed`iperf3 -s -D`
  await b.waitUntilSucceeds`timeout 2 iperf3 -c ${a.address} -n 1M`
  const tcp = JSON.parse(await b.succeed`timeout 30 iperf3 -J -c ${a.address} -n 200M`)
  expect(tcp.end.sum_received.bytes).toBeGreaterThanOrEqual(200e6)
  // At this rate a socket holds what comes while the receiver waits 50 ms for a processor.
  const udp = JSON.parse(await b.succeed`timeout 30 iperf3 -J -u -b 20M -l 1300 -t 1 -c ${a.address}`)
  expect(udp.end.sum.packets).toBeGreaterThan(1000)
  expect(udp.end.sum.lost_percent).toBeLessThan(1)
})

scenario(
  'a frame of exactly the MTU passes with DF set, one byte more does not',
  async ({ hostA, hostB }) => {
    await using blue = await sharedNetwork([hostA, hostB], 'blue')
    await using two = await pair(hostA, hostB, blue.name)
    const { a, b } = two
    const mtu = Number(await a.succeed`cat /sys/class/net/eth0/mtu`)
    await a.waitUntilSucceeds`ping -c1 -W1 -M do -s ${mtu - 28} ${b.address}`
    await b.succeed`ping -c1 -W1 -M do -s ${mtu - 28} ${a.address}`
    expect(await a.fail`ping -c1 -W1 -M do -s ${mtu - 27} ${b.address}`).toMatch(/too long|mtu/i)
  },
)

scenario(
  'a container reaches the outside, and a published port is reached from outside',
  async ({ hostA, hostB, consulServer }) => {
    await using blue = await sharedNetwork([hostA, hostB], 'blue')
    await using server = await hostA.run({
      name: 'server',
      network: blue.name,
      args: ['-p', '8080:5201'],
      command: ['iperf3', '-s'],
    })
    await server.succeed`ping -c1 -W1 ${consulServer.address}`
    await hostB.waitUntilSucceeds`timeout 2 iperf3 -c ${hostA.address} -p 8080 -n 1M`
  },
)

scenario('IPv6: dual-stack containers reach each other over both', async ({ hostA, hostB }) => {
  const subnets = ['--ipv6', '--subnet', '10.66.0.0/24', '--subnet', 'fd00:66::/64']
  await using dual = await sharedNetwork([hostA, hostB], 'dual', subnets)
  await using two = await pair(hostA, hostB, dual.name)
  const { a, b } = two
  const ask = '{{.NetworkSettings.Networks.dual.GlobalIPv6Address}}'
  const six = await hostB.succeed`docker inspect -f ${ask} two`
  expect(six).toMatch(/^fd00:66::/)
  await a.waitUntilSucceeds`ping -c1 -W1 ${b.address}`
  await a.waitUntilSucceeds`ping -6 -c1 -W1 ${six}` // duplicate address detection takes a second
})
