/**
 * `npm run bench -- scale`: what a change costs in large clusters, without Docker and without a lab.
 *
 * Simulated hosts (the driver's own store and datapath loop, no kernel) follow one real Consul; then single
 * whole drivers with real kernels, where this runs as root. Prints the tables and writes all figures as JSON;
 * asserts nothing. What the figures mean: docs/scale.md.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, loadavg, release, tmpdir, totalmem } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parse } from '../../../provision/cli/arguments.ts'
import { LabError } from '../../../provision/process/errors.ts'
import { startConsul, type TestConsul } from '../../fixtures/consul.ts'
import { isRoot } from '../../fixtures/namespaces.ts'
import { type DriverPoint, measureDriver } from './drivers.ts'
import { driverTable, goalLine, goalOf, growth, growthTable, pointTable } from './figures.ts'
import { measurePoint, type Point } from './point.ts'
import type { Shape } from './records.ts'
import { bundle } from './remote.ts'

const usage = `usage: npm run bench -- scale [--quick] [--hosts N] [--endpoints M] [--networks K] [--out FILE]

  --quick                            fewer and smaller points
  --hosts, --endpoints, --networks   this point alone; what is not given is 10, 1000, 10
  --out                              where the figures go; report/scale.json`

const options = {
  quick: { type: 'boolean' },
  hosts: { type: 'string' },
  endpoints: { type: 'string' },
  networks: { type: 'string' },
  out: { type: 'string' },
  help: { type: 'boolean' },
} as const

interface Plan {
  points: Shape[]
  /** Endpoints of a real driver's network. */
  drivers: number[]
  changes: Parameters<typeof measurePoint>[0]['changes']
}

const shape = (hosts: number, endpoints: number, networks: number): Shape => ({ hosts, endpoints, networks })

const plans: Record<'quick' | 'full', Plan> = {
  quick: {
    points: [
      shape(2, 1000, 10),
      shape(10, 100, 10),
      shape(10, 1000, 10),
      shape(10, 10_000, 10),
      shape(50, 1000, 10),
    ],
    drivers: [100, 1000],
    changes: { quiet: 20, busy: 120, tree: 3, coldStarts: 3 },
  },
  full: {
    points: [
      ...[2, 10, 50, 100].map((hosts) => shape(hosts, 1000, 10)),
      ...[100, 10_000].map((endpoints) => shape(10, endpoints, 10)),
      shape(10, 10_000, 100),
    ],
    drivers: [100, 1000, 10_000],
    changes: { quiet: 40, busy: 400, tree: 5, coldStarts: 5 },
  },
}

const root = fileURLToPath(new URL('../../..', import.meta.url))

/** `interrupted` rejects at a signal: a running measurement is not waited for. */
export async function scale(args: string[], interrupted: Promise<never>): Promise<void> {
  const { values } = parse(args, options)
  if (values.help) return console.log(usage)
  const plan = planFor(values)
  const folder = mkdtempSync(join(tmpdir(), 'multihost-scale-'))
  const made: Disposable[] = []
  const consul = await startConsul(manyConnections)
  try {
    const [began, before] = [new Date(), loadavg()]
    const measured = await Promise.race([measure(plan, consul, folder, made), interrupted])
    const load = { before, after: loadavg() }
    print(measured)
    const out = resolve(values.out ?? `${root}report/scale.json`)
    mkdirSync(dirname(out), { recursive: true })
    const more = { growth: growth(measured.points), goal: goalOf(measured.points) }
    const report = { began, changes: plan.changes, machine: machine(), load, ...measured, ...more }
    writeFileSync(out, `${JSON.stringify(report, undefined, 1)}\n`)
    console.log(`\nall figures: ${out}`)
  } finally {
    await consul.stop()
    for (const it of made) it[Symbol.dispose]()
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Consul takes 200 from one address, and here all hosts have the same one. */
const manyConnections = 'limits { http_max_conns_per_client = 10000 }'

interface Measured {
  points: Point[]
  drivers: DriverPoint[]
}

async function measure(
  { points, drivers, changes }: Plan,
  consul: TestConsul,
  folder: string,
  made: Disposable[],
): Promise<Measured> {
  const measured: Measured = { points: [], drivers: [] }
  const member = await bundle('member', folder)
  for (const it of points) {
    console.log(`scale: ${it.hosts} hosts, ${it.endpoints} endpoints, ${it.networks} networks`)
    measured.points.push(await measurePoint({ ...it, changes, consul, program: member, folder }))
  }
  if (!isRoot) console.log('scale: not root, so no driver with a real kernel is measured')
  const driver = await bundle('driver', folder)
  for (const endpoints of isRoot ? drivers : []) {
    console.log(`scale: a driver whose network has ${endpoints} endpoints elsewhere`)
    measured.drivers.push(
      await measureDriver({ endpoints, changes: 20, consul, program: driver, folder, made }),
    )
  }
  return measured
}

function planFor(values: { quick?: boolean; hosts?: string; endpoints?: string; networks?: string }): Plan {
  const plan = plans[values.quick ? 'quick' : 'full']
  const { hosts, endpoints, networks } = values
  if (hosts === undefined && endpoints === undefined && networks === undefined) return plan
  const point = {
    hosts: numberIn('--hosts', hosts ?? '10', 1, 200),
    endpoints: numberIn('--endpoints', endpoints ?? '1000', 1, 50_000),
    networks: numberIn('--networks', networks ?? '10', 1, 200),
  }
  return { ...plan, points: [point], drivers: [] }
}

function numberIn(flag: string, text: string, least: number, most: number): number {
  const value = Number(text)
  if (Number.isInteger(value) && value >= least && value <= most) return value
  throw new LabError(`${flag} ${text}: a whole number from ${least} to ${most}`)
}

function print({ points, drivers }: Measured): void {
  console.log(`\n${pointTable(points)}\n\n${growthTable(growth(points))}`)
  if (drivers.length > 0) console.log(`\n${driverTable(drivers)}`)
  console.log(`\n${goalLine(goalOf(points))}`)
}

function machine(): Record<string, string | number> {
  const model = cpus()[0]?.model ?? 'unknown'
  return { cores: cpus().length, model, memoryBytes: totalmem(), kernel: release(), node: process.version }
}
