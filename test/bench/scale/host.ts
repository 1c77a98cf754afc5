/**
 * A simulated host: the driver's own store and datapath loop, over a kernel that accepts everything and keeps
 * nothing.
 */

import { pino } from 'pino'
import { namespaceOf } from '../../../driver/core/datapath/desired.ts'
import type { HostName } from '../../../driver/core/records.ts'
import { localIdOf, networksUsedBy } from '../../../driver/core/snapshot.ts'
import { usualIntervals } from '../../../driver/daemon/intervals.ts'
import type { Kernel } from '../../../driver/kernel/kernel.ts'
import { type DatapathLoop, startDatapath } from '../../../driver/loops/datapath/loop.ts'
import { type ConsulOptions, openConsulStore } from '../../../driver/store/consul/store.ts'
import type { Store } from '../../../driver/store/store.ts'
import { emptyDocker } from '../../fixtures/proof.ts'
import { until } from '../../fixtures/until.ts'
import { createMeter, type Meter } from './meter.ts'

export interface SimulatedHost {
  meter: Meter
  store: Store
  close(): Promise<void>
}

export interface HostOptions extends Pick<ConsulOptions, 'url' | 'prefix' | 'diskPath'> {
  host: HostName
  vtep: string
}

/** Resolves when everything is known, and every network of the host has its datapath. */
export async function startSimulatedHost({ vtep, ...options }: HostOptions): Promise<SimulatedHost> {
  const { host } = options
  const meter = createMeter()
  const store = await meter.run(() => openConsulStore(options))
  // A Consul that reads everything to a hundred hosts at once is late with the rest.
  const hasSession = async (): Promise<boolean> => (await store.announce({ id: host, vtep })).held
  await meter.run(() => until(`${host} has a session`, hasSession, 120_000))
  const datapath = startDatapath({
    ...{ store, kernel: noKernel, host, log: quiet, ...emptyDocker },
    ...{ ...usualIntervals.datapath, auditMs: 10 ** 8 },
    ...{ graceMs: usualIntervals.graceMs, settleMs: 4000 },
    underlay: () => ({ device: 'eth1', address: vtep, mtuBytes: 1500 }),
    localNamespaceOf(network) {
      const local = localIdOf(store.snapshot(), host, network)
      return local === undefined ? undefined : namespaceOf(local, '/nowhere')
    },
  })
  const close = async (): Promise<void> => {
    await datapath.close()
    await store.close()
  }
  await settled(store, datapath, host)
  return { meter, store, close }
}

async function settled(store: Store, datapath: DatapathLoop, host: HostName): Promise<void> {
  await until(`${host} knows the store`, () => store.status().fresh, 120_000)
  for (const network of networksUsedBy(store.snapshot(), host)) await datapath.settled(network)
}

const quiet = pino({ level: 'silent' })

const noKernel: Kernel = {
  observe: async () => undefined,
  namespaces: async () => [],
  strayLinks: async () => [],
  apply: async () => [],
  routes: async () => [],
  foreignVxlans: async () => [],
  redirect: async () => undefined,
  removeRedirect: async () => undefined,
  tunnelFilter: async () => ({ arriving: 0, misrouted: 0, leaving: 0 }),
  watchRules: () => ({ close: async () => undefined }),
  remount: async () => false,
  watch: () => ({ pid: undefined, isAlive: () => false, close: async () => undefined }),
  addresses: async () => [],
  close: async () => undefined,
}
