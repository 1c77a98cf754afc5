import { expect, test } from 'vitest'
import { parseDaemonOptions } from '../../../../driver/daemon/options.ts'

const store = '--kv-store=consul://192.168.33.10:8500'

test('the documented options, and the rest as it is by default', () => {
  const options = parseDaemonOptions([
    store,
    '--default-network=overlay:multihost',
    '--bind-interface=eth1',
    '--host-name=net-1',
  ])
  expect(options).toMatchObject({
    kvStore: 'consul://192.168.33.10:8500',
    defaultNetwork: { driver: 'overlay', name: 'multihost' },
    bindInterface: 'eth1',
    hostName: 'net-1',
    socket: '/run/docker/plugins/vxlan.sock',
    controlSocket: '/run/multihost/control.sock',
    namespaceFolder: '/var/run/docker/netns',
    logLevel: 'info',
  })
  expect(options.addressPools[0]).toBe('172.16.0.0/16:24')
  expect(parseDaemonOptions([store]).bindInterface).toBeUndefined()
})

test.each([
  ['192.168.33.11', { address: '192.168.33.11', port: 53 }],
  ['192.168.33.11:5353', { address: '192.168.33.11', port: 5353 }],
  ['169.254.255.53', { address: '169.254.255.53', port: 53, ownPort: 61_053 }],
  ['FD00::1', { address: 'fd00::1', port: 53 }],
  ['[fd00::1]:54', { address: 'fd00::1', port: 54 }],
])('DNS listens on %s', (value, expected) => {
  expect(parseDaemonOptions([store, `--dns-listen=${value}`]).dnsListen).toEqual(expected)
})

test('without an address DNS does not listen, and 500 endpoints go into hosts files', () => {
  expect(parseDaemonOptions([store])).toMatchObject({ hostsFileLimit: 500 })
  expect(parseDaemonOptions([store]).dnsListen).toBeUndefined()
})

test('Docker is answered within 20 s, or what is given', () => {
  expect(parseDaemonOptions([store]).answerWithinMs).toBe(20_000)
  expect(parseDaemonOptions([store, '--answer-within=25']).answerWithinMs).toBe(25_000)
})

test('a list of pools, and a token whose file may come later', () => {
  const options = parseDaemonOptions([
    store,
    '--address-pools=10.0.0.0/8:24, 172.30.0.0/16',
    '--kv-token-file=/nowhere/token',
  ])
  expect(options).toMatchObject({
    addressPools: ['10.0.0.0/8:24', '172.30.0.0/16'],
    tokenFile: '/nowhere/token',
  })
})

test.each([
  [[], '--kv-store is missing; name the store'],
  [['--kv-store=etcd://x'], "'etcd://x' is not an address of a store"],
  [
    [store, '--default-network=bridge:x'],
    '--default-network=bridge:x is not allowed; write it like overlay:multihost',
  ],
  [[store, '--bind-interface='], '--bind-interface is empty'],
  [[store, '--host-name=a/b'], "'a/b' cannot be a host's name in the cluster"],
  [[store, '--socket=vxlan.sock'], '--socket=vxlan.sock is not an absolute path'],
  [[store, '--address-pools=ten'], "'ten' is not a pool"],
  [
    [store, '--address-pools=10.0.0.0/8:24,fd00::/8:64'],
    'the address pool fd00::/8:64 is IPv6, and a subnet that is chosen is IPv4; write IPv4 blocks, like 10.0.0.0/8:24',
  ],
  [[store, '--dns-listen=eth1'], '--dns-listen=eth1 is not allowed; write it like 169.254.255.53'],
  [[store, '--dns-listen=1.2.3.4:99999'], '--dns-listen=1.2.3.4:99999 is not allowed'],
  [
    [store, '--hosts-file-limit=many'],
    '--hosts-file-limit=many is not allowed; write a whole number from 0 to 9999999',
  ],
  ...['7', '26', '9.5', '', '10s'].map((value): [string[], string] => [
    [store, `--answer-within=${value}`],
    `--answer-within=${value} is not allowed; write a whole number from 8 to 25`,
  ]),
  [[store, '--log-level=loud'], '--log-level=loud is not allowed; it takes debug, info, warn, error'],
  [[store, '--kv-stroe=x'], "Unknown option '--kv-stroe'; options are --kv-store,"],
  [[store, 'word'], "Unexpected argument 'word'"],
])('%o is refused with what is allowed', (args, line) => {
  expect(() => parseDaemonOptions(args)).toThrow(
    expect.objectContaining({ code: 'invalid', line: expect.stringContaining(line) }),
  )
})
