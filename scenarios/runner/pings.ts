/**
 * How many packets are lost while something happens: a ping that goes on meanwhile, and its gaps.
 */
import { expect } from 'vitest'
import type { Container } from './host.ts'

/** Pings every 20 ms while `meanwhile` runs; resolves with how many replies are missing between the first and the last. */
export async function lostWhile(
  from: Container,
  to: Container,
  meanwhile: () => Promise<void>,
): Promise<number> {
  await from.succeed`ping -i 0.02 ${to.address} > /tmp/ping 2>&1 & echo $! > /tmp/pid`
  await meanwhile()
  await from.waitUntilSucceeds`kill -INT $(cat /tmp/pid); ! kill -0 $(cat /tmp/pid)`
  const replies = [...(await from.succeed`cat /tmp/ping`).matchAll(/icmp_seq=(\d+) ttl/g)].map((each) =>
    Number(each[1]),
  )
  expect(replies.length).toBeGreaterThan(5)
  return (replies.at(-1) ?? 0) - (replies[0] ?? 0) + 1 - new Set(replies).size
}
