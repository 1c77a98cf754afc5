/**
 * One history: some steps at random, then quiet, and the world must agree within a deadline.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { disagreements, hasLeftoverLease } from './agreement.ts'
import { noFaults } from './faulty-client.ts'
import { isDisturbing, type Life, mendKeys, networks, ordinary, weighted } from './steps.ts'
import type { WorldHost } from './world.ts'

const convergedWithinMs = 60_000
/** Of what has happened. Longer than the hosts' pause between full reads. */
const learntWithinMs = 5000

/** Makes the networks and waits until all hosts have them. */
export async function prepare({ world }: Life): Promise<void> {
  const isMember = ({ store }: WorldHost): boolean => store.snapshot().hosts.size === world.hosts.length
  await agreed(() => (world.hosts.every(isMember) ? [] : ['a host has not claimed its name']))
  const [first] = world.hosts
  for (const [name, pools] of Object.entries(networks)) await first?.docker.create(name, { pools })
  const known = (host: WorldHost): boolean =>
    Object.keys(networks).every((name) => host.docker.ls().includes(name))
  await agreed(() => (world.hosts.every(known) ? [] : ['a host lacks a network']))
}

/** Throws with what does not agree, or what broke an invariant. */
export async function liveHistory(life: Life): Promise<void> {
  const { world, random, steps } = life
  const pending: Promise<unknown>[] = []
  const isOrdinary = random.chance(0.2)
  const count = 1 + random.below(isOrdinary ? 10 : 5)
  life.isCalm = !hasLeftoverLease(world)
  for (const host of world.hosts) host.isEvicted = false
  for (let done = 0; done < count; done += 1) {
    const step = random.pick(isOrdinary ? ordinary : weighted)
    if (isDisturbing(step)) life.isCalm = false
    const said = step(life, (work) => void pending.push(work.catch(() => 'refused')))
    if (said !== undefined) steps.push(said)
    if (random.chance(0.4)) await delay(random.below(6))
  }
  await heal(life, pending)
  await comesToRest(life)
  // A backup may bring the records of a host back before all hosts have learnt that it was removed.
  if (world.hosts.some(({ isEvicted }) => isEvicted)) {
    await delay(learntWithinMs)
    await comesToRest(life)
  }
  if (world.violations.length > 0) throw new Error('an invariant was broken')
  steps.push('quiet')
}

function comesToRest(life: Life): Promise<void> {
  return agreed(async () => {
    await removeCutOff(life)
    return disagreements(life.world)
  })
}

async function heal(life: Life, pending: Promise<unknown>[]): Promise<void> {
  const { world } = life
  mendKeys(life)
  for (const { faults } of world.hosts) Object.assign(faults, noFaults())
  await Promise.all(pending)
  for (const host of world.hosts) if (host.member === undefined) await host.startDriver()
}

/**
 * Of a host that was evicted while its containers ran: those whose address went to another host meanwhile, as
 * `multihost status` asks for.
 */
async function removeCutOff({ world, steps }: Life): Promise<void> {
  for (const host of world.hosts.filter(({ isEvicted }) => isEvicted)) {
    const problems = host.member?.status().problems ?? []
    const named = problems.map((it) => /^container (\S+) is cut off .* its address \S+ went to/.exec(it)?.[1])
    for (const container of [...host.running.keys()].filter((name) => named.includes(name))) {
      await host.stop(container)
      steps.push(`${host.name}: docker rm -f ${container}, which is cut off`)
    }
  }
}

async function agreed(look: () => string[] | Promise<string[]>): Promise<void> {
  const deadline = performance.now() + convergedWithinMs
  for (let pauseMs = 20; ; pauseMs = Math.min(100, pauseMs * 1.5)) {
    const wrong = await look()
    if (wrong.length === 0) return
    if (performance.now() > deadline) throw new Error(wrong.join('\n'))
    await delay(pauseMs)
  }
}
