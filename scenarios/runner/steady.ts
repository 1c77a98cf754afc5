/**
 * A steady state that something is done to: two containers on two hosts that reach each other, and afterwards nothing
 * that was not there before.
 */
import { expect, vi } from 'vitest'
import type { Container, Host } from './host.ts'
import { sharedNetwork } from './network.ts'

/** What there is of networks: namespaces and container ends on the hosts, keys in the store. */
export async function inventory(net1: Host, net2: Host): Promise<string[]> {
  const onHost =
    'ls /var/run/docker/netns | grep -xE "[0-9a-f]{12}" | while read n; do nsenter --net=/var/run/docker/netns/$n ip -br link show vxlan1 2>/dev/null && echo $n; done; ip -br link | grep -o "^vxc[^@ ]*"; true'
  const keys =
    'curl -s "http://consul-server:8500/v1/kv/multihost/?keys" | jq -r ".[]" | grep -E "/(networks|network-names|vnis|pools|addresses|endpoints|services)/"; true'
  const [first, second, store] = await Promise.all([
    net1.succeed`sh -c ${onHost}`,
    net2.succeed`sh -c ${onHost}`,
    net1.succeed`sh -c ${keys}`,
  ])
  return [first, second, store].flatMap((text) => text.split('\n')).filter(Boolean)
}

/** Two containers that reach each other; afterwards a third one must, with an address of its own. */
export async function withTwo(
  net1: Host,
  net2: Host,
  body: (a: Container, b: Container) => Promise<void>,
): Promise<void> {
  const before = await inventory(net1, net2)
  await inSteady(net1, net2, body)
  // Nothing is leaked: links, namespaces, addresses, keys.
  await vi.waitFor(async () => expect(await inventory(net1, net2)).toEqual(before), {
    timeout: 10_000,
    interval: 200,
  })
}

async function inSteady(
  net1: Host,
  net2: Host,
  body: (a: Container, b: Container) => Promise<void>,
): Promise<void> {
  await using _steady = await sharedNetwork([net1, net2], 'steady')
  await using a = await net1.run({ name: 'one', network: 'steady' })
  await using b = await net2.run({ name: 'two', network: 'steady' })
  await body(a, b)
  await using late = await net1.run({ name: 'late', network: 'steady' })
  await late.succeed`ping -c1 -W1 ${b.address}`
  expect(new Set([a.address, b.address, late.address]).size).toBe(3)
}
