/**
 * Layer 2: one MAC for each container of a network.
 */
import { expect } from 'vitest'
import type { Container, Host } from '../kit/host.ts'
import { sharedNetwork } from '../kit/network.ts'
import { scenario } from '../kit/scenario.ts'

async function macOf(host: Host, { name }: Container, network: string): Promise<string> {
  return await host.succeed`docker inspect -f ${`{{.NetworkSettings.Networks.${network}.MacAddress}}`} ${name}`
}

async function reachEachOther(all: readonly Container[]): Promise<void> {
  for (const from of all) for (const to of all) await from.succeed`ping -c1 -W1 -q ${to.address}`
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
