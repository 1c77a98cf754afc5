import { expect, test } from 'vitest'
import { configOf } from '../../../../driver/membership/consul-server.ts'
import {
  furtherHosts,
  joinWords,
  parseInitWords,
  serverAt,
  unitText,
} from '../../../../driver/membership/init.ts'

const underlay = { device: 'eth1', address: '192.168.33.11', mtuBytes: 1500 }
const server = serverAt(underlay as never, '/usr/bin/consul')

test('the words of init are its own and the driver’s', () => {
  const words = ['--consul-from=/opt/consul', '--host-name=a', '--bind-interface=eth1', '--log-level=debug']
  expect(parseInitWords(words)).toEqual({
    consulFrom: '/opt/consul',
    bindInterface: 'eth1',
    others: ['--host-name=a', '--log-level=debug'],
  })
})

test.each(['consul://192.168.33.10:8500', '--kv-store=consul://a', '--kv-token-file=/x'])(
  'init takes no %s',
  (word) => {
    expect(() => parseInitWords([word])).toThrow(/makes the store, and takes no/)
  },
)

test('hosts are told how to join', () => {
  expect(joinWords(server)).toEqual([
    'https://192.168.33.11:8501',
    '--kv-ca-file=/etc/multihost/consul-ca.pem',
    '--kv-token-file=/etc/multihost/consul-token',
  ])
  expect(joinWords({ ...server, address: 'fd00::1' })[0]).toBe('https://[fd00::1]:8501')
  expect(furtherHosts(server)).toContain(`  multihost join ${joinWords(server).join(' ')}\n`)
})

test('other hosts reach the API by TLS alone, and no other port', () => {
  expect(JSON.parse(configOf(server))).toMatchObject({
    bind_addr: '127.0.0.1',
    client_addr: '127.0.0.1',
    addresses: { https: '192.168.33.11', http: 'unix:///run/multihost-consul/http.sock' },
    acl: { enabled: true, default_policy: 'deny' },
  })
  expect(unitText(server)).toContain(
    'ExecStart=/usr/bin/consul agent -config-file=/etc/multihost/consul/consul.json',
  )
})
