/**
 * Consul stopped, frozen or cut off: containers start, restart and reach each other on networks that their
 * host knows, and the others know them as soon as Consul is back. What needs the cluster's word is refused
 * with the reason.
 */
import { expect } from 'vitest'
import { atEnd } from '../kit/at-end.ts'
import { untilConverged } from '../kit/converged.ts'
import type { Faults } from '../kit/faults.ts'
import type { Container, Host } from '../kit/host.ts'
import { gone, refusesNew } from '../kit/network.ts'
import { reboot } from '../kit/reboot.ts'
import { type Hosts, scenario } from '../kit/scenario.ts'
import { withSteadyPair } from '../kit/steady.ts'
import { undoAfter } from '../kit/suppressed.ts'
import { together } from '../kit/together.ts'

/** A start takes 1 s where Consul does not answer; the rest of these 15 s is Docker on a busy machine. */
const startedWithinMs = 3 * untilConverged.timeout
const knownWithinMs = 10_000
/** The other hosts are told by UDP, beside the Join. */
const toldWithinMs = 2000

async function durationOf(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now()
  await work()
  return performance.now() - began
}

const faultsOfConsul: [
  string,
  (lab: Pick<Hosts, 'hostA' | 'consulServer'> & { faults: Faults }) => Promise<AsyncDisposable>,
][] = [
  ['stopped', ({ consulServer }) => stopped(consulServer)],
  ['frozen', ({ consulServer, faults }) => faults.pause(consulServer, 'consul')],
  ['cut off', ({ hostA, consulServer, faults }) => faults.partition(hostA, consulServer)],
]

async function stopped(consulServer: Host): Promise<AsyncDisposable> {
  await consulServer.succeed`systemctl stop consul`
  return {
    async [Symbol.asyncDispose]() {
      await consulServer.succeed`systemctl start consul`
    },
  }
}

/**
 * What the host can do by itself, and what it refuses. The other host is told directly. Returns a new
 * container that stays.
 */
async function startsAndRestarts(hostA: Host, here: Container, there: Container): Promise<Container> {
  const run = () => hostA.succeed`docker run --rm --network steady debian:13 ping -c1 -W1 ${here.address}`
  expect(await durationOf(run)).toBeLessThan(startedWithinMs)
  expect(await durationOf(() => hostA.succeed`docker restart -t0 one`)).toBeLessThan(startedWithinMs)
  expect(await here.currentAddress()).toBe(here.address)
  await here.within(toldWithinMs).waitUntilSucceeds`ping -c1 -W1 ${there.address}`
  const late = await hostA.run({ name: 'late', network: 'steady' })
  try {
    await late.succeed`ping -c1 -W1 one`
    await here.within(toldWithinMs).waitUntilSucceeds`ping -c1 -W1 late`
    await late.within(toldWithinMs).waitUntilSucceeds`ping -c1 -W1 ${there.address}`
    await there.within(toldWithinMs).waitUntilSucceeds`ping -c1 -W1 ${late.address}`
    await refusesNew(hostA)
  } catch (error) {
    return undoAfter(error, () => late[Symbol.asyncDispose]())
  }
  return late
}

for (const [how, make] of faultsOfConsul) {
  scenario(
    `Consul ${how}: containers start and restart with their addresses, and are known when it is back`,
    async ({ hostA, hostB, consulServer, faults }) => {
      await withSteadyPair(hostA, hostB, async (a, b) => {
        await hostA.waitUntilSucceeds`sh -c ${reserveIsFull}`
        let late: Container
        {
          await using _fault = await make({ hostA, consulServer, faults })
          late = await startsAndRestarts(hostA, a, b)
        }
        await using _late = late
        await together([
          hostA.within(20_000).waitUntilSucceeds`sh -c ${'multihost status --json | jq -e .store.fresh'}`,
          hostB.within(20_000).waitUntilSucceeds`sh -c ${'multihost status --json | jq -e .store.fresh'}`,
        ])
        await b.within(knownWithinMs).waitUntilSucceeds`ping -c1 -W1 late`
      })
    },
  )
}

/** The disk copy of the store has an address that no endpoint has. */
const reserveIsFull = 'grep addresses /var/lib/multihost/snapshot.json | grep -qv endpoint'

scenario(
  'a container keeps its address over restarts; an address of --ip is kept for its container over a reboot',
  async ({ hostA, hostB }) => {
    await withSteadyPair(hostA, hostB, async (a, b) => {
      for (let round = 0; round < 3; round++) {
        await hostA.succeed`docker restart -t0 one`
        expect(await a.currentAddress()).toBe(a.address)
      }
      const always = '--restart always --network fixed debian:13 sleep infinity'
      await hostB.succeed`docker network create -d vxlan --ipam-driver vxlan --subnet 10.61.0.0/28 fixed`
      await using _fixed = atEnd(async () => {
        await hostB.run`docker rm -f db w1 w2 w3`
        await hostB.waitUntilSucceeds`docker network rm fixed`
      })
      await hostB.succeed`sh -c ${`docker run -d --name db --ip 10.61.0.2 ${always}`}`
      for (const name of ['w1', 'w2', 'w3'])
        await hostB.succeed`sh -c ${`docker run -d --name ${name} ${always}`}`
      await reboot(hostB)
      await hostB.within(60_000).waitUntilSucceeds`docker version > /dev/null`
      const running = 'docker ps -q --filter network=fixed | wc -l'
      await hostB.within(20_000).waitUntilSucceeds`sh -c ${`[ $(${running}) = 4 ]`}`
      const address = 'docker inspect -f {{.NetworkSettings.Networks.fixed.IPAddress}} db'
      expect(await hostB.succeed`sh -c ${address}`).toBe('10.61.0.2')
      await hostB.succeed`docker start two`
      await a.within(20_000).waitUntilSucceeds`ping -c1 -W1 ${await b.currentAddress()}`
    })
  },
)

scenario('two hosts fill a /28 to the last address, and a /30 has one', async ({ hostA, hostB }) => {
  for (const [subnet, size] of [
    ['10.62.0.0/28', 12],
    ['10.62.1.0/30', 1],
  ] as const) {
    await hostA.succeed`docker network create -d vxlan --ipam-driver vxlan --subnet ${subnet} tight`
    await using _tight = atEnd(async () => {
      const remove = 'docker ps -aq --filter network=tight | xargs -r docker rm -f'
      await together([hostA.run`sh -c ${remove}`, hostB.run`sh -c ${remove}`])
      await hostA.waitUntilSucceeds`docker network rm tight`
      await gone(hostB, 'tight')
    })
    await hostB.waitUntilSucceeds`docker network inspect tight > /dev/null`
    const start = (n: number) => {
      const host = n % 2 === 0 ? hostA : hostB
      return host.succeed`docker run -d --name ${`tight${n}`} --network tight debian:13 sleep infinity`
    }
    for (let n = 0; n < size; n++) await start(n)
    const words = await hostB.fail`docker run --rm --network tight debian:13 true`
    expect(words).toMatch(new RegExp(`${size} of ${size} are leased: ${size} (is|are) used`))
  }
})
