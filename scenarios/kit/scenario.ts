/**
 * `scenario(title, body)`: a vitest test with the lab's hosts as fixtures.
 */
import { test } from 'vitest'
import type { Backend } from '../../provision/backends/backend.ts'
import { type Capability, lackOf } from '../../provision/backends/capabilities.ts'
import { chooseLab } from '../../provision/cli/arguments.ts'
import { hosts, type LabHost } from '../../provision/lab/hosts.ts'
import { timeoutScale } from '../../provision/process/timeout-scale.ts'
import type { Connection } from '../../provision/ssh/connection.ts'
import { capture } from '../record/capture.ts'
import { tell } from '../record/events.ts'
import { collectEvidence } from '../record/evidence.ts'
import type { Picture } from '../record/snapshot.ts'
import { driver, type Feature, isFeature, vxlan } from '../subjects/driver.ts'
import { type Faults, faultsOf } from './faults.ts'
import { type Host, labHost } from './host.ts'
import './suppressed.ts'
import { type Ask, takePicture } from '../record/take-snapshot.ts'
import { beforeTakingDown, takingDown } from './before-teardown.ts'
import { planesDiffer } from './planes.ts'

interface Fixtures extends Hosts {
  /** Whatever of them a scenario leaves is healed after it. */
  faults: Faults
  /**
   * Shows the report the lab as the scenario made it, and what every host knew if it failed; fails the scenario when
   * the planes differ after it. Used by every scenario.
   */
  told: undefined
  /** Skips the scenario where the driver or the backend lacks it, with the reason; the first line of the body. */
  needs: (need: Feature | Capability) => void
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
      const began = Date.now()
      running = task.name
      let picture: Picture | undefined
      beforeTakingDown(async () => {
        const at = Date.now()
        picture = await takePicture(hosts, ask)
        tell({ kind: 'picture', scenario: task.name, at, ms: Date.now() - at, picture })
      })
      capturing ??= capture(hosts, ask)
      await capturing
      await use(undefined)
      await takingDown()
      const differing = await differences()
      running = ''
      if (task.result?.state !== 'fail' && differing.length === 0) return
      await collectEvidence({ scenario: task.name, at: began, picture }, hosts, ask)
      if (differing.length > 0) throw new Error(`the planes differ afterwards:\n${differing.join('\n')}`)
    },
    { auto: true },
  ],
  needs: async ({ skip }, use) => {
    const backend = await labBackend()
    await use((need) => {
      const reason = isFeature(need) ? driver.lacks[need] : lackOf(backend, need)
      if (reason !== undefined) skip(reason)
    })
  },
  // biome-ignore lint/correctness/noEmptyPattern: vitest reads the names of the fixtures that this one needs from it
  consulServer: async ({}, use) => use(await hostFixture('consul-server')),
  // biome-ignore lint/correctness/noEmptyPattern: as above
  net1: async ({}, use) => use(await hostFixture('net-1')),
  // biome-ignore lint/correctness/noEmptyPattern: as above
  net2: async ({}, use) => use(await hostFixture('net-2')),
  faults: async ({ needs }, use) => {
    const { end, ...faults } = faultsOf(await labBackend(), needs)
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
let capturing: Promise<void> | undefined
const connections = new Map<string, Promise<Connection>>()

async function labBackend(): Promise<Backend> {
  return (await chooseLab({}, 'scenarios')).backend
}

async function hostFixture(name: string): Promise<Host> {
  const host = hosts.find((each) => each.name === name)
  if (!host) throw new Error(`provision/lab.json has no host ${name}, which the scenarios need`)
  await connectionTo(host)
  const connection = () => connectionTo(host)
  return labHost(host.name, host.address, connection, (told) => tell({ ...told, scenario: running }))
}

/** Of our driver only: it is the one that can be asked. */
async function differences(): Promise<string[]> {
  if (driver.name !== vxlan.name) return []
  const { net1, net2 } = await labHosts()
  return planesDiffer([net1, net2]).catch((error: Error) => [error.message])
}

const ask: Ask = async (host, command) =>
  (await connectionTo(host)).exec(command, { timeoutMs: 10_000 * timeoutScale })

/** The one that is open, or a new one. */
function connectionTo(host: LabHost): Promise<Connection> {
  const before = connections.get(host.name)?.catch(() => undefined) ?? Promise.resolve(undefined)
  const usable = before.then(async (open) => (open?.alive() ? open : (await labBackend()).connect(host)))
  connections.set(host.name, usable)
  return usable
}
