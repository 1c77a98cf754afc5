/**
 * Numbers for Prometheus: what Docker asked, what the loops did, what the store holds.
 *
 * Gauges are read when they are asked for, so that a change of the store costs nothing here.
 */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import type { LoopRun } from '../loops/kit/loop.ts'
import type { Status } from './status.ts'

export interface Metrics {
  /** A call of Docker's was answered. `outcome`: `ok`, or the code of an error. */
  onCall(call: { method: string; outcome: string; durationMs: number }): void
  onRun(run: LoopRun): void
  onStoreError(code: string): void
  /** In Prometheus' text format. `status`: what the gauges show. */
  text(status: Status): Promise<string>
}

const seconds = [0.001, 0.0025, 0.005, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

export function createMetrics(): Metrics {
  const registry = new Registry()
  const registers = [registry]
  const ofProcess = processRegistry()
  const durations = new Histogram({
    name: 'multihost_call_duration_seconds',
    help: 'Docker’s calls, by method and outcome',
    labelNames: ['method', 'outcome'],
    buckets: seconds,
    registers,
  })
  const lags = new Histogram({
    name: 'multihost_loop_lag_seconds',
    help: 'From the wish for a run of a loop to its end',
    labelNames: ['loop', 'outcome'],
    buckets: seconds,
    registers,
  })
  const errors = new Counter({
    name: 'multihost_store_errors_total',
    help: 'Commits and reads of the store that failed, conflicts included',
    labelNames: ['code'],
    registers,
  })
  let shown: Status | undefined
  gauges(registers, () => shown)
  return {
    onCall: ({ method, outcome, durationMs }) => durations.observe({ method, outcome }, durationMs / 1000),
    onRun: ({ loop, ok, lagMs }) => lags.observe({ loop, outcome: ok ? 'ok' : 'failed' }, lagMs / 1000),
    onStoreError: (code) => errors.inc({ code }),
    async text(status) {
      shown = status
      return (await Promise.all([ofProcess.metrics(), registry.metrics()])).join('\n')
    },
  }
}

let sharedRegistry: Registry | undefined

/**
 * The statistics of the event loop's lag come from a timer, which at its usual 10 ms takes more of a
 * processor than the whole driver at rest. `nodejs_eventloop_lag_seconds` is measured when it is asked for.
 */
const hourMs = 3_600_000

/**
 * Node's own numbers. Their timer and their observer have no end, so that they are shared: a host that leaves
 * the cluster and comes back has a new member in the same process.
 */
function processRegistry(): Registry {
  if (sharedRegistry === undefined) {
    sharedRegistry = new Registry()
    collectDefaultMetrics({ register: sharedRegistry, eventLoopMonitoringPrecision: hourMs })
    for (const part of ['min', 'max', 'mean', 'stddev', 'p50', 'p90', 'p99'])
      sharedRegistry.removeSingleMetric(`nodejs_eventloop_lag_${part}_seconds`)
  }
  return sharedRegistry
}

type MakeGauge = (
  name: string,
  help: string,
  labelNames: string[],
  set: (it: Gauge, status: Status) => void,
) => void

function gauges(registers: Registry[], shown: () => Status | undefined): void {
  const gauge: MakeGauge = (name, help, labelNames, set) => {
    new Gauge({
      name,
      help,
      labelNames,
      registers,
      collect() {
        this.reset()
        const status = shown()
        if (status !== undefined) set(this, status)
      },
    })
  }
  tunnelGauges(gauge)
  gauge(
    'multihost_endpoints',
    'Endpoints, on this host and elsewhere',
    ['network', 'where'],
    (it, { networks }) => {
      for (const { id, name = id, endpoints } of networks) {
        it.set({ network: name, where: 'here' }, endpoints.here)
        it.set({ network: name, where: 'elsewhere' }, endpoints.elsewhere)
      }
    },
  )
  gauge('multihost_addresses', 'Leased addresses, of all hosts', ['network'], (it, { networks }) => {
    for (const { id, name = id, addresses } of networks) it.set({ network: name }, addresses)
  })
  gauge('multihost_hosts_files', 'Hosts files by what is done with them', ['state'], (it, { names }) => {
    it.set({ state: 'written' }, names.files)
    it.set({ state: 'skipped' }, names.skipped.length)
  })
  gauge('multihost_hosts_file_writes', 'Writes of hosts files since the start', [], (it, { names }) => {
    it.set(names.writes)
  })
  gauge('multihost_networks_dns_only', 'Networks too large for hosts files', [], (it, { names }) => {
    it.set(names.dnsOnly.length)
  })
  gauge(
    'multihost_dns_queries',
    'Queries since the start, by what became of them',
    ['outcome'],
    (it, { names }) => {
      const { answered = 0, forwarded = 0, refused = 0, failed = 0 } = names.dns ?? {}
      const counts = { answered, forwarded, refused, failed }
      for (const [outcome, count] of Object.entries(counts)) it.set({ outcome }, count)
    },
  )
  gauge('multihost_store_fresh', '1 while the store is followed', [], (it, { store }) => {
    it.set(store.fresh ? 1 : 0)
  })
  gauge('multihost_problems', 'What needs a person, see multihost status', [], (it, { problems }) => {
    it.set(problems.length)
  })
}

function tunnelGauges(gauge: MakeGauge): void {
  gauge(
    'multihost_tunnel_answers',
    '1 while the host answers probes of full size through the tunnel, 0 while it does not',
    ['host', 'port'],
    (it, { tunnels }) => {
      for (const { host, port, state } of tunnels) {
        if (state === 'answers') it.set({ host, port }, 1)
        if (state === 'silent' || state === 'small-only') it.set({ host, port }, 0)
      }
    },
  )
  gauge(
    'multihost_peer_driver_down',
    '1 while the driver of the host does not run and its kernel answers, 0 otherwise',
    ['host'],
    (it, { tunnels }) => {
      const isDown = ({ state }: { state: string }): boolean => state === 'driver-down'
      for (const { host } of tunnels)
        it.set({ host }, tunnels.some((its) => its.host === host && isDown(its)) ? 1 : 0)
    },
  )
  gauge(
    'multihost_filter_refused_packets',
    'Tunnel packets that the filter has refused since it was made; absent while there is no filter',
    ['direction'],
    (it, { filter }) => {
      for (const [direction, count] of Object.entries(filter ?? {})) it.set({ direction }, count)
    },
  )
  gauge(
    'multihost_tunnel_rtt_seconds',
    'Round trip of the last probe',
    ['host', 'port'],
    (it, { tunnels }) => {
      for (const { host, port, rttMs } of tunnels)
        if (rttMs !== undefined) it.set({ host, port }, rttMs / 1000)
    },
  )
}
