/**
 * A network that is created on one host is the same on all hosts.
 *
 * `/usr/bin/docker` is the engine's own command. It is used where the lab's `docker` refuses what the engine
 * does.
 */
import { expect } from 'vitest'
import { convergesWithinMs } from '../kit/converged.ts'
import type { Host } from '../kit/host.ts'
import { vniOn } from '../kit/inside.ts'
import { gone, sharedNetwork } from '../kit/network.ts'
import { scenario } from '../kit/scenario.ts'

interface Inspected {
  Name: string
  Driver: string
  Internal: boolean
  EnableIPv6: boolean
  IPAM: {
    Driver: string
    Config: { Subnet: string; IPRange?: string; Gateway?: string; AuxiliaryAddresses?: object }[]
  }
  Options: Record<string, string>
  Labels: Record<string, string>
}

async function inspect(host: Host, name: string): Promise<Inspected> {
  return JSON.parse(await host.waitUntilSucceeds`docker network inspect ${name}`)[0]
}

for (const [from, to] of [
  ['the first host', 'the second'],
  ['the second host', 'the first'],
] as const) {
  scenario(
    `a network created on ${from} appears on ${to}, and is removed from both`,
    async ({ hostA, hostB }) => {
      const [here, there] = from === 'the first host' ? [hostA, hostB] : [hostB, hostA]
      const id = await here.succeed`docker network create -d vxlan --ipam-driver vxlan foobar`
      expect(id).toMatch(/^[0-9a-f]{64}$/)
      await there.within(convergesWithinMs).waitUntilSucceeds`docker network inspect foobar`
      const [mine, theirs] = [await inspect(here, 'foobar'), await inspect(there, 'foobar')]
      expect(theirs).toMatchObject({ Driver: 'vxlan', IPAM: { Driver: 'vxlan' } })
      const pool = (network: Inspected) =>
        network.IPAM.Config.map(({ Subnet, Gateway }) => ({ Subnet, Gateway: Gateway?.split('/')[0] }))
      expect(pool(theirs)).toEqual(pool(mine))
      await here.succeed`docker network rm foobar`
      await gone(there, 'foobar')
    },
  )
}

scenario(
  'subnet, range, gateway, aux, VNI, MTU, port, label and --internal are the same on both',
  async ({ hostA, hostB }) => {
    const addressing =
      '--subnet 10.20.0.0/16 --ip-range 10.20.4.0/24 --gateway 10.20.0.254 --aux-address router=10.20.4.9'
    const options = '-o vni=4242 -o mtu=1400 -o port=4790 --label team=blue --internal'
    await using special = await sharedNetwork(
      [hostA, hostB],
      'special',
      `${addressing} ${options}`.split(' '),
    )
    expect(await inspect(hostB, special.name)).toMatchObject({
      Internal: true,
      Labels: { team: 'blue' },
      IPAM: {
        Config: [
          {
            Subnet: '10.20.0.0/16',
            IPRange: '10.20.4.0/24',
            Gateway: '10.20.0.254',
            AuxiliaryAddresses: { router: '10.20.4.9' },
          },
        ],
      },
    })
    await using first = await hostB.run({ name: 'first', network: 'special' })
    await using second = await hostA.run({ name: 'second', network: 'special' })
    expect(first.address).toMatch(/^10\.20\.4\./)
    expect(await first.succeed`cat /sys/class/net/eth0/mtu`).toBe('1400')
    await first.waitUntilSucceeds`ping -c1 -W1 ${second.address}`
    await first.fail`ping -c1 -W1 192.168.33.10`
    for (const host of [hostA, hostB]) {
      expect(await host.succeed`ss -Huln sport = :4790`).toContain(':4790')
      expect(await vniOn(host, 'special')).toBe(4242)
    }
  },
)

scenario('a network without the IPAM driver is refused with the command that works', async ({ hostA }) => {
  const words = await hostA.fail`/usr/bin/docker network create -d vxlan lonely`
  expect(words).toContain('docker network create -d vxlan --ipam-driver vxlan')
  await hostA.fail`docker network inspect lonely`
})

scenario('an invalid option is refused, with its value and the allowed values', async ({ hostA }) => {
  for (const [option, words] of [
    ['vni=0', /'0'.*vni.*16777215/i],
    ['vni=x', /vni/i],
    ['mtu=9', /mtu=9 .*65535/i],
    ['port=70000', /port=70000 .*65535/i],
    ['colour=blue', /colour/],
  ] as const) {
    expect(await hostA.fail`docker network create -d vxlan --ipam-driver vxlan -o ${option} wrong`).toMatch(
      words,
    )
  }
})

scenario(
  'a subnet that overlaps another network’s is refused, with that subnet',
  async ({ hostA, hostB }) => {
    await using _first = await sharedNetwork([hostA, hostB], 'first', ['--subnet', '10.30.0.0/16'])
    const words =
      await hostB.fail`docker network create -d vxlan --ipam-driver vxlan --subnet 10.30.7.0/24 second`
    expect(words).toContain('10.30.0.0/16')
  },
)

scenario(
  'a network that another host uses comes back after its removal, and is removed when no host uses it',
  async ({ hostA, hostB }) => {
    await using _used = await sharedNetwork([hostA, hostB], 'used')
    await using user = await hostB.run({ name: 'user', network: 'used' })
    await hostA.succeed`/usr/bin/docker network rm used`
    await hostA.waitUntilSucceeds`docker network inspect used`
    await using other = await hostA.run({ name: 'other', network: 'used' })
    await other.waitUntilSucceeds`ping -c1 -W1 ${user.address}`
  },
)
