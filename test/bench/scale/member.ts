/**
 * A process with simulated hosts in it that runs its parent's commands. Bundled and run as a driver is.
 */
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { until } from '../../fixtures/until.ts'
import { type SimulatedHost, startSimulatedHost } from './host.ts'
import { hostName, vtepOf } from './records.ts'
import { serve } from './serve.ts'

export interface Where {
  url: string
  prefix: string
  /** For the copies on disk. */
  folder: string
}

/** Sums over all hosts of the process, since it began. */
export interface Usage {
  received: number
  cpuMs: number
  /** Of JavaScript, after a collection. */
  heapBytes: number
  residentBytes: number
  /** All that was written, without what went to sockets. */
  writtenBytes: number
}

export interface ColdStart {
  ms: number
  received: number
}

const hosts = new Map<number, SimulatedHost>()
const known = new Map<string, { count: number; at: number; onAll?: (at: number) => void }>()

export const calls = {
  /** The hosts `from` … `to - 1`, one after the other; how long each took. */
  async open(where: Where, from: number, to: number): Promise<ColdStart[]> {
    const starts: ColdStart[] = []
    for (let host = from; host < to; host++) starts.push(await open(where, host))
    // The whole copy is written once after a start, and belongs to no change.
    for (const [host, { store }] of hosts) {
      if (store.snapshot().hosts.size === 0) continue
      await until(`host ${host} has its copy`, () => existsSync(diskPath(where, host)), 60_000)
    }
    return starts
  },
  /** The host stops, forgets what it has on disk, and starts again. */
  async restart(where: Where, host: number): Promise<ColdStart> {
    await hosts.get(host)?.close()
    rmSync(diskPath(where, host), { force: true })
    return open(where, host)
  },
  /** When the last host has an endpoint whose container has that name: milliseconds of this machine's clock. */
  known(name: string): Promise<number> {
    const seen = seenOf(name)
    if (seen.count >= hosts.size) return Promise.resolve(seen.at)
    return new Promise((resolve) => {
      seen.onAll = resolve
    })
  },
  async usage(): Promise<Usage> {
    globalThis.gc?.()
    const { user, system } = process.cpuUsage()
    const { heapUsed, external, rss } = process.memoryUsage()
    const all = [...hosts.values()].map(({ meter }) => meter)
    const sum = (of: (meter: SimulatedHost['meter']) => number): number =>
      all.reduce((n, it) => n + of(it), 0)
    return {
      received: sum((meter) => meter.received()),
      cpuMs: (user + system) / 1000,
      heapBytes: heapUsed + external,
      residentBytes: rss,
      writtenBytes: writtenBytes() - sum((meter) => meter.sent()),
    }
  },
  async close(): Promise<void> {
    await Promise.all([...hosts.values()].map((host) => host.close()))
    hosts.clear()
  },
}

async function open(where: Where, n: number): Promise<ColdStart> {
  const began = performance.now()
  const { url, prefix } = where
  const options = { url, prefix, host: hostName(n), vtep: vtepOf(n), diskPath: diskPath(where, n) }
  const host = await startSimulatedHost(options)
  const ms = performance.now() - began
  hosts.set(n, host)
  host.store.onChange((snapshot, keys) => {
    for (const { table, key } of keys) {
      const name = table === 'endpoints' ? snapshot.endpoints.get(key)?.value.container?.name : undefined
      if (name !== undefined) see(name)
    }
  })
  return { ms, received: host.meter.received() }
}

function diskPath({ folder, prefix }: Where, host: number): string {
  return join(folder, prefix, `${hostName(host)}.json`)
}

function see(name: string): void {
  const seen = seenOf(name)
  seen.count += 1
  seen.at = performance.timeOrigin + performance.now()
  if (seen.count >= hosts.size) seen.onAll?.(seen.at)
}

function seenOf(name: string) {
  const seen = known.get(name) ?? { count: 0, at: 0 }
  known.set(name, seen)
  return seen
}

function writtenBytes(): number {
  return Number(/^wchar: (\d+)$/m.exec(readFileSync('/proc/self/io', 'utf8'))?.[1] ?? Number.NaN)
}

serve(calls)
