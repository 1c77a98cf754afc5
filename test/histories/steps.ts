/**
 * What people, machines and networks do: containers come and go, drivers and hosts restart, Consul is cut
 * off, answers are lost, late or filtered, records are deleted and spoilt by hand, the store is emptied,
 * restored or another one.
 */
import { setTimeout as delay } from 'node:timers/promises'
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
  /** Since the history began, nothing has failed, and no person has changed the store. */
  isCalm: boolean
  /** Containers by name, from before `docker run` until after `docker rm`. */
  owned: Map<string, Owned>
}

interface Owned {
  network: string
  /** Of `--ip`. */
  ip?: string | undefined
}

export function newLife(world: World, random: Random, steps: string[]): Life {
  const none = { containers: 0, backup: undefined, spoilt: new Map(), owned: new Map() }
  return { ...none, isCalm: true, world, random, steps }
}

/** `blue` has four addresses for containers: hosts give each other what lies in their reserves. */
export const networks = { red: [], blue: [{ subnet: '10.77.0.0/29' }] }
const small = {
  network: 'blue',
  addresses: ['10.77.0.2', '10.77.0.3', '10.77.0.4', '10.77.0.5'],
}
const prefix = 'multihost'
const spoiltText = 'not JSON'
const mostContainers = 7

/** Undefined where the step is not possible now. `start` runs work that may be refused. */
export type Step = (life: Life, start: (work: Promise<unknown>) => void) => string | undefined

/** A violation where Docker is refused although nothing has failed. */
function succeeds(life: Life, what: string, work: Promise<unknown>): Promise<unknown> {
  return work.catch((error: Error) => {
    if (life.isCalm) life.world.violations.push(`${what} is refused: ${error.message}`)
    throw error
  })
}

const up = ({ world }: Life): WorldHost[] => world.hosts.filter(({ isDown }) => !isDown)
const onNetwork = ({ owned }: Life, network: string): Owned[] =>
  [...owned.values()].filter((it) => it.network === network)

/** No address of a host that was removed while its containers run goes elsewhere: they would be cut off. */
const mayStart = ({ world }: Life): boolean => !world.hosts.some(({ isEvicted }) => isEvicted)
/** A container can be made. */
const hasRoom = (life: Life): boolean => life.owned.size < mostContainers && mayStart(life)

const run: Step = (life, start) => {
  const { random } = life
  if (!hasRoom(life)) return undefined
  const network = random.pick(Object.keys(networks))
  if (network === small.network && onNetwork(life, network).length === small.addresses.length)
    return undefined
  const host = random.pick(up(life))
  const name = newContainer(life, { network })
  const said = `${host.name}: docker run ${name} on ${network}`
  start(succeeds(life, said, begin(life, name, host.run(name, network))))
  return said
}

const runAt: Step = (life, start) => {
  const { random } = life
  const there = onNetwork(life, small.network)
  if (!hasRoom(life) || there.length === small.addresses.length) return undefined
  const host = random.pick(up(life))
  const ip = random.pick(small.addresses.filter((it) => !there.some((at) => at.ip === it)))
  const name = newContainer(life, { network: small.network, ip })
  start(begin(life, name, host.run(name, small.network, ip)))
  return `${host.name}: docker run --ip ${ip} ${name} on ${small.network}`
}

function newContainer(life: Life, owned: Owned): string {
  life.containers += 1
  const name = `c${life.containers}`
  life.owned.set(name, owned)
  return name
}

/** `docker run --rm`: the container is gone when its start fails. */
async function begin({ owned }: Life, name: string, started: Promise<unknown>): Promise<void> {
  await started.catch((error: unknown) => {
    owned.delete(name)
    throw error
  })
}

const stop: Step = (life, start) => {
  const found = pickRunning(life)
  if (found === undefined) return undefined
  const { host, name } = found
  start(host.stop(name).finally(() => life.owned.delete(name)))
  return `${host.name}: docker rm -f ${name}`
}

const halt: Step = (life, start) => {
  const found = pickRunning(life)
  if (found === undefined) return undefined
  const { host, name } = found
  start(host.halt(name))
  return `${host.name}: docker stop ${name}`
}

function pickRunning(life: Life): { host: WorldHost; name: string } | undefined {
  const hosts = up(life).filter(({ running }) => running.size > 0)
  if (hosts.length === 0) return undefined
  const host = life.random.pick(hosts)
  return { host, name: life.random.pick([...host.running.keys()]) }
}

const wake: Step = (life, start) => {
  const found = mayStart(life) ? pickHalted(life) : undefined
  if (found === undefined) return undefined
  const { host, name } = found
  const said = `${host.name}: docker start ${name}`
  start(succeeds(life, said, host.wake(name)))
  return said
}

const discard: Step = (life) => {
  const found = pickHalted(life)
  if (found === undefined) return undefined
  found.host.docker.discard(found.name)
  life.owned.delete(found.name)
  return `${found.host.name}: docker rm ${found.name}`
}

/** One that no command is about. */
function pickHalted(life: Life): { host: WorldHost; name: string } | undefined {
  const hosts = up(life).filter((it) => it.commands === 0 && it.docker.haltedNames().length > 0)
  if (hosts.length === 0) return undefined
  const host = life.random.pick(hosts)
  return { host, name: life.random.pick(host.docker.haltedNames()) }
}

