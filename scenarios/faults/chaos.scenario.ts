/**
 * Everything at random, at the same time: Consul is stopped, frozen, cut off, emptied, damaged and restored,
 * drivers restart and die, networks are pruned, containers come and go. No ping is lost between containers
 * that run through it, and after it all agree.
 *
 *     CHAOS_MINUTES=30 CHAOS_SEED=42 npm run scenarios -- --hosts 4 faults/chaos
 *
 * The driver of the first host is never restarted: its memory, open files and log show growth. With more than
 * two hosts, the last one has no container that runs through, and loses its engine and its power, too.
 */
import { randomInt } from 'node:crypto'
// biome-ignore lint/style/noRestrictedImports: how long a fault lasts is drawn; nothing is waited for
import { setTimeout } from 'node:timers/promises'
import { expect } from 'vitest'
import { atEnd } from '../kit/at-end.ts'
import { converged } from '../kit/converged.ts'
import type { Faults } from '../kit/faults.ts'
import type { Container, Host } from '../kit/host.ts'
import { sharedNetwork } from '../kit/network.ts'
import { keepsPinging } from '../kit/pings.ts'
import { scenario } from '../kit/scenario.ts'
import { inventory, nothingLeftSince } from '../kit/steady.ts'
import { consulLeads, storeUrl } from '../kit/store.ts'
import { inTurn, together } from '../kit/together.ts'
import { chaosPlan } from './chaos-plan.ts'
import { judge, type Sample, sampleOf } from './growth.ts'
import { positiveFrom } from './number-from.ts'

const minutes = positiveFrom('CHAOS_MINUTES', 0.5)
const seed = positiveFrom('CHAOS_SEED', randomInt(1, 2 ** 31))
const image = 'debian:13'

interface Place {
  hosts: readonly Host[]
  consulServer: Host
  faults: Faults
}
type Act = (place: Place, host: Host, chance: number) => Promise<unknown>

const seconds = (chance: number) => setTimeout(1000 + 6000 * chance)
const atStore = (curl: string) => `curl -sf ${curl} > /dev/null`

/** What happens to the store. Each act ends when Consul has a leader again. */
const storeActs = {
  restart: ({ faults, consulServer }) => faults.restart(consulServer, 'consul'),
  async kill({ faults, consulServer }) {
    await using _killed = await faults.kill(consulServer, 'consul')
  },
  async freeze({ faults, consulServer }, _host, chance) {
    await using _frozen = await faults.pause(consulServer, 'consul')
    await seconds(chance)
  },
  async cutOff({ faults, consulServer }, host, chance) {
    await using _cut = await faults.partition(host, consulServer)
    await seconds(chance)
  },
  loseEndpoints: ({ consulServer }) => remove(consulServer, 'endpoints/?recurse'),
  loseAddresses: ({ consulServer }) => remove(consulServer, 'addresses/?recurse'),
  loseHosts: ({ consulServer }) => remove(consulServer, 'hosts/?recurse'),
  loseAll: ({ consulServer }) => remove(consulServer, '?recurse'),
  damage: ({ consulServer }, _host, chance) => damage(consulServer, chance),
  backUp: ({ consulServer }) => consulServer.succeed`consul snapshot save /root/chaos > /dev/null`,
  restore: ({ consulServer }) =>
    consulServer.succeed`[ ! -e /root/chaos ] || consul snapshot restore /root/chaos > /dev/null`,
} satisfies Record<string, Act>

/** What happens to a host. Its containers run on. */
const hostActs = {
  restart: ({ hosts, faults }, host) => faults.restart(notFirst(hosts, host), 'multihost'),
  async kill({ hosts, faults }, host) {
    await using _killed = await faults.kill(notFirst(hosts, host), 'multihost')
  },
  // The engine refuses a prune while another one runs.
  prune: (_, host) => host.waitUntilSucceeds`docker network prune -f > /dev/null`,
  pruneSystem: (_, host) => host.waitUntilSucceeds`docker system prune -f > /dev/null`,
  loseSockets: (_, host) => host.succeed`rm -rf /run/docker/plugins`,
  loseFilter: (_, host) => host.succeed`nft delete table inet multihost 2> /dev/null; true`,
  async loseEngine({ hosts, faults }, _host, chance) {
    const victim = hosts.at(-1)
    if (hosts.length < 3 || victim === undefined) return
    if (chance < 0.5) return faults.restart(victim, 'docker')
    await using _off = await faults.off(victim)
    await setTimeout(4000 * chance)
  },
} satisfies Record<string, Act>

/** Containers come and go. A start may be refused: with Consul away, an empty reserve is a reason. */
const containerActs = {
  start: (_, host, chance) => host.run`docker run -d --init --network chaos ${image} sleep ${15 * chance}`,
  runs: (_, host) => host.run`docker run --rm --network chaos ${image} true`,
  removeEnded: (_, host) => host.run`docker container prune -f`,
} satisfies Record<string, Act>

