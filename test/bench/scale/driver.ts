/**
 * One whole driver over a real kernel, in a process of its own that runs its parent's commands. The engine is
 * in memory; the parent owns the namespaces.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { firstVtep } from '../../../driver/core/datapath/vtep-choice.ts'
import { usualIntervals } from '../../../driver/daemon/intervals.ts'
import { realKernel } from '../../../driver/kernel/real.ts'
import { openConsulStore } from '../../../driver/store/consul/store.ts'
import { startHost, type TestHost } from '../../fixtures/host.ts'
import { until } from '../../fixtures/until.ts'
import { createMeter } from './meter.ts'
import { probeEndpoint } from './records.ts'
import { serve } from './serve.ts'

export interface DriverPlace {
  url: string
  prefix: string
  diskPath: string
  /** Of the network namespace that plays the host. */
  hostNamespace: string
  /** Where the driver makes its own. */
  namespaceFolder: string
}

const meter = createMeter()
const { mac } = probeEndpoint(0, '', true)
let host: TestHost | undefined
let applied = 0
let onApplied: (() => void) | undefined

export const calls = {
  /** Resolves when the engine has the network; how long that took. */
  async start(place: DriverPlace): Promise<number> {
    const began = performance.now()
    host = await meter.run(() => start(place))
    await until('the network is here', () => host?.docker.ls().length === 1, 120_000)
    return performance.now() - began
  },
  /** Starts a container on the network. The first one brings all of the network's endpoints into the kernel. */
  async run(name: string): Promise<number> {
    const began = performance.now()
    await host?.docker.run(name, 'network-0')
    return performance.now() - began
  },
  /** Stops, starts, and has a container on the network. */
  async restart(name: string): Promise<number> {
    const began = performance.now()
    await host?.stop()
    await meter.run(async () => host?.start())
    await until('it follows the store', () => host?.store.status().fresh === true, 120_000)
    await calls.run(name)
    return performance.now() - began
  },
  /** How often the probe has been written to the kernel. */
  applied: async (): Promise<number> => applied,
  /** When the probe has been written to the kernel that often, in milliseconds of this machine's clock. */
  async programmed(times: number): Promise<number> {
    while (applied < times) {
      await new Promise<void>((resolve) => {
        onApplied = resolve
      })
    }
    return performance.timeOrigin + performance.now()
  },
  async usage(): Promise<{ received: number; cpuMs: number; residentBytes: number }> {
    return { received: meter.received(), cpuMs: cpuMs(), residentBytes: process.memoryUsage().rss }
  },
  async close(): Promise<void> {
    await host?.[Symbol.asyncDispose]()
  },
}

async function start({ url, prefix, diskPath, hostNamespace, namespaceFolder }: DriverPlace) {
  const real = realKernel({ folder: namespaceFolder, hostNamespace })
  const underlay = firstVtep(await real.addresses(), 'eth1')
  const kernel: typeof real = {
    ...real,
    async apply(ops) {
      const refusals = await real.apply(ops)
      if (!ops.some((op) => 'mac' in op && op.mac === mac)) return refusals
      applied += 1
      onApplied?.()
      return refusals
    },
  }
  const openStore = () => openConsulStore({ url, prefix, host: 'driver', diskPath })
  const more = { intervals: { ...usualIntervals, graceMs: 5000 } }
  return startHost({ name: 'driver', kernel, underlay, namespaceFolder, openStore, more })
}

/** proc(5), in ticks of 10 ms: its own time, that of the shells it keeps, and of the commands that they have run. */
function cpuMs(): number {
  const pids = readdirSync('/proc').filter((it) => /^\d+$/.test(it))
  const ours = pids.map(statOf).filter(({ pid, parent }) => pid === process.pid || parent === process.pid)
  return ours.flatMap(({ ticks }) => ticks).reduce((sum, ticks) => sum + ticks, 0) * 10
}

function statOf(pid: string): { pid: number; parent: number; ticks: number[] } {
  let stat = ''
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  } catch {} // it has ended since
  const fields = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number)
  return { pid: Number(pid), parent: fields[1] ?? 0, ticks: fields.slice(11, 15) }
}

serve(calls)
