/**
 * One point of the sweep: the cost of a change at a given number of hosts, endpoints and networks.
 *
 * Changes are made in two ways: one after the other, each when all hosts know the one before, as when
 * containers start now and then; and as fast as four hosts can commit. The peer that both are compared with
 * is a client that follows the whole tree with a blocking query of the same Consul.
 */
import { readFileSync } from 'node:fs'
import { median, percentile } from '../../../scenarios/report/statistics.ts'
import type { TestConsul } from '../../fixtures/consul.ts'
import { minus, startFleet } from './fleet.ts'
import type { Usage } from './member.ts'
import { followTree } from './peer.ts'
import { probes, type Shape } from './records.ts'
import { changeProbe, openWriters } from './writers.ts'

export interface Point extends Shape {
  processes: number
  /** One after the other. */
  quiet: Cost
  /** From the commit until the last host has it, each change by itself. */
  knownMs: { p50: number; p90: number; max: number }
  busy: Cost & { changesPerSecond: number }
  /** Bytes and milliseconds of a change for a client that follows the whole tree. */
  tree: { bytes: number; ms: number }
  /** Beside running hosts; the medians. */
  coldStart: { ms: number; bytes: number }
  /** Of JavaScript, for each host: what it has of the store, and what it is made of. */
  heapBytesPerHost: number
}

/** Each per change and host, Consul's processor time apart. */
interface Cost {
  changes: number
  bytes: number
  cpuMs: number
  writtenBytes: number
  consulCpuMsPerChange: number
}

export interface PointOptions extends Shape {
  changes: { quiet: number; busy: number; tree: number; coldStarts: number }
  consul: TestConsul
  /** The children's program. */
  program: string
  folder: string
}

export async function measurePoint(options: PointOptions): Promise<Point> {
  const { consul, program, folder, hosts, endpoints, networks, changes } = options
  const prefix = `scale-${hosts}-${endpoints}-${networks}`
  const where = { url: consul.url, prefix, folder }
  await using writers = await openWriters(where, { hosts, endpoints, networks })
  await using empty = await startFleet(program, { ...where, prefix: 'scale-empty' }, 1)
  const blank = await empty.usage()
  await using fleet = await startFleet(program, where, hosts)
  const { processes } = fleet
  const filled = await fleet.usage()
  const spent = async (count: number, work: () => Promise<void>): Promise<Cost> => {
    const before = { usage: await fleet.usage(), consul: cpuMsOf(consul) }
    await work()
    const after = { usage: await fleet.usage(), consul: cpuMsOf(consul) }
    return costOf(minus(after.usage, before.usage), after.consul - before.consul, count, hosts)
  }
  const times: number[] = []
  const one = (writer: number, name: string) => changeProbe(writers.stores[writer], writer, name)
  const quiet = await spent(changes.quiet, async () => {
    for (let i = 0; i < changes.quiet; i++) {
      const known = fleet.known(`quiet-${i}`)
      const began = performance.timeOrigin + performance.now()
      await one(0, `quiet-${i}`)
      times.push((await known) - began)
    }
  })
  const each = Math.ceil(changes.busy / probes)
  const began = performance.now()
  const busy = await spent(each * probes, async () => {
    const last = writers.stores.map((_, writer) => fleet.known(`busy-${writer}-${each - 1}`))
    await Promise.all(
      writers.stores.map(async (_, writer) => {
        for (let i = 0; i < each; i++) await one(writer, `busy-${writer}-${i}`)
      }),
    )
    await Promise.all(last)
  })
  const changesPerSecond = (each * probes * 1000) / (performance.now() - began)
  const tree = await followTree(consul.api, prefix, changes.tree, (i) => one(0, `tree-${i}`))
  const starts = []
  for (let i = 0; i < changes.coldStarts; i++) starts.push(await fleet.restart())
  await consul.delete(`${prefix}/`, true)
  return {
    ...{ hosts, endpoints, networks, processes, quiet, tree },
    knownMs: { p50: median(times), p90: percentile(times, 90), max: Math.max(...times) },
    busy: { ...busy, changesPerSecond },
    coldStart: {
      ms: median(starts.map(({ ms }) => ms)),
      bytes: median(starts.map(({ received }) => received)),
    },
    heapBytesPerHost: (filled.heapBytes - processes * blank.heapBytes) / hosts,
  }
}

function costOf(used: Usage, consulCpuMs: number, changes: number, hosts: number): Cost {
  const each = changes * hosts
  return {
    changes,
    bytes: used.received / each,
    cpuMs: used.cpuMs / each,
    writtenBytes: used.writtenBytes / each,
    consulCpuMsPerChange: consulCpuMs / changes,
  }
}

/** proc(5): user and system time in ticks of 10 ms. */
function cpuMsOf(consul: TestConsul): number {
  const stat = readFileSync(`/proc/${consul.pid()}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) * 10
}
