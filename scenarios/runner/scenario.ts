/**
 * `scenario(title, body)`: a vitest test with the lab's hosts as fixtures.
 */
import { relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'vitest'
import { chooseLab } from '../../provision/arguments.ts'
import type { Backend } from '../../provision/backend.ts'
import { hosts } from '../../provision/hosts.ts'
import type { Connection } from '../../provision/ssh.ts'
import { tell } from '../report/events.ts'
import { driver, type Feature } from './driver.ts'
import { collectEvidence } from './evidence.ts'
import { type Faults, faultsOf } from './faults.ts'
import { type Host, labHost } from './host.ts'
import './suppressed.ts'

interface Fixtures extends Hosts {
  /** Whatever of them a scenario leaves is healed after it. */
  faults: Faults
  /** Tells the report what came of the scenario, and what every host knew if it failed; used by every scenario. */
  told: undefined
  /** Skips the scenario where the driver lacks it, with the reason; the first line of the body. */
  needs: (feature: Feature) => void
}

export interface Hosts {
  consulServer: Host
  net1: Host
  net2: Host
}

/** Names of fixtures: `net-1` → `net1`. */
export const scenario = test.extend<Fixtures>({
  told: [
    async ({ task }, use) => {
      const at = Date.now()
      running = task.name
      await use(undefined)
      const result = {
        scenario: task.name,
        file: relative(root, task.file.filepath),
        at,
        ms: Date.now() - at,
      }
      running = ''
      if (task.result?.state === 'skip') {
        const message = 'note' in task.result ? String(task.result.note) : ''
        return tell({ kind: 'scenario', ...result, state: 'skipped', message })
      }
      if (task.result?.state !== 'fail') return tell({ kind: 'scenario', ...result, state: 'passed' })
      const evidence = await collectEvidence(task.name, Object.values(await labHosts()))
      console.error(`evidence of "${task.name}": ${evidence}`)
      const message = task.result.errors?.map((error) => error.message).join('\n') ?? ''
      tell({ kind: 'scenario', ...result, state: 'failed', message, evidence: relative(root, evidence) })
    },
    { auto: true },
  ],
  needs: async ({ skip }, use) =>
    use((feature) => {
      const reason = driver.lacks[feature]
      if (reason !== undefined) skip(reason)
    }),
  // biome-ignore lint/correctness/noEmptyPattern: vitest reads the names of the fixtures that this one needs from it
  consulServer: async ({}, use) => use(await hostFixture('consul-server')),
  // biome-ignore lint/correctness/noEmptyPattern: as above
  net1: async ({}, use) => use(await hostFixture('net-1')),
  // biome-ignore lint/correctness/noEmptyPattern: as above
  net2: async ({}, use) => use(await hostFixture('net-2')),
  // biome-ignore lint/correctness/noEmptyPattern: as above
  faults: async ({}, use) => {
    const { end, ...faults } = faultsOf(await labBackend())
    await use(faults)
    await end()
  },
})

/** The same hosts, for what a file sets up once. */
export async function labHosts(): Promise<Hosts> {
  const [consulServer, net1, net2] = await Promise.all(['consul-server', 'net-1', 'net-2'].map(hostFixture))
  return { consulServer, net1, net2 } as Hosts
}

/** The scenario that runs now; empty between two. Scenarios run one after the other. */
let running = ''
const root = fileURLToPath(new URL('../..', import.meta.url))
const connections = new Map<string, Promise<Connection>>()

async function labBackend(): Promise<Backend> {
  return (await chooseLab({}, 'scenarios')).backend
}

async function hostFixture(name: string): Promise<Host> {
  const host = hosts.find((each) => each.name === name)
  if (!host) throw new Error(`provision/lab.json has no host ${name}, which the scenarios need`)
  const backend = await labBackend()
  const connection = async () => {
    const open = await connections.get(name)?.catch(() => undefined)
    if (!open?.alive()) connections.set(name, backend.connect(host))
    return connections.get(name) as Promise<Connection>
  }
  await connection()
  return labHost(host.name, host.address, connection, (told) => tell({ ...told, scenario: running }))
}
