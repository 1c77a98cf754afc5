/**
 * Addresses beside other networks: the engine's own bridges, the routes of a VPN and the name servers, on
 * this host and on another one.
 */
import { expect } from 'vitest'
import { atEnd } from '../kit/at-end.ts'
import type { Host } from '../kit/host.ts'
import { pair, sharedNetwork } from '../kit/network.ts'
import { scenario } from '../kit/scenario.ts'

/** A bridge of the engine, for the length of a scope. */
async function bridge(host: Host, name: string, subnet: string): Promise<AsyncDisposable> {
  await host.succeed`docker network create --subnet ${subnet} ${name}`
  return {
    async [Symbol.asyncDispose]() {
      await host.run`docker network rm ${name}`
    },
  }
}

/** Routes through another host, for the length of a scope. */
async function routes(host: Host, via: Host, blocks: readonly string[]): Promise<AsyncDisposable> {
  const each = (action: string): string =>
    `for to in ${blocks.join(' ')}; do ip route ${action} $to via ${via.address}; done`
  await host.succeed`sh -ec ${each('add')}`
  return {
    async [Symbol.asyncDispose]() {
      await host.run`sh -c ${each('del')}`
    },
  }
}

scenario(
  'the default routes of a VPN and a route wider than all pools hinder no network',
  async ({ hostA, hostB }) => {
    await using _late = await sharedNetwork([hostA, hostB], 'late', ['--subnet', '10.77.0.0/24'])
    // The engine's own docker_gwbridge is there before the routes: an engine older than 23.0 would find no
    // pool for it.
    await using _before = await hostB.run({ name: 'before', network: 'late' })
    await using _vpn = await routes(hostB, hostA, ['0.0.0.0/1', '128.0.0.0/1', '172.16.0.0/12'])
    {
      // The driver publishes its routes at once when the engine makes a bridge.
      await using _bridge = await bridge(hostB, 'clash', '10.77.0.0/16')
      await hostB.waitUntilSucceeds`multihost status | grep -F ${'overlaps 10.77.0.0/16'}`
    }
    await using network = await sharedNetwork([hostA, hostB], 'beside')
    const subnet =
      await hostA.succeed`docker network inspect -f ${'{{(index .IPAM.Config 0).Subnet}}'} ${network.name}`
    expect(subnet).toMatch(/^172\./)
    await using two = await pair(hostA, hostB, network.name)
    await two.b.waitUntilSucceeds`ping -c1 -W1 ${two.a.address}`
  },
)

scenario(
  'a subnet that a host routes is not chosen, refused by name, and named when the route comes later',
  async ({ hostA, hostB }) => {
    await using here = await sharedNetwork([hostA, hostB], 'late', ['--subnet', '10.77.0.0/24'])
    {
      await using _bridge = await bridge(hostB, 'clash', '10.77.0.0/16')
      const words = 'network late: its subnet 10.77.0.0/24 overlaps 10.77.0.0/16'
      await hostB.waitUntilSucceeds`multihost status | grep -F ${words}`
      expect(await hostB.fail`multihost check --within=1`).toContain('subnet 10.77.0.0/24 of network late')
      expect(await hostA.succeed`multihost status`).not.toContain(words)
      const create = 'docker network create -d vxlan --ipam-driver vxlan --subnet'
      const refused = await hostA.fail`sh -c ${`${create} 10.77.9.0/24 refused`}`
      expect(refused).toContain(`overlaps 10.77.0.0/16, which is routed by host ${hostB.name}`)
    }
    await hostB.waitUntilSucceeds`sh -c ${`s=$(multihost status) && ! echo "$s" | grep 'network ${here.name}:'`}`
  },
)

