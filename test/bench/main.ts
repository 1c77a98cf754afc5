/**
 * `npm run bench`: this driver beside Swarm's overlay, the engine's bridge and the bare hosts, interleaved in
 * one run.
 *
 * Makes a lab of its own, measures, prints the tables, writes all samples as JSON, takes the lab down.
 * Nothing is asserted. Exit codes: 0 measured; 2 the lab could not be made or was lost. What the figures
 * mean: docs/bench.md.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { cpus, loadavg, release, totalmem } from 'node:os'
import { dirname, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Backend } from '../../provision/backends/backend.ts'
import { chooseLab, labOptions, parse } from '../../provision/cli/arguments.ts'
import { withLab } from '../../provision/lab/with-lab.ts'
import { explain, LabError } from '../../provision/process/errors.ts'
import { catchSignals } from '../../provision/process/signals.ts'
import { connected } from '../../scenarios/kit/connected.ts'
import { callTable, figureTable } from './figures.ts'
import { goals, goalTable } from './goals.ts'
import { measure, sizes } from './measure.ts'
import type { Pair } from './overlays.ts'
import { page } from './page.ts'
import type { Sample } from './samples.ts'
import { scale } from './scale/main.ts'
import { trackingTable } from './tracking.ts'

const usage = `usage: npm run bench -- [--quick] [--out FILE] [--keep] [--lab NAME] [--engine 20.10|26|28]
       npm run bench -- scale …   large clusters, without a lab: docs/scale.md

  --quick   fewer rounds: about 7 min instead of 11 min to 20 min
  --out     where the samples go; report/bench.json, and beside it report/bench.html
  --keep    leave the lab up afterwards
  --lab     name of the lab; bench`

const options = {
  ...labOptions,
  quick: { type: 'boolean' },
  keep: { type: 'boolean' },
  out: { type: 'string' },
  help: { type: 'boolean' },
} as const

const root = fileURLToPath(new URL('../..', import.meta.url))

async function main(args: string[]): Promise<void> {
  if (args[0] === 'scale') return scale(args.slice(1), interruption.promise)
  const { values } = parse(args, options)
  if (values.help) return console.log(usage)
  const choice = await chooseLab(values, 'bench')
  await withLab(choice, { keep: values.keep ?? false }, () =>
    measureOn(
      choice.backend,
      values.quick ? 'quick' : 'full',
      resolve(values.out ?? `${root}report/bench.json`),
    ),
  )
}

async function measureOn(backend: Backend, size: keyof typeof sizes, out: string): Promise<void> {
  await using net1 = await connected(backend, 'net-1')
  await using net2 = await connected(backend, 'net-2')
  const pair = { net1: net1.host, net2: net2.host }
  const [began, before] = [new Date(), loadavg()]
  const machine = await machineOf(pair)
  const measuring = measure(pair, sizes[size], (stage) => console.log(`bench: ${stage}`))
  const samples = await Promise.race([measuring, interruption.promise])
  print(samples)
  mkdirSync(dirname(out), { recursive: true })
  const load = { before, after: loadavg() }
  const report = {
    began,
    size: { name: size, ...sizes[size] },
    machine,
    load,
    goals: goals(samples),
    samples,
  }
  writeFileSync(out, `${JSON.stringify(report, undefined, 1)}\n`)
  const html = `${out.replace(/\.json$/, '')}.html`
  writeFileSync(html, page(samples, goals(samples), { began, size: report.size, machine, load }))
  console.log(`\n${samples.length} samples: ${out}; as plots: ${html}`)
}

function print(samples: readonly Sample[]): void {
  const tables = [figureTable(samples), callTable(samples), trackingTable(samples), goalTable(goals(samples))]
  console.log(`\n${tables.filter((table) => table !== undefined).join('\n\n')}`)
}

async function machineOf({ net1 }: Pair): Promise<Record<string, string | number>> {
  return {
    cores: cpus().length,
    model: cpus()[0]?.model ?? 'unknown',
    memoryBytes: totalmem(),
    kernel: release(),
    engine: await net1.succeed`/usr/bin/docker version -f ${'{{.Server.Version}}'}`,
    driver: (await net1.succeed`multihost --version`).trim(),
    tcpCongestion: await net1.succeed`sysctl -n net.ipv4.tcp_congestion_control`,
  }
}

/** A promise that a signal rejects: a running measurement is not waited for. */
function interruptible(): { promise: Promise<never>; interrupt: (signal: NodeJS.Signals) => void } {
  let interrupt: (signal: NodeJS.Signals) => void = () => undefined
  const promise = new Promise<never>((_, reject) => {
    interrupt = (signal) => reject(new LabError(`${signal} while measuring`))
  })
  promise.catch(() => undefined) // a signal while nothing is measured
  return { promise, interrupt }
}

const interruption = interruptible()
const interrupted = catchSignals(interruption.interrupt)
main(process.argv.slice(2)).then(
  () => {
    process.exitCode = interrupted() ?? 0
  },
  (error) => {
    const code = interrupted()
    console.error(code === undefined ? explain(error) : 'interrupted; the lab is down')
    // what still waits for a host that is gone would keep the process for its deadline
    process.exit(code ?? 2)
  },
)
