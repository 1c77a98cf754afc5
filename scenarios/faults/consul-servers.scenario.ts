/**
 * Three Consul servers: the leader killed under load, a server that is frozen, one that the others do not
 * reach, and one whose disk is full. The drivers ask another server, and containers notice nothing.
 *
 *     npm run scenarios -- faults/consul-servers
 */
import { expect } from 'vitest'
import { atEnd } from '../kit/at-end.ts'
import { scenarioOn } from '../kit/enough.ts'
import type { Faults } from '../kit/faults.ts'
import type { Host } from '../kit/host.ts'
import { longRun } from '../kit/long-run.ts'
import { hasNo } from '../kit/network.ts'
import { lostWhile } from '../kit/pings.ts'
import { withSteadyPair } from '../kit/steady.ts'
import { together } from '../kit/together.ts'
import { positiveFrom } from './number-from.ts'

/** A run brings up a lab with so many for this file (scenarios/selection.ts). */
export const consulServers = 3

const scenario = scenarioOn({ consul: consulServers })

/** Containers that each of two hosts starts. */
const starts = positiveFrom('MULTIHOST_STARTS', 20)
/** Docker itself takes about a second of both processors for a container. */
const startedWithinMs = 120_000 + starts * 5000
const fresh = 'multihost status --json | jq -e .store.fresh'
/** A new leader within some 10 s; a driver that asks a silent server leaves it after 4 s. */
const goesOnWithinMs = 30_000
/**
 * A server with a full disk wins elections while its log is the longest, and steps down at its first write.
 * Until another server is ahead, commits fail and the drivers try them again; that took 3 to 40 s.
 */
const electedWithinMs = 120_000

async function leaderOf(servers: readonly Host[]): Promise<Host> {
  const [first] = servers as [Host, ...Host[]]
  const said = await first.waitUntilSucceeds`curl -sf http://${first.address}:8500/v1/status/leader | grep :`
  const leader = servers.find(({ address }) => said === `"${address}:8300"`)
  if (leader === undefined) throw new Error(`another server leads: ${said}`)
  return leader
}

/** Five at a time. Prints what failed. */
const startMany = (name: string) =>
  `seq ${starts} | xargs -P5 -I% sh -c 'docker run -d --name ${name}-% --network steady debian:13 sleep infinity 2>&1 > /dev/null || echo ${name}-% failed'`
const removeMany = (name: string) => `docker ps -aqf name=^${name}- | xargs -r docker rm -f`
const addressesOf = (name: string) =>
  `docker ps -qf name=^${name}- | xargs -r docker inspect -f {{.NetworkSettings.Networks.steady.IPAddress}}`

scenario(
  'the leader is killed while containers start on two hosts: all start, each with an address of its own',
  { timeout: 600_000 },
  async ({ consulServers: servers, hostA, hostB, faults }) => {
    const led = await leaderOf(servers)
    await withSteadyPair(hostA, hostB, async (a, b) => {
      await using _many = atEnd(() =>
        together([
          longRun(hostA, removeMany('here'), startedWithinMs),
          longRun(hostB, removeMany('there'), startedWithinMs),
        ]),
      )
      const lost = await lostWhile(a, b, async () => {
        const started = together([
          longRun(hostA, startMany('here'), startedWithinMs),
          longRun(hostB, startMany('there'), startedWithinMs),
        ])
        started.catch(() => undefined) // awaited below, unless a wait before fails
        await hostA.within(60_000).waitUntilSucceeds`[ $(docker ps -qf name=^here- | wc -l) -ge 3 ]`
        await using _killed = await faults.kill(led, 'consul')
        expect(await started, 'what docker run says').toEqual(['', ''])
        for (const host of [hostA, hostB]) await host.within(goesOnWithinMs).waitUntilSucceeds`sh -c ${fresh}`
      })
      expect(lost).toBe(0)
      const addresses = (
        await together([
          hostA.succeed`sh -c ${addressesOf('here')}`,
          hostB.succeed`sh -c ${addressesOf('there')}`,
        ])
      ).flatMap((lines) => lines.split('\n'))
      expect(new Set(addresses).size).toBe(2 * starts)
      await a.within(goesOnWithinMs).waitUntilSucceeds`ping -c1 -W1 ${`there-${starts}`}`
      await b.within(goesOnWithinMs).waitUntilSucceeds`ping -c1 -W1 ${`here-${starts}`}`
    })
  },
)

