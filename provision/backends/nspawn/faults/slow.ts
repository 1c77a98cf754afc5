/**
 * Slow hosts: each one's port leaves the switch's bridge, and stands behind a pair of devices that holds
 * frames back.
 *
 *     net-1 ── S-net-1 ── A-net-1 ═ B-net-1 ── br-lab
 *
 * Everything the host sends is slow, not only the overlay's traffic. The pair is a veth with netem where the
 * kernel has it, and a process between two taps elsewhere. The devices begin with a capital, which no host's
 * name has: a host may be named `s-1`.
 */
import type { NetworkFault } from '../../faults.ts'
import { bridge, endProcesses } from '../network.ts'
import type { Delay } from './delay.ts'
import { hasNetem, netem } from './netem.ts'
import { relay } from './relay.ts'
import { farEnd, nearEnd } from './rules.ts'
import { ip, links } from './switch.ts'

export type Slow = Extract<NetworkFault, { fault: 'slow' }>

/** Puts a delay before each of the hosts; all of the switch's hosts are to be at full speed before. */
export async function slowDown(
  namespace: string,
  slowed: readonly Slow[],
  delay: Promise<Delay> = usualDelay(),
): Promise<void> {
  for (const [index, { host, ms }] of slowed.entries()) {
    const [near, far] = [nearEnd(host), farEnd(host)]
    await (await delay)({ namespace, near, far, ms, index })
    await ip(namespace, [
      `link add name S-${host} type bridge`,
      `link set dev S-${host} up`,
      `link set dev ${far} master ${bridge} up`,
      `link set dev ${near} master S-${host} up`,
      `link set dev ${host} master S-${host}`,
    ])
  }
}

/** All of them back on the switch, and the delays gone. */
export async function speedUp(namespace: string, hosts: readonly string[]): Promise<void> {
  await ip(
    namespace,
    hosts.map((host) => `link set dev ${host} master ${bridge}`),
  )
  await endProcesses(namespace) // taps go with theirs
  const made = [...(await links(namespace, 'bridge')), ...(await links(namespace, 'veth'))]
  await ip(
    namespace,
    made.filter((name) => /^[SA]-/.test(name)).map((name) => `link del dev ${name}`),
  )
}

async function usualDelay(): Promise<Delay> {
  return (await hasNetem()) ? netem : relay
}
