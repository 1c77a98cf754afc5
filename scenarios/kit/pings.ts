/**
 * Counts the packets that are lost while something happens, by the gaps in the replies to a ping.
 */
import { expect } from 'vitest'
import type { Loss } from '../record/events.ts'
import type { Container } from './host.ts'
import { together } from './together.ts'

type From = Pick<Container, 'succeed' | 'waitUntilSucceeds'>

/** Pings every 20 ms, into the file, until `endedPing`. */
async function startPing(from: From, { address }: Pick<Container, 'address'>, file: string): Promise<void> {
  await from.succeed`ping -D -i 0.02 ${address} > ${file} 2>&1 & echo $! > ${file}.pid`
}

/** Resolves with ping's output. */
async function endedPing(from: From, file: string): Promise<string> {
  await from.waitUntilSucceeds`kill -INT $(cat ${file}.pid); grep -q 'packets transmitted' ${file}`
  return from.succeed`cat ${file}`
}

function repliesIn(output: string): number[] {
  return [...output.matchAll(/icmp_seq=(\d+) ttl/g)].map((each) => Number(each[1]))
}

/**
 * Pings every 20 ms while `meanwhile` runs. Resolves with the number of replies that are missing between the
 * first and the last. Demands a reply after `meanwhile` has ended: a ping that stopped for good would leave
 * no gap.
 */
export async function lostWhile(
  from: From,
  to: Pick<Container, 'address'>,
  meanwhile: () => Promise<void>,
): Promise<number> {
  await startPing(from, to, '/tmp/ping')
  await meanwhile()
  const before = await from.succeed`grep -c ttl= /tmp/ping || [ $? = 1 ]`
  await from.waitUntilSucceeds`[ $(grep -c ttl= /tmp/ping) -gt ${before} ]`
  const replies = repliesIn(await endedPing(from, '/tmp/ping'))
  expect(replies.length).toBeGreaterThan(5)
  return (replies.at(-1) ?? 0) - (replies[0] ?? 0) + 1 - new Set(replies).size
}

/** Of ping's lines with a time (-D): `lost NUMBER before TIME` for each gap. A sequence number has 16 bits. */
const gapsIn = `/ ttl=/ {
  split($2, a, " "); seq = a[1]
  if (!any) { any = 1; last = seq }
  if (last - seq > 32768) base += 65536
  n = base + seq
  if (seq - last > 32768) n -= 65536; else last = seq
  if (due && n > due) print "lost " n - due " before " strftime("%H:%M:%S", substr($1, 2, 10))
  if (n >= due) due = n + 1
}`

/** Pings every 20 ms until `gaps`, for hours if need be. */
export async function keepsPinging(
  from: From,
  to: Pick<Container, 'address'>,
): Promise<{ gaps(): Promise<string> }> {
  const file = '/tmp/kept-ping'
  await startPing(from, to, file)
  return {
    /** A line for each gap in the replies. Throws when no reply comes any more. */
    async gaps() {
      const before = await from.succeed`grep -c ttl= ${file} || [ $? = 1 ]`
      await from.waitUntilSucceeds`[ $(grep -c ttl= ${file}) -gt ${before} ]`
      await from.succeed`kill -INT $(cat ${`${file}.pid`})`
      return from.succeed`awk -F icmp_seq= ${gapsIn} ${file}`
    },
  }
}

/** Traffic → the containers between which it flows. */
export type Pairs<Traffic extends string> = Record<Traffic, readonly [Container, Pick<Container, 'address'>]>

/**
 * Pings every 20 ms between all pairs while `fault` runs, then until replies come again, for up to 30 s. A
 * pair without any reply has lost all.
 */
export async function lossDuring<Traffic extends string>(
  pairs: Pairs<Traffic>,
  fault: () => Promise<void>,
): Promise<Record<Traffic, Loss>> {
  const all = Object.entries(pairs) as [Traffic, Pairs<Traffic>[Traffic]][]
  const file = (traffic: string) => `/tmp/${traffic.replaceAll(' ', '-')}`
  await together(all.map(([traffic, [from, to]]) => startPing(from, to, file(traffic))))
  await fault()
  const losses = await together(
    all.map(async ([traffic, [from]]): Promise<[Traffic, Loss]> => {
      const output = file(traffic)
      const isBack = await repliesAgain(from, output)
      return [traffic, lossIn(await endedPing(from, output), isBack)]
    }),
  )
  return Object.fromEntries(losses) as Record<Traffic, Loss>
}

/** False when no reply comes within 30 s. */
async function repliesAgain(from: Container, file: string): Promise<boolean> {
  const replies = `$(grep -c ttl= ${file} || :)`
  const [before, deadline] = (await from.succeed`sh -c ${`echo ${replies} $(($(date +%s) + 30))`}`).split(' ')
  const isOver = `[ ${replies} -gt ${before} ] || [ $(date +%s) -gt ${deadline} ]`
  await from.within(60_000).waitUntilSucceeds`sh -c ${isOver}`
  return (await from.succeed`sh -c ${`echo ${replies}`}`) !== before
}

/** The loss in ping's output. `isBack`: packets after the last reply are on their way, and not lost. */
export function lossIn(output: string, isBack: boolean): Loss {
  const replied = new Set(repliesIn(output))
  const transmitted = Number(/(\d+) packets transmitted/.exec(output)?.[1])
  const sent = isBack ? Math.max(...replied) : transmitted
  return { sent, lost: sent - replied.size, isBack }
}
