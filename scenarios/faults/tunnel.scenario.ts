/**
 * The tunnel between two hosts is cut while everything else works: a firewall that drops UDP 4789 or a
 * network's own port, and a link with a smaller MTU.
 */
import { expect } from 'vitest'
import { convergesWithinMs } from '../kit/converged.ts'
import type { Host } from '../kit/host.ts'
import { pair, sharedNetwork } from '../kit/network.ts'
import { scenario } from '../kit/scenario.ts'

/** A rule of the host's firewall, for the length of a scope. */
async function rule(host: Host, words: readonly string[]): Promise<AsyncDisposable> {
  await host.succeed`iptables -I ${words}`
  return {
    async [Symbol.asyncDispose]() {
      await host.succeed`iptables -D ${words}`
    },
  }
}

const namedWithinMs = 5000
const silent = (host: Host): string => `host ${host.name} (${host.address}): no answer through the tunnel`

scenario('a peer that a firewall cuts off is named within 5 s', async ({ hostA, hostB }) => {
  await using _network = await sharedNetwork([hostA, hostB], 'walled')
  await using two = await pair(hostA, hostB, 'walled')
  await hostA.waitUntilSucceeds`multihost status | grep ${`^tunnels .*${hostB.name} [0-9]`}`
  for (const words of [
    ['INPUT', '-p', 'udp', '--dport', '4789', '-j', 'DROP'],
    ['OUTPUT', '-p', 'udp', '--dport', '4789', '-j', 'DROP'],
  ]) {
    {
      await using _wall = await rule(hostB, words)
      await hostA.within(namedWithinMs).waitUntilSucceeds`multihost status | grep -F ${silent(hostB)}`
      await hostB.within(namedWithinMs).waitUntilSucceeds`multihost status | grep -F ${silent(hostA)}`
      expect(await hostA.fail`multihost check --within=1`).toContain(`tunnel: host ${hostB.name}`)
      expect(await hostB.fail`multihost check --within=1`).toContain(`tunnel: host ${hostA.name}`)
    }
    // The next wall must not be named by what is left of this one.
    for (const host of [hostA, hostB])
      await host.within(convergesWithinMs).waitUntilSucceeds`multihost status | grep ${'^no problems'}`
  }
  await two.a.succeed`ping -c1 -W1 ${two.b.address}`
})

scenario(
  'a firewall on the port of one network is named with the peer and the port',
  async ({ hostA, hostB }) => {
    await using _network = await sharedNetwork([hostA, hostB], 'ported', ['-o', 'port=8472'])
    await using two = await pair(hostA, hostB, 'ported')
    const answers = `^tunnels .*${hostB.name} \\(UDP 8472\\) [0-9]`
    await hostA.waitUntilSucceeds`multihost status | grep -E ${answers}`
    {
      await using _wall = await rule(hostB, ['INPUT', '-p', 'udp', '--dport', '8472', '-j', 'DROP'])
      const words = `host ${hostB.name} (${hostB.address}), UDP 8472: no answer through the tunnel`
      await hostA.within(6000).waitUntilSucceeds`multihost status | grep -F ${words}`
      expect(await hostA.fail`multihost check --within=1`).toContain(`${hostB.address}), UDP 8472`)
      expect(await hostA.succeed`multihost status`).not.toContain(silent(hostB))
    }
    await hostA.within(convergesWithinMs).waitUntilSucceeds`multihost status | grep ${'^no problems'}`
    await two.a.succeed`ping -c1 -W1 ${two.b.address}`
  },
)

scenario(
  'a peer that only small packets reach is told from one behind a firewall',
  async ({ hostA, hostB }) => {
    await using _network = await sharedNetwork([hostA, hostB], 'narrow')
    await using _two = await pair(hostA, hostB, 'narrow')
    await hostA.waitUntilSucceeds`multihost status | grep ${`^tunnels .*${hostB.name} [0-9]`}`
    const large = ['-p', 'udp', '--dport', '4789', '-m', 'length', '--length', '1401:9000', '-j', 'DROP']
    await using _wall = await rule(hostB, ['INPUT', ...large])
    const words = `host ${hostB.name} (${hostB.address}): answers of small packets`
    await hostA.within(6000).waitUntilSucceeds`multihost status | grep -F ${words}`
  },
)
