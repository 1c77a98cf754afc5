import { expect, test } from 'vitest'
import { showHosts, showStatus } from '../../../../driver/cli/show.ts'
import type { HostStatus, Status } from '../../../../driver/control/status.ts'

const status: Status = {
  version: '0.1.0',
  host: 'net-1',
  underlay: { device: 'eth1', address: '192.168.33.11', mtuBytes: 1500 },
  startedAt: '2026-01-01T00:00:00Z',
  defaultNetwork: { driver: 'overlay', name: 'multihost' },
  store: {
    ...{ url: 'consul://192.168.33.10:8500/multihost', fresh: true, ageMs: 1200, index: 42 },
    ...{ lastError: undefined, corrupt: [], missing: [], doubt: undefined, cluster: 'c1' },
  },
  engine: { version: '28.5.2' },
  networks: [
    {
      ...{ id: 'a'.repeat(64), name: 'foobar', localId: 'b'.repeat(64), vni: 256, port: 4789 },
      ...{ pools: ['10.9.0.0/16', 'fd00:9::/64'], endpoints: { here: 1, elsewhere: 12 }, addresses: 13 },
      ...{ usedBy: ['net-1', 'net-2'], datapath: 'idle' },
    },
  ],
  hosts: [
    {
      name: 'net-1',
      vtep: '192.168.33.11',
      driverVersion: '0.1.0',
      engineVersion: '28.5.2',
      alive: true,
      networks: 1,
    },
    { name: 'net-2', vtep: '192.168.33.12', driverVersion: '0.1.0', alive: false, networks: 1 },
  ],
  loops: {
    host: { state: 'idle', lastError: undefined },
    networks: { state: 'running', lastError: undefined },
  },
  tunnels: [],
  filter: { arriving: 3, misrouted: 0, leaving: 0 },
  names: { files: 3, writes: 7, skipped: [], dnsOnly: [], hostsFileLimit: 500 },
  deferred: [],
  problems: [],
}

test('a host where all is well', () => {
  expect(showStatus(status)).toMatchInlineSnapshot(`
    "driver   multihost 0.1.0 on net-1
    engine   28.5.2
    store    consul://192.168.33.10:8500/multihost, connected, last answer 1 s ago
    VTEP     192.168.33.11 on eth1, MTU 1500
    hosts    2: net-1, net-2 (away)
    loops    host idle, networks running
    filter   on; refused packets: 3 from outside of the cluster, 0 from hosts by a wrong interface, 0 from this host’s containers and users
    names    in 3 hosts files; DNS is off

    NETWORK   ID             VNI   SUBNET                    HERE   ELSEWHERE   DATAPATH
    foobar    aaaaaaaaaaaa   256   10.9.0.0/16 fd00:9::/64   1      12          idle

    no problems"
  `)
})

test('a host whose driver is down, beside one that is away', () => {
  const down = { ...status.hosts[1], name: 'net-3', vtep: '192.168.33.13', driverDown: true } as HostStatus
  const hosts = [...status.hosts, down]
  expect(showStatus({ ...status, hosts }).split('\n')[4]).toBe(
    'hosts    3: net-1, net-2 (away), net-3 (driver down, containers go on)',
  )
  expect(showHosts(hosts).split('\n')[3]).toBe('net-3   192.168.33.13   driver down   0.1.0    ?        1')
})

test('names: files that are left alone, networks that only DNS knows, and whether it answers', () => {
  const skipped = [
    { container: 'c1', name: 'web', reason: 'a file of the user’s is mounted over /etc/hosts' },
  ]
  const counts = { answered: 1, forwarded: 0, refused: 0, failed: 0 }
  const dns = { address: '192.168.33.11:53', lastError: undefined, ...counts }
  const names = { files: 1, writes: 2, skipped, dnsOnly: ['foobar'], hostsFileLimit: 500, dns }
  const lines = showStatus({ ...status, names })
    .split('\n')
    .slice(6, 9)
  expect(lines.join('\n')).toMatchInlineSnapshot(`
    "filter   on; refused packets: 3 from outside of the cluster, 0 from hosts by a wrong interface, 0 from this host’s containers and users
    names    in 1 hosts file; DNS on 192.168.33.11:53
             web: hosts file left alone, a file of the user’s is mounted over /etc/hosts"
  `)
  expect(showStatus({ ...status, names: { ...names, dns: { ...dns, lastError: 'taken' } } })).toContain(
    'DNS FAILS on 192.168.33.11:53',
  )
})

test('a host without a store', () => {
  const store = { ...status.store, fresh: false, ageMs: undefined }
  const text = showStatus({
    ...status,
    store,
    networks: [],
    deferred: ['leave x'],
    problems: ['the store is away'],
  })
  expect(text).toMatchInlineSnapshot(`
    "driver     multihost 0.1.0 on net-1
    engine     28.5.2
    store      consul://192.168.33.10:8500/multihost, AWAY, no answer yet
    VTEP       192.168.33.11 on eth1, MTU 1500
    hosts      2: net-1, net-2 (away)
    loops      host idle, networks running
    filter     on; refused packets: 3 from outside of the cluster, 0 from hosts by a wrong interface, 0 from this host’s containers and users
    names      in 3 hosts files; DNS is off
    deferred   1 calls from Docker wait for the store

    no networks

    problems:
      - the store is away"
  `)
})

test('the hosts of the cluster', () => {
  expect(showHosts(status.hosts)).toMatchInlineSnapshot(`
    "HOST    VTEP            STATE   DRIVER   ENGINE   NETWORKS
    net-1   192.168.33.11   alive   0.1.0    28.5.2   1
    net-2   192.168.33.12   away    0.1.0    ?        1"
  `)
})
