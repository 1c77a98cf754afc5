/**
 * The driver is taken back to an earlier version and upgraded again, host by host, under traffic.
 *
 * MULTIHOST_EARLIER is the earlier version's `multihost.cjs`: of its package, or of `npm run build` in its
 * checkout. Without it, the present version is installed again, which takes the same way.
 *
 *     MULTIHOST_EARLIER=/tmp/earlier/dist/multihost.cjs npm run scenarios -- faults/upgrade
 */
import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect } from 'vitest'
import { converged } from '../kit/converged.ts'
import type { Host } from '../kit/host.ts'
import { lossDuring } from '../kit/pings.ts'
import { scenario, sendFile } from '../kit/scenario.ts'
import { withSteadyPair } from '../kit/steady.ts'

const present = fileURLToPath(new URL('../../dist/multihost.cjs', import.meta.url))
const earlier = process.env.MULTIHOST_EARLIER || present
/** A ping every 20 ms. */
const pings = 1000

scenario(
  'an earlier version and this one again, host by host: no packet is lost, and containers start all the while',
  { timeout: 600_000 },
  async ({ hostA, hostB }) => {
    await withSteadyPair(hostA, hostB, async (a, b) => {
      const pairs = { there: [a, b], back: [b, a] } as const
      for (const [from, to] of Object.values(pairs)) await from.waitUntilSucceeds`ping -c1 -W1 ${to.address}`
      const losses = await lossDuring(pairs, async () => {
        await using _here = await keepsStarting(hostA)
        await using _there = await keepsStarting(hostB)
        for (const file of [earlier, present]) for (const host of [hostA, hostB]) await installed(host, file)
        for (const from of [a, b])
          await from.within(60_000)
            .waitUntilSucceeds`[ $(cat /tmp/there /tmp/back 2> /dev/null | grep -c ttl=) -ge ${pings} ]`
      })
      expect(losses).toMatchObject({ there: { lost: 0, isBack: true }, back: { lost: 0, isBack: true } })
      await converged([hostA, hostB], [a, b])
    })
  },
)

/** Puts the file in the place of the driver's program, as a package does, and starts it. */
async function installed(host: Host, file: string): Promise<void> {
  const program =
    await host.succeed`sh -c ${'ls /usr/local/lib/multihost/multihost.cjs /usr/lib/multihost/multihost.cjs 2> /dev/null | head -1'}`
  await sendFile(host, file, `${program}.new`, '0755')
  await host.succeed`sh -ec ${`mv ${program}.new ${program}; systemctl restart multihost`}`
  expect(await host.succeed`multihost --version`).toBe(
    execFileSync(process.execPath, [file, '--version'], { encoding: 'utf8' }).trim(),
  )
  await host.within(30_000).waitUntilSucceeds`sh -c ${'multihost status --json | jq -e .store.fresh'}`
}

const starting = '/tmp/starting'
const startsUntilTold = `touch ${starting}; : > ${starting}.said
(while [ -e ${starting} ]; do
  docker run --rm --network steady debian:13 true >> ${starting}.said 2>&1 && echo started >> ${starting}.said
done) > /dev/null 2>&1 &
echo $! > ${starting}.pid`

/** Starts one container after the other until the end of the scope; demands that each has started. */
async function keepsStarting(host: Host): Promise<AsyncDisposable> {
  await host.succeed`sh -c ${startsUntilTold}`
  return {
    async [Symbol.asyncDispose]() {
      await host.succeed`rm ${starting}`
      await host.within(60_000).waitUntilSucceeds`sh -c ${`! kill -0 $(cat ${starting}.pid)`}`
      const said = (await host.succeed`cat ${`${starting}.said`}`).split('\n')
      expect([...new Set(said)], `what docker run says on ${host.name}`).toEqual(['started'])
      expect(said.length).toBeGreaterThan(5)
    },
  }
}