/** One host creates a network and removes it; the other host has it meanwhile. */
async function createsNetworks(creator: Host, other: Host, withinMs = goesOnWithinMs): Promise<void> {
  await creator.within(withinMs).waitUntilSucceeds`docker network create -d vxlan --ipam-driver vxlan beyond`
  await other.within(withinMs).waitUntilSucceeds`docker network inspect beyond > /dev/null`
  await creator.within(withinMs).waitUntilSucceeds`docker network rm beyond`
  await other.within(withinMs).waitUntilSucceeds`sh -c ${hasNo('beyond')}`
}

/** The host's driver has a connection to the server. */
const asks = ({ address }: Host) =>
  `ss -Htnp state established dst ${address}:8500 | grep -q pid=$(systemctl show -p MainPID --value multihost),`

const faultsOfAServer: [
  string,
  (server: Host, others: readonly Host[], faults: Faults) => Promise<unknown>,
][] = [
  ['frozen', (server, _, faults) => faults.pause(server, 'consul')],
  [
    'cut off from the others',
    (server, others, faults) => together(others.map((each) => faults.partition(server, each))),
  ],
]

for (const [how, make] of faultsOfAServer) {
  scenario(
    `a server is ${how}: the host that asked it asks another, and creates networks`,
    { timeout: 600_000 },
    async ({ consulServers: servers, hostA, hostB, faults }) => {
      // The second Docker host asks the second server first; scenarios look into the store through the first one.
      const [first, asked, last] = servers as [Host, Host, Host]
      await withSteadyPair(hostA, hostB, async (a, b) => {
        // A driver that was moved to another server stays there.
        await hostB.succeed`systemctl restart multihost`
        await hostB.within(goesOnWithinMs).waitUntilSucceeds`sh -c ${asks(asked)}`
        const lost = await lostWhile(a, b, async () => {
          await make(asked, [first, last], faults)
          await createsNetworks(hostB, hostA)
          await hostB.within(goesOnWithinMs)
            .waitUntilSucceeds`sh -c ${`${fresh} && { ${asks(first)} || ${asks(last)}; }`}`
        })
        expect(lost).toBe(0)
      })
    },
  )
}

const otherLeads = (asked: Host, full: Host): string =>
  `said=$(curl -sf http://${asked.address}:8500/v1/status/leader) && [ "$said" != '""' ] && [ "$said" != '"${full.address}:8300"' ]`

scenario(
  'the leader’s disk is full: another server leads, and both hosts create networks',
  { timeout: 1_800_000 },
  async ({ consulServers: servers, hostA, hostB, faults }) => {
    const [first, second, third] = servers as [Host, Host, Host]
    const small = (server: Host) => faults.smallDisk(server, '/var/lib/consul', 'consul')
    await using one = await small(first)
    await using two = await small(second)
    await using three = await small(third)
    await withSteadyPair(hostA, hostB, async (a, b) => {
      const led = await leaderOf(servers)
      const lost = await lostWhile(a, b, async () => {
        await using _full = await [one, two, three][servers.indexOf(led)]?.fill()
        await createsNetworks(hostA, hostB, electedWithinMs)
        await createsNetworks(hostB, hostA, electedWithinMs)
        await hostA.within(electedWithinMs).waitUntilSucceeds`sh -c ${otherLeads(first, led)}`
      })
      expect(lost).toBe(0)
    })
  },
)
