/**
 * Counts the packets that are lost while something happens, by the gaps in the replies to a ping.
 */
import { expect } from 'vitest'
import type { Container } from './host.ts'

/**
 * Pings every 20 ms while `meanwhile` runs. Resolves with the number of replies that are missing between the first and
 * the last. Demands a reply after `meanwhile` has ended: a ping that stopped for good would leave no gap.
 */
export async function lostWhile(
  from: Pick<Container, 'succeed' | 'waitUntilSucceeds'>,
  to: Pick<Container, 'address'>,
  meanwhile: () => Promise<void>,
): Promise<number> {
  await from.succeed`ping -i 0.02 ${to.address} > /tmp/ping 2>&1 & echo $! > /tmp/pid`
  await meanwhile()
  const before = await from.succeed`grep -c ttl= /tmp/ping || [ $? = 1 ]`
  await from.waitUntilSucceeds`[ $(grep -c ttl= /tmp/ping) -gt ${before} ]`
  await from.waitUntilSucceeds`kill -INT $(cat /tmp/pid); grep -q 'packets transmitted' /tmp/ping`
  const replies = [...(await from.succeed`cat /tmp/ping`).matchAll(/icmp_seq=(\d+) ttl/g)].map((each) =>
    Number(each[1]),
  )
  expect(replies.length).toBeGreaterThan(5)
  return (replies.at(-1) ?? 0) - (replies[0] ?? 0) + 1 - new Set(replies).size
}