scenario(
  `${minutes} minutes of everything at random: no packet is lost between containers that run`,
  { timeout: 300_000 + minutes * 90_000 },
  async ({ hosts, consulServer, faults, needs }) => {
    needs('network faults')
    if (hosts.length > 2) needs('power')
    console.log(`chaos: to repeat it: CHAOS_SEED=${seed} CHAOS_MINUTES=${minutes}`)
    const place = { hosts, consulServer, faults }
    await using _backup = atEnd(() => consulServer.succeed`rm -f /root/chaos`)
    const before = await inventory()
    const samples: Sample[] = []
    {
      await using _network = await sharedNetwork(hosts, 'chaos')
      await using _others = { [Symbol.asyncDispose]: () => inTurn(hosts, removeOthers) }
      await using steady = await steadyOn(hosts.length > 2 ? hosts.slice(0, -1) : hosts)
      const pinging = await together(steady.pairs.map(([from, to]) => keepsPinging(from, to)))
      const end = performance.now() + minutes * 60_000
      await together([
        run(place, storeActs, seed, end, () => consulLeads(consulServer)),
        run(place, hostActs, seed + 1, end, async () => void samples.push(await sampleOf(place.hosts[0]))),
        run(place, containerActs, seed + 2, end),
      ])
      await together(hosts.map(settled))
      const gaps = await together(pinging.map((each) => each.gaps()))
      expect(gaps, 'packets lost between the pairs').toEqual(gaps.map(() => ''))
      await converged(hosts, steady.containers)
    }
    await nothingLeftSince(before)
    judge('chaos', samples)
  },
)

async function run<Name extends string>(
  place: Place,
  acts: Record<Name, Act>,
  from: number,
  end: number,
  after: () => Promise<unknown> = async () => undefined,
): Promise<void> {
  const { hosts } = place
  for (const { act, host, chance } of chaosPlan(from, Object.keys(acts) as Name[], hosts.length)) {
    if (performance.now() > end) return
    await acts[act](place, hosts[host] as Host, chance)
    await after()
    await setTimeout(500 + 2000 * chance)
  }
}

const notFirst = (hosts: readonly Host[], host: Host): Host => (host === hosts[0] ? (hosts[1] as Host) : host)

async function remove(consulServer: Host, keys: string): Promise<void> {
  await consulServer.within(30_000).waitUntilSucceeds`sh -c ${atStore(`-X DELETE '${storeUrl}/${keys}'`)}`
}

/** A record of a container is no record for three seconds. */
async function damage(consulServer: Host, chance: number): Promise<void> {
  const keys = await consulServer.within(30_000)
    .waitUntilSucceeds`curl -sf ${`${storeUrl}/endpoints/?keys&consistent`} || echo ${'[]'}`
  const all: string[] = JSON.parse(keys)
  const key = all[Math.floor(chance * all.length)]
  if (key === undefined) return
  const url = `http://127.0.0.1:8500/v1/kv/${key}`
  const value = await consulServer.run`curl -sf ${`${url}?raw`}`
  await consulServer.run`curl -sf -X PUT -d ${'{"v":'} ${url}`
  await setTimeout(3000)
  const now = await consulServer.run`curl -sf ${`${url}?raw`}`
  if (now.stdout.trim() === '{"v":') await consulServer.run`curl -sf -X PUT -d ${value.stdout} ${url}`
}

interface Steady extends AsyncDisposable {
  containers: readonly Container[]
  /** From each host to the next, in a ring. */
  pairs: readonly (readonly [Container, Container])[]
}

async function steadyOn(hosts: readonly Host[]): Promise<Steady> {
  const containers = await together(
    hosts.map((host) => host.run({ name: `steady-${host.name}`, network: 'chaos' })),
  )
  const pairs = containers.map((from, i) => [from, containers[(i + 1) % hosts.length] as Container] as const)
  await together(pairs.map(([from, to]) => from.waitUntilSucceeds`ping -c1 -W1 ${to.address}`))
  return { containers, pairs, [Symbol.asyncDispose]: () => inTurn(containers, (each) => each.remove()) }
}

/** All that was missing is back, and Docker's own clean-up is over. */
async function settled(host: Host): Promise<void> {
  await host.within(60_000)
    .waitUntilSucceeds`multihost status --json | jq -e ${'.store.fresh and (.problems | length == 0)'}`
}

async function removeOthers(host: Host): Promise<void> {
  await host.within(30_000)
    .waitUntilSucceeds`docker ps -a --filter network=chaos --format ${'{{.Names}}'} | { grep -v ^steady- || true; } | xargs -r docker rm -f`
}