scenario(
  'a subnet with a host’s name server is not chosen, refused by name, and named when the name server comes later',
  async ({ hostA, hostB }) => {
    await using _late = await sharedNetwork([hostA, hostB], 'late', ['--subnet', '10.79.0.0/24'])
    const words = 'network late: its subnet 10.79.0.0/24 contains 10.79.0.10, a name server of host'
    // The first free pool of the lab's list, where the network would be otherwise.
    const servers = 'nameserver 127.0.0.53\nnameserver 10.79.0.10\nnameserver 172.21.0.10\n'
    {
      await using _servers = atEnd(() => hostB.succeed`cat /tmp/resolv.conf > /etc/resolv.conf`)
      await hostB.succeed`cp /etc/resolv.conf /tmp/resolv.conf && printf ${servers} > /etc/resolv.conf`
      await hostB.within(15_000).waitUntilSucceeds`multihost status | grep -F ${`${words} ${hostB.name}`}`
      expect(await hostB.fail`multihost check --within=1`).toContain('10.79.0.10, a name server of the host')
      const create = 'docker network create -d vxlan --ipam-driver vxlan'
      for (const host of [hostA, hostB]) {
        const refused = await host.fail`sh -c ${`${create} --subnet 172.21.0.0/24 refused`}`
        expect(refused).toContain(
          `the subnet 172.21.0.0/24 contains 172.21.0.10, a name server of host ${hostB.name}`,
        )
      }
      await using beside = await sharedNetwork([hostA, hostB], 'beside')
      const subnet =
        await hostA.succeed`docker network inspect -f ${'{{(index .IPAM.Config 0).Subnet}}'} ${beside.name}`
      expect(subnet).not.toMatch(/^172\.21\./)
    }
    const clean = `s=$(multihost status) && ! echo "$s" | grep -F ${`'${words}'`}`
    await hostB.within(15_000).waitUntilSucceeds`sh -c ${clean}`
  },
)

scenario(
  'docker_gwbridge is there before the first container, and no network gets its subnet',
  async ({ hostA, hostB }) => {
    const inspect = (format: string): string[] => ['network', 'inspect', '-f', format, 'docker_gwbridge']
    await hostB.succeed`docker network rm docker_gwbridge`
    await hostB.succeed`systemctl restart multihost`
    const subnet = await hostB.waitUntilSucceeds`docker ${inspect('{{(index .IPAM.Config 0).Subnet}}')}`
    // The host's own routes count as they are now.
    const create = `docker network create -d vxlan --ipam-driver vxlan --subnet ${subnet} refused`
    expect(await hostB.fail`sh -c ${create}`).toContain(`${subnet} is routed by host ${hostB.name}`)
    await using network = await sharedNetwork([hostA, hostB], 'beside')
    await using two = await pair(hostA, hostB, network.name)
    await two.b.waitUntilSucceeds`ping -c1 -W1 ${two.a.address}`
    expect(await hostB.succeed`docker ${inspect('{{len .Containers}}')}`).toBe('1')
  },
)

scenario('more networks without --subnet than the engine has pools of its own', async ({ hostA, hostB }) => {
  const create = 'docker network create -d vxlan --ipam-driver vxlan'
  const remove = 'for i in $(seq 18); do docker network rm many$i > /dev/null 2>&1; done; true'
  await using _many = atEnd(async () => {
    await hostA.waitUntilSucceeds`sh -c ${`${remove}; ! docker network ls | grep -q many`}`
    await hostB.waitUntilSucceeds`sh -c ${'! docker network ls | grep -q many'}`
  })
  await hostA.succeed`sh -c ${`for i in $(seq 18); do ${create} many$i > /dev/null || exit 1; done`}`
  const subnets =
    await hostA.succeed`sh -c ${"docker network ls -qf name=many | xargs docker network inspect -f '{{(index .IPAM.Config 0).Subnet}}'"}`
  expect(new Set(subnets.split('\n')).size).toBe(18)
  await hostB.waitUntilSucceeds`docker network inspect many18`
  await hostB.succeed`docker run --rm --network many18 debian:13 true`
})
