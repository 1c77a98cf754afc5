/**
 * Status as text for people. Pure.
 */
import type { HostStatus, Status } from '../control/status.ts'
import { table } from './table.ts'

export function showStatus(status: Status): string {
  const { version, host, underlay, store, engine, networks, hosts, loops, deferred, problems } = status
  const age =
    store.ageMs === undefined ? 'no answer yet' : `last answer ${Math.round(store.ageMs / 1000)} s ago`
  const head = [
    ['driver', `multihost ${version} on ${host}`],
    ['engine', engine.version ?? 'not seen yet'],
    ['store', `${store.url}, ${store.fresh ? 'connected' : 'AWAY'}, ${age}`],
    ['tunnels', `${underlay.address} on ${underlay.device}, MTU ${underlay.mtuBytes}`],
    [
      'hosts',
      `${hosts.length}: ${hosts.map(({ name, alive }) => (alive === false ? `${name} (away)` : name)).join(', ')}`,
    ],
    [
      'loops',
      Object.entries(loops)
        .map(([name, { state }]) => `${name} ${state}`)
        .join(', '),
    ],
    ...showNames(status.names),
    ...(deferred.length === 0
      ? []
      : [['waiting', `${deferred.length} calls of Docker's wait for the store`]]),
  ]
  return [
    table(head),
    '',
    networks.length === 0 ? 'no networks' : table([networkHead, ...networks.map(networkRow)]),
    '',
    ...(problems.length === 0 ? ['no problems'] : ['problems:', ...problems.map((it) => `  - ${it}`)]),
  ].join('\n')
}

function showNames({ files, skipped, dnsOnly, hostsFileLimit, dns }: Status['names']): string[][] {
  const left = skipped.map(({ name, reason }) => ['', `${name}: hosts file left alone, ${reason}`])
  const large = dnsOnly.map((network) => [
    '',
    `network ${network} has more than ${hostsFileLimit} endpoints: by DNS alone`,
  ])
  const where =
    dns === undefined ? 'DNS is off' : `DNS ${dns.lastError === undefined ? 'on' : 'NOT on'} ${dns.address}`
  return [['names', `in ${files} hosts file${files === 1 ? '' : 's'}; ${where}`], ...left, ...large]
}

const networkHead = ['NETWORK', 'ID', 'VNI', 'SUBNET', 'HERE', 'ELSEWHERE', 'DATAPATH']

function networkRow({ id, name, vni, pools, endpoints, datapath }: Status['networks'][number]): string[] {
  const counts = [endpoints.here, endpoints.elsewhere].map(String)
  return [name ?? '(no name yet)', id.slice(0, 12), String(vni), pools.join(' '), ...counts, datapath]
}

export function showHosts(hosts: HostStatus[]): string {
  const rows = hosts.map(({ name, vtep, alive, driverVersion, engineVersion = '?', networks }) => {
    const state = alive === undefined ? '?' : alive ? 'alive' : 'away'
    return [name, vtep, state, driverVersion, engineVersion, String(networks)]
  })
  return table([['HOST', 'TUNNEL END', 'STATE', 'DRIVER', 'ENGINE', 'NETWORKS'], ...rows])
}
