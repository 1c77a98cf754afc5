/**
 * One history: some steps at random, then quiet, and the world must agree within a deadline.
 *
 * Steps are what people, machines and networks do: containers come and go, drivers restart, Consul is cut
 * off, answers are lost, late or filtered, records are deleted and spoilt by hand, the store is emptied,
 * restored or another one.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { keyIn, recordName } from '../../driver/core/snapshot.ts'
import type { Random } from '../../scenarios/faults/random.ts'
import { consulInMemory } from '../fixtures/consul-in-memory.ts'
import { noFaults } from './faulty-client.ts'
import type { World, WorldHost } from './world.ts'

export interface Life {
  world: World
  random: Random
  /** What has happened, for the report of a violation. */
  steps: string[]
  /** Containers are numbered, so that no name comes twice. */
  containers: number
  backup: ReturnType<World['consul']['backup']> | undefined
  /** Keys that were spoilt by hand, with their last value before. */
  spoilt: Map<string, string>
}

const networkNames = ['red', 'blue']
const prefix = 'multihost'
const spoilt = 'not JSON'
const convergedWithinMs = 60_000

export function newLife(world: World, random: Random, steps: string[]): Life {
  return { world, random, steps, containers: 0, backup: undefined, spoilt: new Map() }
}

/** Makes the networks and waits until all hosts have them. */
export async function prepare({ world }: Life): Promise<void> {
  const isMember = ({ store }: WorldHost): boolean => store.snapshot().hosts.size === world.hosts.length
  await agreed(() => (world.hosts.every(isMember) ? [] : ['a host has not claimed its name']))
  const [first] = world.hosts
  for (const name of networkNames) await first?.docker.create(name)
  const known = (host: WorldHost): boolean => networkNames.every((name) => host.docker.ls().includes(name))
  await agreed(() => (world.hosts.every(known) ? [] : ['a host lacks a network']))
}

/** Throws with what does not agree, or what broke an invariant. */
export async function liveHistory(life: Life): Promise<void> {
  const { world, random, steps } = life
  const pending: Promise<unknown>[] = []
  const count = 1 + random.below(5)
  for (let done = 0; done < count; done += 1) {
    const step = random.pick(weighted)
    const said = step(life, (work) => void pending.push(work.catch(() => 'refused')))
    if (said !== undefined) steps.push(said)
    if (random.chance(0.4)) await delay(random.below(6))
  }
  await heal(life, pending)
  await agreed(() => disagreements(world))
  if (world.violations.length > 0) throw new Error('an invariant was broken')
  steps.push('quiet')
}

/** Undefined where the step is not possible now. `start` runs work that may be refused. */
type Step = (life: Life, start: (work: Promise<unknown>) => void) => string | undefined

const run: Step = (life, start) => {
  const host = life.random.pick(life.world.hosts)
  const alive = life.world.hosts.reduce((sum, { running }) => sum + running.size, 0)
  if (alive >= 6) return undefined
  life.containers += 1
  const [name, network] = [`c${life.containers}`, life.random.pick(networkNames)]
  start(host.run(name, network))
  return `${host.name}: docker run ${name} on ${network}`
}

const stop: Step = ({ world, random }, start) => {
  const hosts = world.hosts.filter(({ running, member }) => running.size > 0 && member !== undefined)
  if (hosts.length === 0) return undefined
  const host = random.pick(hosts)
  const name = random.pick([...host.running.keys()])
  start(host.stop(name))
  return `${host.name}: docker stop ${name}`
}

const restart: Step = ({ world, random }, start) => {
  const host = random.pick(world.hosts)
  if (host.member === undefined) return undefined
  start(restarted(host, random.below(4)))
  return `${host.name}: driver restarts`
}

/** An upgrade between two of the calls that a container's start makes. */
const restartDuringRun: Step = (life, start) => {
  const { world, random } = life
  const said = run(life, start)
  const host = world.hosts.find(({ name }) => said?.startsWith(`${name}:`))
  if (host === undefined) return said
  start(delay(random.below(12)).then(() => restarted(host, random.below(4))))
  return `${said}, and the driver restarts`
}

async function restarted(host: WorldHost, awayMs: number): Promise<void> {
  // Another restart has begun.
  if (host.member === undefined) return
  await host.stopDriver()
  await delay(awayMs)
  await host.startDriver()
}

const fault =
  (what: string, change: (host: WorldHost) => void): Step =>
  ({ world, random }) => {
    const host = random.pick(world.hosts)
    change(host)
    return `${host.name}: ${what}`
  }

const cut = fault('cut off from Consul', ({ faults }) => Object.assign(faults, { cut: true }))
const lose = fault('answers to commits are lost', ({ faults }) =>
  Object.assign(faults, { loseAnswers: true }),
)
const late = fault('lists are late', ({ faults }) => Object.assign(faults, { lateMs: 8 }))
const filter = fault('the token reads a part', ({ faults }) => Object.assign(faults, { filtered: true }))
const mend = fault('no faults', (host) => Object.assign(host.faults, noFaults()))

const tables = ['endpoints', 'addresses', 'networks', 'replicas']

