/**
 * What a small run tells: two scenarios on two hosts, one of which failed.
 */
import type { Event } from '../../../../scenarios/record/events.ts'
import type { Picture } from '../../../../scenarios/record/snapshot.ts'

const id = 'a'.repeat(64)
const mac = '02:42:0a:09:00:03'

export const picture: Picture = {
  store: {
    hosts: [
      { name: 'net-1', vtep: '192.168.33.11', driver: '0.1.0', engine: '26.1.5', networks: { n1: 'n1' } },
      { name: 'net-2', vtep: '192.168.33.12', driver: '0.1.0', engine: '26.1.5', networks: { n2: 'n1' } },
    ],
    networks: [{ id: 'n1', name: 'blue', vni: 256, pools: ['10.9.0.0/16'] }],
    endpoints: [
      {
        id: 'e'.repeat(64),
        network: 'n1',
        ips: ['10.9.0.3'],
        mac,
        host: 'net-2',
        vtep: '192.168.33.12',
        joined: true,
        name: 'two',
      },
    ],
    services: [],
  },
  hosts: [
    {
      name: 'net-1',
      address: '192.168.33.11',
      containers: [],
      networks: [{ id: 'n1', name: 'blue' }],
      tunnels: [
        {
          namespace: 'n1',
          vni: 256,
          local: '192.168.33.11',
          port: 4789,
          mtu: 1450,
          bridged: true,
          ports: [],
          fdb: [{ mac, dst: '192.168.33.12' }],
          neighbours: [{ ip: '10.9.0.3', mac }],
        },
      ],
      interfaces: {},
    },
    {
      name: 'net-2',
      address: '192.168.33.12',
      containers: [
        {
          id,
          name: 'two',
          state: 'running',
          networks: [{ id: 'n2', name: 'blue', endpoint: 'e'.repeat(64), ip: '10.9.0.3', mac }],
        },
      ],
      networks: [{ id: 'n2', name: 'blue' }],
      tunnels: [
        {
          namespace: 'n2',
          vni: 256,
          local: '192.168.33.12',
          port: 4789,
          mtu: 1450,
          bridged: true,
          ports: ['vetheeeeeeee'],
          fdb: [],
          neighbours: [],
        },
      ],
      interfaces: { [mac]: ['10.9.0.3'] },
    },
  ],
}

const file = 'scenarios/overlay/traffic.scenario.ts'
const [first, second] = ['they reach each other', 'a <script>alert(1)</script> is text']
const output = { stdout: '', stderr: '' }

export const events: Event[] = [
  {
    kind: 'command',
    scenario: first,
    host: 'net-2',
    command: 'docker run -d --name two debian:13',
    code: 0,
    stdout: `${id}\n`,
    stderr: '',
    at: 10_000,
    ms: 100,
  },
  {
    kind: 'command',
    scenario: first,
    host: 'net-2',
    command: `docker exec ${id} sh -c 'ping -c1 one'`,
    code: 1,
    ...output,
    at: 10_100,
    ms: 20,
  },
  {
    kind: 'command',
    scenario: first,
    host: 'net-2',
    command: `docker exec ${id} sh -c 'ping -c1 one'`,
    code: 0,
    ...output,
    stdout: '1 received',
    at: 10_200,
    ms: 20,
  },
  {
    kind: 'wait',
    scenario: first,
    host: 'net-2',
    command: 'ping -c1 one',
    at: 10_100,
    ms: 120,
    tries: 2,
    held: true,
  },
  { kind: 'picture', scenario: first, at: 10_300, ms: 30, picture },
  { kind: 'scenario', scenario: first, file, state: 'passed', at: 10_000, ms: 500 },
  {
    kind: 'command',
    scenario: second,
    host: 'net-1',
    command: 'echo "<img src=x onerror=alert(1)>"',
    code: 3,
    ...output,
    stderr: '<script>alert(2)</script>',
    at: 10_600,
    ms: 5,
    line: 4,
  },
  { kind: 'picture', scenario: second, at: 10_650, ms: 30, picture },
  {
    kind: 'evidence',
    scenario: second,
    host: 'net-1',
    title: 'driver log',
    command: 'journalctl',
    file: 'evidence/a/net-1-driver-log.txt',
    at: 10_700,
  },
  {
    kind: 'scenario',
    scenario: second,
    file,
    state: 'failed',
    at: 10_600,
    ms: 200,
    message: 'net-1: `x` should succeed\n  exit code 3',
    line: 42,
  },
  {
    kind: 'run',
    at: 5_000,
    ms: 7_000,
    round: 1,
    rounds: 1,
    lab: 'scenarios',
    backend: 'nspawn',
    filters: [],
    timings: [
      { title: 'packages', atMs: 0, ms: 1_000 },
      { title: 'hosts / net-1 / boot', atMs: 1_000, ms: 1_500 },
      { title: 'hosts / net-1 / docker', atMs: 2_500, ms: 1_500 },
      { title: 'total', atMs: 0, ms: 4_000 },
    ],
    replay: { at: 9_500, ms: 2_000 },
    code: 1,
    machine: { cores: 2, memoryBytes: 2 ** 34, kernel: '6.18', node: '20.20.0' },
  },
]
