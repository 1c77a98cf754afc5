/**
 * Containers start and stop at random on both hosts while engines and a driver are restarted and killed.
 *
 *     SOAK_CONTAINERS=1000 SOAK_SEED=42 npm run scenarios -- faults/soak
 *
 * Between two rounds: all addresses are different, and one container reaches another by name within 5 s. At
 * the end: nothing is left. In a run of 75 rounds or more (some 520 containers) also: neither the memory nor
 * the open files of the driver that was never restarted have grown. In a shorter run the warm-up of V8 hides
 * a trend.
 */
import { randomInt } from 'node:crypto'
import { expect } from 'vitest'
import { convergesWithinMs } from '../kit/converged.ts'
import type { Faults } from '../kit/faults.ts'
import type { Host } from '../kit/host.ts'
import { sharedNetwork } from '../kit/network.ts'
import { scenario } from '../kit/scenario.ts'
import { inventory, nothingLeftSince } from '../kit/steady.ts'
import { together } from '../kit/together.ts'
import { judge, judgesGrowth, type Sample, sampleOf } from './growth.ts'
import { positiveFrom } from './number-from.ts'
import { namesAfter, type SoakStep, soakPlan } from './soak-plan.ts'

const containers = positiveFrom('SOAK_CONTAINERS', 60)
const seed = positiveFrom('SOAK_SEED', randomInt(1, 2 ** 31))
const plan = soakPlan(seed, containers)

scenario(
  `${containers} containers start and stop, with restarts in between: no leak, no address twice${judgesGrowth(plan.length) ? ', no growth' : ''}`,
  { timeout: 60_000 + containers * 10_000 },
  async ({ hostA, hostB, faults }) => {
    console.log(`soak: to repeat it: SOAK_SEED=${seed} SOAK_CONTAINERS=${containers}`)
    const before = await inventory()
    const samples: Sample[] = []
    const alive: string[][] = [[], []]
    {
      await using _soak = await sharedNetwork([hostA, hostB], 'soak')
      const hosts = [hostA, hostB]
      await using _containers = { [Symbol.asyncDispose]: () => removeAll(...hosts) }
      for (const [i, round] of plan.entries()) {
        await together(hosts.map((host, at) => play(host, round[at] ?? [], faults)))
        for (const [at, names] of alive.entries()) alive[at] = namesAfter(round[at] ?? [], names)
        await checkRound(hosts, alive, `round ${i} of seed ${seed}`)
        samples.push(await sampleOf(hostA))
      }
    }
    await hostA.waitUntilSucceeds`left=$(docker ps -aqf name=^soak-) && [ -z "$left" ]`
    await nothingLeftSince(before)
    judge('soak', samples)
  },
)

async function play(host: Host, steps: readonly SoakStep[], faults: Faults): Promise<void> {
  for (const step of steps) {
    if (step.step === 'start') {
      const start = (name: string) =>
        host.succeed`docker run -d --init --name ${name} --network soak debian:13 sleep infinity`
      await together(step.names.map(start))
    } else if (step.step === 'stop') await host.succeed`docker rm -f ${step.names}`
    else if (step.step === 'restart') await faults.restart(host, step.unit)
    // A killed driver is gone then, and a new one not yet there: an engine must work while its driver starts.
    else await faults.kill(host, step.unit)
    if ('unit' in step && step.unit === 'docker') await removeAll(host)
  }
}

async function removeAll(...hosts: Host[]): Promise<void> {
  const all = 'docker ps -aqf name=^soak- > /tmp/all && xargs -r docker rm -f < /tmp/all'
  await together(hosts.map((host) => host.within(30_000).waitUntilSucceeds`sh -c ${all}`))
}

interface Running {
  host: Host
  name: string
  address: string
}

/** `alive`: the names of the containers that run on each host. */
async function checkRound(hosts: readonly Host[], alive: string[][], where: string): Promise<void> {
  const lists = await together(hosts.map(runningOn))
  const names = lists.map((list) => list.map(({ name }) => name).sort())
  expect(names, `containers that run after ${where}`).toEqual(alive.map((each) => each.toSorted()))
  const addresses = lists.flat().map(({ address }) => address)
  expect(new Set(addresses).size, `an address twice after ${where}: ${addresses.join(' ')}`).toBe(
    addresses.length,
  )
  const [from, to] = lists.map(([first]) => first)
  if (from === undefined || to === undefined) return
  await from.host.within(convergesWithinMs)
    .waitUntilSucceeds`docker exec ${from.name} ping -c1 -W1 ${to.name}`
}

async function runningOn(host: Host): Promise<Running[]> {
  const format = '{{.Name}} {{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}'
  const text = await host.succeed`docker ps -qf name=^soak- | xargs -r docker inspect -f ${format}`
  return text
    .split('\n')
    .filter(Boolean)
    .map((line) => {
      const [name = '', address = ''] = line.slice(1).split(' ')
      return { host, name, address }
    })
}
