/**
 * `multihost status` and `multihost host ls` as text. Pure.
 */
import type { HostStatus, Status, WaitingStatus } from '../control/status.ts'
import { probeDevice } from '../core/tunnels/packet.ts'
import { table } from './table.ts'

export function showStatus(status: Status | WaitingStatus): string {
  if ('waiting' in status) return showWaiting(status)
  const { networks, problems } = status
  return [
    table(head(status)),
    '',
    networks.length === 0 ? 'no networks' : table([networkHead, ...networks.map(networkRow)]),
    '',
    ...showProblems(problems),
  ].join('\n')
}

function showWaiting({ version, problems }: WaitingStatus): string {
  const rows = [
    ['driver', `multihost ${version}`],
    ['state', 'WAITING: this host takes no part in the cluster'],
  ]
  return [table(rows), '', ...showProblems(problems)].join('\n')
}

function showProblems(problems: string[]): string[] {
  return problems.length === 0 ? ['no problems'] : ['problems:', ...problems.map((it) => `  - ${it}`)]
}

function head(status: Status): string[][] {
  const { version, host, hostname, underlay, store, engine, hosts, loops, deferred } = status
  const age =
    store.ageMs === undefined ? 'no answer yet' : `last answer ${Math.round(store.ageMs / 1000)} s ago`
  const name = hostname === undefined ? host : `${host} (hostname ${hostname})`
  return [
    ['driver', `multihost ${version} on ${name}`],
    ['engine', engine.version ?? 'not seen yet'],
    ['store', `${store.url}, ${store.fresh ? 'connected' : 'AWAY'}, ${age}`],
    ['VTEP', `${underlay.address} on ${underlay.device}, MTU ${underlay.mtuBytes}`],
    ['hosts', `${hosts.length}: ${hosts.map(showHost).join(', ')}`],
    [
      'loops',
      Object.entries(loops)
        .map(([name, { state }]) => `${name} ${state}`)
        .join(', '),
    ],
    ...showTunnels(status.tunnels),
    ['filter', showFilter(status.filter)],
    ...showNames(status.names),
    ...(deferred.length === 0
      ? []
      : [['deferred', `${deferred.length} calls from Docker wait for the store`]]),
  ]
}

function showHost({ name, alive, driverDown }: HostStatus): string {
  if (driverDown) return `${name} (driver down, containers go on)`
  return alive === false ? `${name} (away)` : name
}

function showTunnels(tunnels: Status['tunnels']): string[][] {
  if (tunnels.length === 0) return []
  const words = tunnels.map(({ host, port, state, rttMs = 0 }) => {
    const on = port === probeDevice.port ? '' : ` (UDP ${port})`
    return `${host}${on} ${state === 'answers' ? `${rttMs.toFixed(1)} ms` : state}`
  })
  return [['tunnels', words.join(', ')]]
}

function showFilter(filter: Status['filter']): string {
  if (filter === undefined)
    return 'off: every machine that reaches this host can send frames into its networks'
  const { arriving, misrouted, leaving } = filter
  return `on; refused packets: ${arriving} from outside of the cluster, ${misrouted} from hosts by a wrong interface, ${leaving} from this host’s containers and users`
}

function showNames({ files, skipped, dnsOnly, hostsFileLimit, dns }: Status['names']): string[][] {
  const leftAlone = skipped.map(({ name, reason }) => ['', `${name}: hosts file left alone, ${reason}`])
  const large = dnsOnly.map((network) => [
    '',
    `network ${network} has more than ${hostsFileLimit} endpoints: names by DNS alone`,
  ])
  const where =
    dns === undefined ? 'DNS is off' : `DNS ${dns.lastError === undefined ? 'on' : 'FAILS on'} ${dns.address}`
  return [['names', `in ${files} hosts file${files === 1 ? '' : 's'}; ${where}`], ...leftAlone, ...large]
}

const networkHead = ['NETWORK', 'ID', 'VNI', 'SUBNET', 'HERE', 'ELSEWHERE', 'DATAPATH']

function networkRow({ id, name, vni, pools, endpoints, datapath }: Status['networks'][number]): string[] {
  const counts = [endpoints.here, endpoints.elsewhere].map(String)
  return [name ?? '(no name yet)', id.slice(0, 12), String(vni), pools.join(' '), ...counts, datapath]
}

export function showHosts(hosts: HostStatus[]): string {
  const rows = hosts.map((host) => {
    const { name, vtep, driverVersion, engineVersion = '?', networks } = host
    return [name, vtep, stateOf(host), driverVersion, engineVersion, String(networks)]
  })
  return table([['HOST', 'VTEP', 'STATE', 'DRIVER', 'ENGINE', 'NETWORKS'], ...rows])
}

function stateOf({ alive, driverDown }: HostStatus): string {
  if (driverDown) return 'driver down'
  return alive === undefined ? '?' : alive ? 'alive' : 'away'
}
