import { expect, onTestFinished, test } from 'vitest'
import { asDriverError, type DriverError } from '../../../../driver/core/errors.ts'
import { configOf } from '../../../../driver/membership/consul-server.ts'
import {
  checkBegin,
  consulProgram,
  defaultDeviceIn,
  furtherHosts,
  joinWords,
  parseInitWords,
  placeAt,
  unitText,
} from '../../../../driver/membership/init.ts'

const server = { ...placeAt({ address: '192.168.33.11' }), program: '/usr/bin/consul' }

test('the words of init are its own and the driver’s', () => {
  const words = ['--consul-from=/opt/consul', '--host-name=a', '--bind-interface=eth1', '--log-level=debug']
  expect(parseInitWords(words)).toEqual({
    consulFrom: '/opt/consul',
    bindInterface: 'eth1',
    tokenFor: undefined,
    others: ['--host-name=a', '--log-level=debug'],
  })
  expect(parseInitWords(['--consul-from', './consul', '--bind-interface', 'eth1'])).toEqual({
    consulFrom: `${process.cwd()}/consul`,
    bindInterface: 'eth1',
    tokenFor: undefined,
    others: [],
  })
  for (const words of [['--token-for=net-2'], ['--token-for', 'net-2']])
    expect(parseInitWords(words)).toMatchObject({ tokenFor: 'net-2', others: [] })
})

test.each([
  ['--kv-store=consul://a', /makes the store, and takes no '--kv-store=consul:\/\/a'/],
  ['--kv-token-file=/x', /makes the store, and takes no/],
  ['consul://192.168.33.10:8500', /consul:\/\/192.168.33.10:8500/],
  ['--consul-from', /--consul-from needs a value/],
  ['--consul-from=', /--consul-from needs a value/],
  ['--token-for=', /--token-for needs a value/],
  ['--token-for=a/b', /--token-for takes the name of one host/],
  ['--colour=red', /Unknown option '--colour'/],
])('init takes no %s', (word, why) => {
  expect(() => parseInitWords([word])).toThrow(why)
})

test('a member begins no other cluster; the host that runs its Consul may have another address', () => {
  const words = (address: string) => [`--kv-store=https://${address}:8501`, '--bind-interface=eth1']
  const before = words('192.168.33.11')
  expect(() => checkBegin(before, words('192.168.33.12'), false)).toThrow(
    /member of the cluster at https:\/\/192.168.33.11/,
  )
  expect(() => checkBegin(before, words('192.168.33.12'), true)).not.toThrow()
  expect(() => checkBegin(before, [...words('192.168.33.12'), '--host-name=a'], true)).toThrow(/is a member/)
  expect(() => checkBegin([], words('192.168.33.12'), false)).not.toThrow()
})

test.each<[string, object[], string | undefined]>([
  ['no route', [], undefined],
  [
    'the lowest metric',
    [
      { dst: 'default', dev: 'eth0' },
      { dst: 'default', dev: 'wlan0', metric: 600 },
    ],
    'eth0',
  ],
  [
    'a route behind one that drops',
    [
      { type: 'blackhole', dst: 'default', metric: 5 },
      { dst: 'default', dev: 'eth0', metric: 100 },
    ],
    'eth0',
  ],
  [
    'two ways over one interface',
    [
      {
        dst: 'default',
        nexthops: [
          { gateway: '10.1.0.1', dev: 'eth0' },
          { gateway: '10.1.0.2', dev: 'eth0' },
        ],
      },
    ],
    'eth0',
  ],
])('the interface of the default route: %s', (_, routes, device) => {
  expect(defaultDeviceIn(JSON.stringify(routes))).toBe(device)
})

test('a default route over two interfaces is the person’s choice', () => {
  const nexthops = [{ dev: 'eth0' }, { dev: 'eth1' }]
  expect(() => defaultDeviceIn(JSON.stringify([{ dst: 'default', nexthops }]))).toThrow(
    /leads over eth0 and eth1/,
  )
})

test('hosts are told how to join', () => {
  expect(joinWords(server)).toEqual([
    'https://192.168.33.11:8501',
    '--kv-ca-file=/etc/multihost/consul-ca.pem',
    '--kv-token-file=/etc/multihost/consul-token',
  ])
  expect(joinWords({ ...server, address: 'fd00::1' })[0]).toBe('https://[fd00::1]:8501')
  expect(furtherHosts(server)).toContain(`  multihost join ${joinWords(server).join(' ')}\n`)
  expect(furtherHosts({ ...server, address: 'fd00::1' })).toContain(
    "scp 'root@[fd00::1]:/etc/multihost/consul-*'",
  )
})

test('other hosts reach the API by TLS alone, and no other port', () => {
  expect(JSON.parse(configOf(server))).toMatchObject({
    bind_addr: '127.0.0.1',
    client_addr: '127.0.0.1',
    addresses: { https: '192.168.33.11', http: 'unix:///run/multihost-consul/http.sock' },
    acl: { enabled: true, default_policy: 'deny' },
    ...{ verify_incoming_rpc: true, verify_outgoing: true, verify_server_hostname: true },
  })
  expect(unitText(server)).toContain(
    'ExecStart=/usr/bin/consul agent -config-dir=/var/lib/multihost-consul/config',
  )
})

test('a host without Consul is told where Consul is, and how to name it', async () => {
  const path = process.env.PATH
  onTestFinished(() => void Object.assign(process.env, { PATH: path }))
  process.env.PATH = '/nowhere'
  const { line } = (await consulProgram(undefined).catch((error: unknown) =>
    asDriverError(error),
  )) as DriverError
  expect(line).toMatch(/no program consul; .*developer\.hashicorp\.com\/consul\/install.*--consul-from=FILE/)
})
