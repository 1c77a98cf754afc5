/**
 * What crosses: ping, bulk TCP and UDP, frames of exactly the MTU; and what must not.
 */
import { afterAll, beforeAll, expect } from 'vitest'
import type { Container, Host } from '../runner/host.ts'
import { type SharedNetwork, sharedNetwork } from '../runner/network.ts'
import { labHosts, scenario } from '../runner/scenario.ts'

let networks: SharedNetwork[]
beforeAll(async () => {
  const { net1, net2 } = await labHosts()
  networks = [await sharedNetwork([net1, net2], 'blue'), await sharedNetwork([net2, net1], 'green')]
})
afterAll(async () => {
  for (const network of networks) await network[Symbol.asyncDispose]()
})

async function pair(net1: Host, net2: Host, network = 'blue'): Promise<[Container, Container]> {
  return [await net1.run({ name: 'one', network }), await net2.run({ name: 'two', network })]
}

scenario(
  'containers on two hosts ping each other at once: the first packet is not lost',
  async ({ net1, net2 }) => {
    const [a, b] = await pair(net1, net2)
    await using _a = a
    await using _b = b
    await b.succeed`ping -c1 -W1 ${a.address}`
    await a.succeed`ping -c1 -W1 ${b.address}`
    expect(await a.succeed`ping -c5 -i0.05 -W1 ${b.address}`).toContain(' 0% packet loss')
  },
)

scenario(
  'the first packet of a container that has just started arrives, ten times out of ten',
  async ({ net1, net2 }) => {
    await using a = await net1.run({ name: 'one', network: 'blue' })
    for (let i = 0; i < 10; i++) {
      await net2.succeed`docker run --rm --network blue debian:13 ping -c1 -W1 ${a.address}`
    }
  },
)

scenario('bulk TCP and UDP cross', async ({ net1, net2 }) => {
  const [a, b] = await pair(net1, net2)
  await using _a = a
  await using _b = b
  await a.succeed`iperf3 -s -D`
  await b.waitUntilSucceeds`iperf3 -c ${a.address} -n 1M`
  const tcp = JSON.parse(await b.succeed`iperf3 -J -c ${a.address} -n 200M`)
  expect(tcp.end.sum_received.bytes).toBeGreaterThanOrEqual(200e6)
  const udp = JSON.parse(await b.succeed`iperf3 -J -u -b 50M -l 1300 -t 1 -c ${a.address}`)
  expect(udp.end.sum.packets).toBeGreaterThan(1000)
  expect(udp.end.sum.lost_percent).toBeLessThan(1)
})

scenario('a frame of exactly the MTU passes with DF set, one byte more does not', async ({ net1, net2 }) => {
  const [a, b] = await pair(net1, net2)
  await using _a = a
  await using _b = b
  const mtu = Number(await a.succeed`cat /sys/class/net/eth0/mtu`)
  const underlay = JSON.parse(await net1.succeed`ip -j link show dev eth1`)[0].mtu
  expect(mtu).toBe(underlay - 50)
  await a.succeed`ping -c1 -W1 -M do -s ${mtu - 28} ${b.address}`
  expect(await a.fail`ping -c1 -W1 -M do -s ${mtu - 27} ${b.address}`).toMatch(/too long|mtu/i)
})

scenario('networks are isolated from each other', async ({ net1, net2 }) => {
  await using blue = await net1.run({ name: 'one', network: 'blue' })
  await using green = await net2.run({ name: 'two', network: 'green' })
  await blue.fail`ping -c1 -W1 ${green.address}`
  await green.fail`ping -c1 -W1 ${blue.address}`
})

scenario(
  'a container on several networks, connected and disconnected while it runs',
  async ({ net1, net2 }) => {
    await using both = await net1.run({ name: 'both', network: 'blue' })
    await using green = await net2.run({ name: 'two', network: 'green' })
    await both.fail`ping -c1 -W1 ${green.address}`
    await net1.succeed`docker network connect green both`
    await both.succeed`ping -c1 -W1 ${green.address}`
    await net1.succeed`docker network disconnect green both`
    await both.fail`ping -c1 -W1 ${green.address}`
  },
)

scenario('--ip and --mac-address are kept', async ({ net1, net2 }) => {
  await using _fixed = await sharedNetwork([net1, net2], 'fixed', ['--subnet', '10.40.0.0/24'])
  const args = ['--ip', '10.40.0.77', '--mac-address', '02:42:de:ad:be:ef']
  await using a = await net1.run({ name: 'one', network: 'fixed', args })
  await using b = await net2.run({ name: 'two', network: 'fixed' })
  expect(a.address).toBe('10.40.0.77')
  expect(await a.succeed`cat /sys/class/net/eth0/address`).toBe('02:42:de:ad:be:ef')
  await b.succeed`ping -c1 -W1 10.40.0.77`
  expect(await net2.fail`docker run --rm --network fixed --ip 10.40.0.77 debian:13 true`).toContain(
    '10.40.0.77',
  )
})

scenario(
  'the way out and a published port go through docker_gwbridge',
  async ({ net1, net2, consulServer }) => {
    await using server = await net1.run({
      name: 'server',
      network: 'blue',
      args: ['-p', '8080:5201'],
      command: ['iperf3', '-s'],
    })
    await server.succeed`ping -c1 -W1 ${consulServer.address}`
    await net2.waitUntilSucceeds`iperf3 -c ${net1.address} -p 8080 -n 1M`
  },
)

scenario('IPv6: dual-stack containers reach each other over both', async ({ net1, net2 }) => {
  const subnets = ['--ipv6', '--subnet', '10.66.0.0/24', '--subnet', 'fd00:66::/64']
  await using _dual = await sharedNetwork([net1, net2], 'dual', subnets)
  const [a, b] = await pair(net1, net2, 'dual')
  await using _a = a
  await using _b = b
  const ask = '{{.NetworkSettings.Networks.dual.GlobalIPv6Address}}'
  const six = await net2.succeed`docker inspect -f ${ask} two`
  expect(six).toMatch(/^fd00:66::/)
  await a.succeed`ping -c1 -W1 ${b.address}`
  await a.waitUntilSucceeds`ping -6 -c1 -W1 ${six}` // duplicate address detection takes its second
})
