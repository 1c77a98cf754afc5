/**
 * `scenario(title, body)`: a vitest test with the lab's hosts as fixtures.
 *
 * @example
 *     scenario('containers on two hosts ping each other', async ({ hostA, hostB }) => {
 *       await using blue = await sharedNetwork([hostA, hostB], 'blue')
 *       await using two = await pair(hostA, hostB, blue.name)
 *       await two.a.waitUntilSucceeds`ping -c1 -W1 ${two.b.address}`
 *     })
 */
import { readFileSync } from 'node:fs'
import { test } from 'vitest'
import type { Backend } from '../../provision/backends/backend.ts'
import { type Capability, lackOf } from '../../provision/backends/capabilities.ts'
import { chooseLab } from '../../provision/cli/arguments.ts'
import { hostNamed, hostsOfRole, type LabHost } from '../../provision/lab/definition.ts'
import { timeoutScale } from '../../provision/process/timeout-scale.ts'
import type { Connection } from '../../provision/ssh/connection.ts'
import { capture } from '../record/capture.ts'
import { type Loss, recordEvent } from '../record/events.ts'
import { collectEvidence } from '../record/evidence.ts'
import type { Snapshot } from '../record/snapshot.ts'
import { type Faults, faultsOf } from './faults.ts'
import { type Host, labHost } from './host.ts'
import './suppressed.ts'
import { type Ask, takeSnapshot } from '../record/take-snapshot.ts'
import { beforeTeardown, teardownBegins } from './before-teardown.ts'
import { subject } from './current-subject.ts'
import { isDebug, pauseAt } from './debug.ts'
import { removeLeftovers, scenarioFailed } from './leftovers.ts'
import { lossDuring } from './pings.ts'
import { planeDifferences } from './planes.ts'
import { type Feature, isFeature } from './subject.ts'

interface Fixtures extends Hosts {
  /** Faults to inject. Those that the scenario leaves are healed after it. */
  faults: Faults
  /**
   * Records a snapshot of the lab before the first teardown, and evidence from every host after a failure.
   * Fails the scenario when Consul, the kernel and Docker differ after it. Part of every scenario.
   */
  recorded: undefined
  /** `lossDuring` of kit/pings.ts, which records the losses for the report: it sets the subjects side by side. */
  lossDuring: typeof lossDuring
  /**
   * Skips the scenario, with the reason, where the subject or the backend lacks `need`. Call it first in the
   * body.
   */
  needs: (need: Feature | Capability) => void
}

export interface Hosts {
  /** The first Consul server. */
  consulServer: Host
  consulServers: readonly Host[]
  /** The first two hosts of the subject's role. */
  hostA: Host
  hostB: Host
  /** All hosts of the subject's role. */
  hosts: readonly [Host, Host, ...Host[]]
}

const recorded = test.extend<Fixtures>({
  recorded: [
    async ({ task }, use) => {
      const began = Date.now()
      running = task.name
      let snapshot: Snapshot | undefined
      beforeTeardown(async () => {
        const at = Date.now()
        if (subject.inSnapshot === undefined) return
        snapshot = await takeSnapshot((await labBackend()).lab.hosts, subject.inSnapshot, ask)
        recordEvent({ kind: 'snapshot', scenario: task.name, at, ms: Date.now() - at, snapshot })
      })
      const { hosts } = (await labBackend()).lab
      capturing ??= capture(hosts, ask)
      await capturing
      await use(undefined)
      await teardownBegins()
      const differing = await differences()
      running = ''
      if (task.result?.state !== 'fail' && differing.length === 0) return
      await collectEvidence({ scenario: task.name, at: began, snapshot }, hosts, subject, ask)
      if (differing.length === 0) return
      const lines = ['after the scenario, Consul, the kernel and Docker differ:', ...differing]
      const error = new Error(lines.join('\n'))
      await pauseAt(error)
      throw error
    },
    { auto: true },
  ],
  needs: async ({ skip }, use) => {
    const backend = await labBackend()
    await use((need) => {
      const reason = isFeature(need) ? subject.lacks[need] : lackOf(backend, need)
      if (reason !== undefined) skip(reason)
    })
  },
  lossDuring: async ({ task }, use) => {
    await use(async (pairs, fault) => {
      const at = Date.now()
      const losses = await lossDuring(pairs, fault)
      for (const [traffic, loss] of Object.entries<Loss>(losses))
        recordEvent({ kind: 'loss', scenario: task.name, at, traffic, ...loss })
      return losses
    })
  },
  // biome-ignore lint/correctness/noEmptyPattern: vitest reads the names of the fixtures that this one needs from it
  consulServers: async ({}, use) => use(await consulHosts()),
  // biome-ignore lint/correctness/noEmptyPattern: as above
  consulServer: async ({}, use) => use(await consulHost()),
  // biome-ignore lint/correctness/noEmptyPattern: as above
  hosts: async ({}, use) => use((await labHosts()).hosts),
  hostA: async ({ hosts }, use) => use(hosts[0]),
  hostB: async ({ hosts }, use) => use(hosts[1]),
  faults: async ({ needs }, use) => {
    const { end, ...faults } = faultsOf(await labBackend(), needs)
    await use(faults)
    await end()
  },
})

