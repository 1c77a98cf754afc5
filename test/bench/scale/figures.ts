/**
 * The tables of a run: a row per point of the sweep, how each figure grows, and the goal.
 */
import { markdownTable } from '../../../driver/cli/table.ts'
import type { DriverPoint } from './drivers.ts'
import { exponent } from './fit.ts'
import type { Point } from './point.ts'

interface Figure<P> {
  title: string
  of(point: P): number
  digits?: number
}

const figures: readonly Figure<Point>[] = [
  { title: 'bytes per change and host, one by one', of: (it) => it.quiet.bytes },
  { title: 'the same, as fast as four hosts commit', of: (it) => it.busy.bytes },
  { title: 'the same by the whole tree', of: (it) => it.tree.bytes },
  { title: 'log ÷ tree', of: (it) => it.quiet.bytes / it.tree.bytes, digits: 5 },
  { title: 'until all hosts know, p50, ms', of: (it) => it.knownMs.p50, digits: 1 },
  { title: 'until all hosts know, p90, ms', of: (it) => it.knownMs.p90, digits: 1 },
  { title: 'changes per second, four hosts', of: (it) => it.busy.changesPerSecond },
  { title: 'CPU per change and host, ms', of: (it) => it.busy.cpuMs, digits: 2 },
  { title: 'bytes to disk per change and host', of: (it) => it.quiet.writtenBytes },
  { title: 'Consul’s CPU per change, ms', of: (it) => it.busy.consulCpuMsPerChange, digits: 2 },
  { title: 'cold start, ms', of: (it) => it.coldStart.ms },
  { title: 'cold start, bytes', of: (it) => it.coldStart.bytes },
  { title: 'JavaScript’s memory per host, KB', of: (it) => it.heapBytesPerHost / 1000 },
]

const driverFigures: readonly Figure<DriverPoint>[] = [
  { title: 'start, until its network is in the engine, ms', of: (it) => it.startMs },
  { title: 'first container of the network, ms', of: (it) => it.firstRunMs },
  { title: 'another one, ms', of: (it) => it.furtherRunMs, digits: 1 },
  { title: 'restart and another one, ms', of: (it) => it.restartMs },
  { title: 'resident memory, MB', of: (it) => it.residentBytes / 1e6 },
  { title: 'a change elsewhere → in this kernel, p50, ms', of: (it) => it.programmedMs, digits: 1 },
  { title: 'bytes per change', of: (it) => it.bytesPerChange },
  { title: 'CPU per change, with `ip` and `bridge`, ms', of: (it) => it.cpuMsPerChange, digits: 1 },
  { title: 'CPU at rest, % of one processor', of: (it) => it.restCpuShare * 100, digits: 1 },
]

export function pointTable(points: readonly Point[]): string {
  const heads = points.map(({ hosts, endpoints, networks }) => `${hosts} / ${endpoints} / ${networks}`)
  return markdownTable(['hosts / endpoints / networks', ...heads], rowsOf(figures, points))
}

export function driverTable(points: readonly DriverPoint[]): string {
  const heads = points.map(({ endpoints }) => `${endpoints}`)
  return markdownTable(
    ['a driver with a kernel; endpoints elsewhere', ...heads],
    rowsOf(driverFigures, points),
  )
}

function rowsOf<P>(all: readonly Figure<P>[], points: readonly P[]): string[][] {
  return all.map(({ title, of, digits = 0 }) => [title, ...points.map((it) => of(it).toFixed(digits))])
}

export interface Growth {
  title: string
  /** Absent where fewer than two points differ in nothing else. */
  withHosts: number | undefined
  withEndpoints: number | undefined
}

export function growth(points: readonly Point[]): Growth[] {
  return figures.map(({ title, of }) => ({
    title,
    withHosts: fitted(points, 'hosts', of),
    withEndpoints: fitted(points, 'endpoints', of),
  }))
}

/** Over the largest set of points that differ in that dimension alone. */
function fitted(
  points: readonly Point[],
  along: 'hosts' | 'endpoints',
  of: (point: Point) => number,
): number | undefined {
  const other = along === 'hosts' ? 'endpoints' : 'hosts'
  const lines = new Map<string, Point[]>()
  for (const point of points) {
    const line = `${point[other]} ${point.networks}`
    lines.set(line, [...(lines.get(line) ?? []), point])
  }
  const [longest = []] = [...lines.values()].sort((a, b) => b.length - a.length)
  if (longest.length < 2) return undefined
  return exponent(longest.map((point) => ({ x: point[along], y: of(point) })))
}

export function growthTable(all: readonly Growth[]): string {
  const shown = (value: number | undefined): string => value?.toFixed(2) ?? '–'
  const rows = all.map((it) => [it.title, shown(it.withHosts), shown(it.withEndpoints)])
  return markdownTable(['grows as the power of … (0: not, 1: in proportion)', 'hosts', 'endpoints'], rows)
}

export interface ScaleGoal {
  title: string
  limit: number
  value: number | undefined
  reached: boolean | undefined
}

/** Bytes per change at the most endpoints by those at the fewest, all else alike. */
export function goalOf(points: readonly Point[]): ScaleGoal {
  const value = growth(points)[0]?.withEndpoints
  const reached = value === undefined ? undefined : Math.abs(value) <= 0.05
  return { title: 'bytes per change: exponent in the number of endpoints', limit: 0.05, value, reached }
}

export function goalLine({ title, limit, value, reached }: ScaleGoal): string {
  if (value === undefined) return `${title}: not measured`
  return `${title}: ${value.toFixed(3)}, within ±${limit}: ${reached ? 'reached' : 'missed'}`
}