/** Mostly an upgrade; sometimes long enough for everything to be noticed. */
const restart: Step = (life, start) => {
  const { random } = life
  const host = random.pick(up(life))
  if (host.member === undefined) return undefined
  const awayMs = random.chance(0.2) ? 200 + random.below(4000) : random.below(4)
  start(restarted(host, awayMs))
  return `${host.name}: driver restarts after ${awayMs} ms`
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
  if (host.member === undefined || host.isDown) return
  await host.stopDriver()
  await delay(awayMs)
  if (!host.isDown) await host.startDriver()
}

/** The machine is off for some time. A person may think that it does not come back. */
const powerCut: Step = (life, start) => {
  const { world, random } = life
  const idle = up(life).filter(({ commands, member }) => commands === 0 && member !== undefined)
  // Another host stays.
  if (idle.length === 0 || up(life).length === 1) return undefined
  const host = random.pick(idle)
  const evictor = random.chance(0.5) ? world.hosts.find((it) => it !== host && !it.isDown) : undefined
  for (const name of host.running.keys()) life.owned.delete(name)
  start(rebooted(host, evictor, random.below(2000)))
  const then = evictor === undefined ? '' : `, and ${evictor.name}: host rm ${host.name}`
  return `${host.name}: power cut${then}`
}

async function rebooted(host: WorldHost, evictor: WorldHost | undefined, offMs: number): Promise<void> {
  await host.crash()
  await evictor?.evict(host.name).catch(() => 'refused')
  await delay(offMs)
  await host.startDriver()
  // Containers that start before the driver has read the store get what the host had before it was removed.
  while (!host.store.status().fresh) await delay(20)
  host.isDown = false
}

/** The driver is off, and the host's containers run on. A person thinks that the host does not come back. */
const evict: Step = (life, start) => {
  const { world, random } = life
  const hosts = up(life).filter(({ running, member }) => running.size > 0 && member !== undefined)
  const host = hosts.length === 0 ? undefined : random.pick(hosts)
  const evictor = up(life).find((it) => it !== host && it.member !== undefined)
  const isBusy = world.hosts.some(({ commands }) => commands > 0)
  if (host === undefined || evictor === undefined || isBusy) return undefined
  host.isEvicted = true
  start(evicted(life, host, evictor))
  return `${host.name}: the driver stops, ${evictor.name}: host rm ${host.name}, and the driver and dockerd start`
}

async function evicted({ world, random }: Life, host: WorldHost, evictor: WorldHost): Promise<void> {
  await host.stopDriver()
  world.consul.expire(`${prefix}/alive/${host.name}`)
  await evictor.evict(host.name).catch(() => 'refused')
  host.faults.restoring = true
  const restored = delay(random.below(90)).then(() => Object.assign(host.faults, { restoring: false }))
  await Promise.all([restored, host.member ?? host.startDriver()])
}

/** A pause that Consul does not forgive, as of a virtual machine that is moved. The host is alive, and stays. */
const lapse: Step = (life, start) => {
  const { world, random } = life
  const host = random.pick(up(life))
  const evictor = random.chance(0.5) ? up(life).find((it) => it !== host) : undefined
  world.consul.expire(`${prefix}/alive/${host.name}`)
  if (evictor !== undefined) start(evictor.evict(host.name))
  const then = evictor === undefined ? '' : `, and ${evictor.name}: host rm ${host.name}`
  return `${host.name}: the session has ended${then}`
}

/** Docker restores its endpoints one after the other. */
const restoring: Step = (life, start) => {
  const host = life.random.pick(up(life))
  host.faults.restoring = true
  start(delay(life.random.below(90)).then(() => Object.assign(host.faults, { restoring: false })))
  return `${host.name}: dockerd restarts, and the containers run on`
}

const fault =
  (what: string, change: (host: WorldHost) => void): Step =>
  (life) => {
    const host = life.random.pick(up(life))
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
  world.consul.put(key, spoiltText)
  if (was !== undefined && was !== spoiltText) life.spoilt.set(key, was)
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

/** The host with the containers of the time after the backup is not there to put its records back. */
const restoreWhileCut: Step = (life, start) => {
  const hosts = up(life).filter(({ running }) => running.size > 0)
  if (life.backup === undefined || hosts.length === 0) return undefined
  const host = life.random.pick(hosts)
  const said = restore(life, start)
  if (said === undefined) return undefined
  host.faults.cut = true
  return `${host.name}: cut off from Consul, and ${said}`
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
    // A query that blocks there is answered, as the connection would end.
    other.put(`${prefix}/ended`, '')
  }, 1 + random.below(12))
  return 'the address is another cluster’s Consul for a moment'
}

/** What is no fault and no mistake: Docker is refused nothing, also when several come together. */
export const ordinary: readonly Step[] = [
  ...Array<Step>(8).fill(run),
  ...Array<Step>(4).fill(stop),
  ...[halt, halt, halt, wake, wake, wake, wake, runAt, runAt, discard],
]

const disturbing: readonly Step[] = [
  ...[
    restart,
    restart,
    restartDuringRun,
    restartDuringRun,
    powerCut,
    powerCut,
    evict,
    evict,
    lapse,
    restoring,
    restoring,
  ],
  ...[cut, cut, lose, lose, late, late, filter, mend, mend],
  ...[
    spoil,
    spoil,
    remove,
    remove,
    removeFolder,
    backUp,
    backUp,
    restore,
    restoreWhileCut,
    restoreWhileCut,
    empty,
    replace,
    foreign,
  ],
]

export const isDisturbing = (step: Step): boolean => disturbing.includes(step)
export const weighted: readonly Step[] = [...ordinary, ...disturbing]

/** A backup may have spoilt values, too. */
export function mendKeys({ world: { consul }, spoilt: was }: Life): void {
  for (const [key, text] of was) if (consul.get(key) === spoiltText) consul.put(key, text)
}