const alone = recorded.extend<{ alone: undefined }>({
  alone: [
    async ({ task, hosts }, use) => {
      if (subject.role === 'docker') await removeLeftovers(hosts)
      await use(undefined)
      if (task.result?.state === 'fail') scenarioFailed()
    },
    { auto: true },
  ],
})

/** Needs nothing of the scenario before it. What a failed one leaves is removed before the next. */
export const scenario = withTimeouts(alone)

/** Begins with what the scenario before it has left. */
export const continued = withTimeouts(recorded)

/** A scenario's own timeout is scaled as its waits are. A paused scenario must not time out. */
function withTimeouts<T extends typeof recorded>(scenarios: T): T {
  if (!isDebug && timeoutScale === 1) return scenarios
  const scaled = ({ timeout }: { timeout?: number }) => {
    if (isDebug) return { timeout: 0 }
    return timeout === undefined ? {} : { timeout: timeout * timeoutScale }
  }
  return new Proxy(scenarios, {
    apply: (target, _, [title, first, second]) =>
      typeof first === 'function'
        ? target(title, scaled({}), first)
        : target(title, { ...first, ...scaled(first) }, second),
    get: (target, key) =>
      key === 'extend'
        ? (fixtures: never) => withTimeouts(target.extend(fixtures) as unknown as T)
        : Reflect.get(target, key),
  })
}

/** The hosts outside of a scenario: for `beforeAll` and the like. */
export async function labHosts(): Promise<Omit<Hosts, 'consulServer' | 'consulServers'>> {
  const { lab } = await labBackend()
  const [hostA, hostB, ...others] = await Promise.all(hostsOfRole(lab, subject.role).map(hostFixture))
  if (hostA !== undefined && hostB !== undefined) return { hostA, hostB, hosts: [hostA, hostB, ...others] }
  throw new Error(`scenarios need two hosts of role ${subject.role}; see ${lab.source}`)
}

export async function consulHost(): Promise<Host> {
  const [consul] = await consulHosts()
  if (consul !== undefined) return consul
  throw new Error(`${(await labBackend()).lab.source} names no host of role consul`)
}

async function consulHosts(): Promise<Host[]> {
  return Promise.all(hostsOfRole((await labBackend()).lab, 'consul').map(hostFixture))
}

/** Title of the running scenario; empty between two. Scenarios run one after the other. */
let running = ''
let capturing: Promise<void> | undefined
const connections = new Map<string, Promise<Connection>>()

export async function labBackend(): Promise<Backend> {
  return (await chooseLab({}, 'scenarios')).backend
}

/** Copies a file of this machine to the host. */
export async function sendFile(host: Host, from: string, to: string, mode?: string): Promise<void> {
  const connection = await connectionTo(hostNamed((await labBackend()).lab, host.name))
  await connection.upload(to, readFileSync(from), mode)
}

async function hostFixture(host: LabHost): Promise<Host> {
  await connectionTo(host)
  const connection = () => connectionTo(host)
  return labHost(host.name, host.address, connection, (event) => recordEvent({ ...event, scenario: running }))
}

async function differences(): Promise<string[]> {
  if (subject.check === undefined) return []
  const { hosts } = await labHosts()
  return planeDifferences(hosts).catch((error: Error) => [error.message])
}

const ask: Ask = async (host, command) =>
  (await connectionTo(host)).exec(command, { timeoutMs: 10_000 * timeoutScale })

/** The open connection to the host, or a new one. */
function connectionTo(host: LabHost): Promise<Connection> {
  const before = connections.get(host.name)?.catch(() => undefined) ?? Promise.resolve(undefined)
  const usable = before.then(async (open) => (open?.alive() ? open : (await labBackend()).connect(host)))
  connections.set(host.name, usable)
  return usable
}