const spoil: Step = (life) => {
  const { world, random } = life
  const keys = world.consul.keys().filter((key) => tables.includes(key.split('/')[1] ?? ''))
  if (keys.length === 0) return undefined
  const key = random.pick(keys)
  const was = world.consul.get(key)
  world.consul.put(key, spoilt)
  if (was !== undefined && was !== spoilt) life.spoilt.set(key, was)
  // A person sees the mistake.
  setTimeout(() => mendKeys(life), 2 + random.below(10))
  return `${key} is spoilt by hand`
}

const deletable = [...tables, 'endpoints', 'network-names', 'vnis', 'pools', 'uses', 'hosts']

const remove: Step = ({ world, random }) => {
  const keys = world.consul.keys().filter((key) => deletable.includes(key.split('/')[1] ?? ''))
  if (keys.length === 0) return undefined
  const key = random.pick(keys)
  world.consul.delete(key)
  return `${key} is deleted by hand`
}

const removeFolder: Step = ({ world, random }) => {
  const table = random.pick(deletable)
  world.consul.delete(`${prefix}/${table}/`)
  return `the folder ${table} is deleted by hand`
}

const backUp: Step = (life) => {
  life.backup = life.world.consul.backup()
  return 'a backup is made'
}

const restore: Step = ({ world, backup }) => {
  if (backup === undefined) return undefined
  world.consul.restore(backup)
  return 'the backup is restored'
}

const empty: Step = ({ world }) => {
  world.consul.delete(prefix)
  return 'the store is emptied'
}

const replace: Step = ({ world, random }) => {
  world.consul.replace(random.pick([1, 1_000_000]))
  return 'Consul is replaced by an empty one'
}

const foreign: Step = ({ world, random }) => {
  const other = consulInMemory()
  other.put(`${prefix}/cluster`, '{"id":"another","format":1}')
  world.server = other
  setTimeout(() => {
    world.server = world.consul
  }, 1 + random.below(12))
  return 'the address is another cluster’s Consul for a moment'
}

const weighted: readonly Step[] = [
  ...Array<Step>(8).fill(run),
  ...Array<Step>(7).fill(stop),
  ...Array<Step>(2).fill(restart),
  ...Array<Step>(2).fill(restartDuringRun),
  ...[cut, cut, lose, lose, late, late, filter, mend, mend],
  ...[spoil, spoil, remove, remove, removeFolder, backUp, backUp, restore, empty, replace, foreign],
]

/** A backup may have spoilt values, too. */
function mendKeys({ world: { consul }, spoilt: was }: Life): void {
  for (const [key, text] of was) if (consul.get(key) === spoilt) consul.put(key, text)
}

async function heal(life: Life, pending: Promise<unknown>[]): Promise<void> {
  const { world } = life
  mendKeys(life)
  for (const { faults } of world.hosts) Object.assign(faults, noFaults())
  await Promise.all(pending)
  for (const host of world.hosts) if (host.member === undefined) await host.startDriver()
}

async function agreed(look: () => string[]): Promise<void> {
  const deadline = performance.now() + convergedWithinMs
  for (let pauseMs = 20; ; pauseMs = Math.min(100, pauseMs * 1.5)) {
    const wrong = look()
    if (wrong.length === 0) return
    if (performance.now() > deadline) throw new Error(wrong.join('\n'))
    await delay(pauseMs)
  }
}

function disagreements(world: World): string[] {
  const wrong: string[] = []
  if (world.server !== world.consul) return ['the address is another cluster’s']
  const expected = new Set<string>()
  for (const { name, running, member, store } of world.hosts) {
    if (member === undefined) wrong.push(`${name} is stopped`)
    const { fresh, doubt, corrupt } = store.status()
    if (!fresh || doubt !== undefined) wrong.push(`${name} does not trust the store: ${doubt?.why}`)
    if (corrupt.length > 0) wrong.push(`${name}: unreadable ${corrupt.map(recordName)}`)
    for (const at of running.values()) {
      const network = networkOf(world, at.network, name)
      expected.add(`${prefix}/endpoints/${keyIn(network, at.endpoint)}`)
      expected.add(`${prefix}/addresses/${keyIn(network, at.v4)}`)
    }
  }
  const keys = new Set(world.consul.keys())
  const recorded = new Set([...keys].filter((key) => key.startsWith(`${prefix}/endpoints/`)))
  for (const key of expected) if (!keys.has(key)) wrong.push(`missing in the store: ${key}`)
  for (const key of recorded) if (!expected.has(key)) wrong.push(`left in the store: ${key}`)
  if (wrong.length === 0) wrong.push(...unknownTo(world, recorded))
  // Last, since a status is made of everything that the host knows.
  return wrong.length > 0 ? wrong : problems(world)
}

function unknownTo(world: World, recorded: ReadonlySet<string>): string[] {
  return world.hosts.flatMap(({ name, store }) => {
    const { endpoints } = store.snapshot()
    const same = endpoints.size === recorded.size && [...recorded].every((it) => endpoints.has(it.slice(20)))
    return same ? [] : [`${name} has other endpoints than the store`]
  })
}

function problems(world: World): string[] {
  return world.hosts.flatMap(({ name, member }) =>
    (member?.status().problems ?? []).map((it) => `${name}: ${it}`),
  )
}

/** The cluster's id of the network whose id is that in this host's Docker. */
function networkOf({ hosts }: World, local: string, host: string): string {
  const at = hosts.find(({ name }) => name === host)
  return at?.store.snapshot().replicas.get(`${host}/${local}`)?.value ?? local
}
