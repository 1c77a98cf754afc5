import { expect, test } from 'vitest'
import { createMetrics } from '../../../../driver/control/metrics.ts'
import { type StatusParts, statusOf } from '../../../../driver/control/status.ts'
import { applyDeltas } from '../../../../driver/core/snapshot.ts'
import type { TunnelState } from '../../../../driver/core/tunnels/peers.ts'
import { endpoint, id, network, snapshotOf } from '../../../fixtures/datapath.sample.ts'

const v6 = { cidr: 'fd00:21::/64', gateway: 'fd00:21::ffff', aux: {} }
const snapshot = snapshotOf(
  [
    network({ name: 'blue', v6 }),
    network({ id: id('b'), name: 'red', v6 }),
    network({ id: id('c'), name: 'plain' }),
    network({ id: id('d'), name: 'elsewhere', v6 }),
  ],
  [
    endpoint('1', 'net-1', '172.21.0.2'),
    endpoint('2', 'net-1', '172.22.0.2', { network: id('b') }),
    endpoint('3', 'net-1', '172.23.0.2', { network: id('c') }),
    endpoint('4', 'net-2', '172.24.0.2', { network: id('d') }),
  ],
)

function partsWith(mtuBytes = 1500, address = '192.168.33.11'): StatusParts {
  return {
    version: '0.1.0',
    host: 'net-1',
    startedAt: '2026-01-01T00:00:00Z',
    defaultNetwork: { driver: 'vxlan', name: 'multihost' },
    underlay: () => ({ device: 'eth1', address, mtuBytes }),
    underlayProblem: () => undefined,
    snapshot: () => snapshot,
    store: () => ({
      ...{ url: 'consul://192.168.33.10:8500', fresh: true, ageMs: 0, index: 1, corrupt: [], missing: [] },
      ...{ lastError: undefined, doubt: undefined, cluster: undefined },
    }),
    datapath: () => new Map(),
    loops: () => ({}),
    loopProblems: () => [],
    names: () => ({ hostsFileLimit: 0, files: 0, writes: 0, skipped: [], dnsOnly: [] }),
    tunnels: () => [],
    filter: () => undefined,
    deferred: () => [],
  }
}

function problemsWith(mtuBytes: number, address?: string): string[] {
  return statusOf(partsWith(mtuBytes, address)).problems
}

test('a driver that is down is told with its host and in the metrics, and is no problem', async () => {
  const tunnel = { host: 'net-2', vtep: '192.168.33.12', port: 4789, probeBytes: 1500 } as const
  const value = { vtep: tunnel.vtep, driverVersion: '0.1.0' }
  const record = { table: 'hosts', key: 'net-2', record: { value, index: 1 } } as const
  const withHost = applyDeltas(snapshot, [record])
  const statusWith = (state: TunnelState) =>
    statusOf({
      ...partsWith(),
      snapshot: () => withHost,
      tunnels: () => [{ ...tunnel, state }],
    })
  const metrics = createMetrics()
  const down = statusWith('driver-down')
  expect(down.hosts).toMatchObject([{ name: 'net-2', driverDown: true }])
  expect(down.problems).toEqual([])
  expect(await metrics.text(down)).toContain('multihost_peer_driver_down{host="net-2"} 1')
  const silent = statusWith('silent')
  expect(silent.hosts[0]).not.toHaveProperty('driverDown')
  expect(await metrics.text(silent)).toContain('multihost_peer_driver_down{host="net-2"} 0')
})

test('a network whose subnet contains an address that this host needs is named with the address and the host', () => {
  const value = { vtep: '192.168.33.11', driverVersion: '0.1.0', resolvers: ['172.21.0.10'] }
  const record = { table: 'hosts', key: 'net-1', record: { value, index: 1 } } as const
  const one = snapshotOf([network({ name: 'blue' })], [])
  const { problems } = statusOf({ ...partsWith(), snapshot: () => applyDeltas(one, [record]) })
  expect(problems).toEqual([
    "network blue: its subnet 172.21.0.0/16 contains 172.21.0.10, a name server of host net-1; the network's containers do not reach that address; create the network again with another --subnet",
  ])
})

test('an underlay that is too small for IPv6 is named, with the networks that have IPv6 here', () => {
  expect(problemsWith(1330)).toEqual([])
  expect(problemsWith(1300)).toEqual([
    "eth1 has MTU 1300, which leaves containers 1250, less than IPv6's 1280: networks with IPv6 keep 1280, and longer packets of blue, red are sent in fragments; raise the MTU of eth1 to 1330 or more",
  ])
  expect(problemsWith(1300, 'fd00:33::11').join()).toMatch(
    /longer packets of blue, red are lost; .* 1350 or more/,
  )
})

test('a VXLAN device of another program with the VNI of a network is named on its host', () => {
  const devices = [
    { vni: 256, port: 4789 },
    { vni: 256, port: 8472 },
    { vni: 300, port: 4789 },
  ]
  const value = { vtep: '192.168.33.11', driverVersion: '0.1.0', foreignVxlans: devices }
  const seenBy = (key: string): string[] => {
    const record = { table: 'hosts', key, record: { value, index: 1 } } as const
    const shared = applyDeltas(snapshotOf([network({ name: 'blue' })], []), [record])
    return statusOf({ ...partsWith(), snapshot: () => shared }).problems
  }
  expect(seenBy('net-1')).toEqual([
    "network blue: its VNI 256 is that of another program's VXLAN device on this host, UDP port 4789: packets for that device are dropped, unless a host of the cluster sends them; give one of the two another VNI: 'ip -d link show type vxlan' shows the device, and a network that is created again gets a free one",
  ])
  expect(seenBy('net-2')).toEqual([])
})

test('a host whose VTEP has another family is named, with the networks that both have', () => {
  const hosts = { 'net-1': '192.168.33.11', 'net-2': 'fd00:33::12', 'net-3': 'fd00:33::13' }
  const records = Object.entries(hosts).map(([key, vtep]) => {
    const value = { vtep, driverVersion: '0.1.0' }
    return { table: 'hosts', key, record: { value, index: 1 } } as const
  })
  const shared = applyDeltas(
    snapshotOf(
      [network({ name: 'blue' })],
      [endpoint('1', 'net-1', '172.21.0.2'), endpoint('2', 'net-2', '172.21.0.3')],
    ),
    records,
  )
  expect(statusOf({ ...partsWith(), snapshot: () => shared }).problems).toEqual([
    'host net-2 has the VTEP fd00:33::12, and this host 192.168.33.11: containers of the two do not reach each other on blue; give both hosts a VTEP of one family: start the driver of one of them with --bind-interface=ADDRESS',
  ])
})

test('files of this host that cannot be written are named, with what that means', () => {
  const store = {
    ...partsWith().store(),
    unwritten: ['/a cannot be written: EROFS', '/b cannot be written: EROFS'],
  }
  expect(statusOf({ ...partsWith(), store: () => store }).problems).toEqual([
    'what this host keeps for a time without Consul is not up to date: /a cannot be written: EROFS; /b cannot be written: EROFS; containers run on, and may not start while Consul is away',
  ])
})
