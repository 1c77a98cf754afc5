import { spawnSync } from 'node:child_process'
import { expect, test } from 'vitest'
import {
  consulFor,
  differences,
  generateLab,
  hostNamed,
  hostsOfRole,
  type LabHost,
  parseLab,
  readLab,
} from '../../../../provision/lab/definition.ts'

const consul = { name: 'consul-server', address: '192.168.33.10', role: 'consul' }
const docker = { name: 'net-1', address: '192.168.33.11', role: 'docker' }
const text = (hosts: object[], network = '192.168.33.0/24') => JSON.stringify({ network, hosts })
const parsed = (hosts: object[], network?: string) => () => parseLab(text(hosts, network), 'my.json')
const changed = (change: object) => [consul, { ...docker, ...change }]

test('the network and its hosts', () => {
  expect(parsed([consul, docker])()).toEqual({
    network: '192.168.33.0/24',
    hosts: [consul, docker],
    source: 'my.json',
  })
})

test.each([
  [
    { name: 'a-name-too-long-for-a-device' },
    'name "a-name-too-long-for-a-device" is not at most 13 lower-case letters, digits and dashes, a letter first and no dash last',
  ],
  [{ name: undefined }, 'name "" is not at most 13 lower-case letters'],
  [{ name: 'net-' }, 'name "net-" is not at most 13 lower-case letters'],
  [{ name: 'Net_1' }, 'name "Net_1" is not at most 13 lower-case letters'],
  [{ name: 'switch' }, 'name "switch" is not free: '],
  [{ name: 'ip6-localhost' }, 'name "ip6-localhost" is not free: '],
  [
    { name: 'lo' },
    'name "lo" is not free: lo, br-lab, switch, all, default, localhost, ip6-localhost, ip6-loopback have a meaning of their own',
  ],
  [{ address: '192.168.33.256' }, 'address "192.168.33.256" is not an IPv4 address'],
  [{ address: 7 }, 'address 7 is not an IPv4 address'],
  [{ address: '192.168.34.11' }, 'address "192.168.34.11" is not in the network 192.168.33.0/24'],
  [{ address: '192.168.33.255' }, 'address "192.168.33.255" is not in the network 192.168.33.0/24'],
  [{ role: 'swarm' }, 'role "swarm" is not one of consul, docker, bare'],
  [{ name: 'consul-server' }, 'the name "consul-server" occurs 2 times'],
  [{ address: '192.168.33.10' }, 'consul-server and net-1 have one address, 192.168.33.10'],
])('a host that is refused: %j', (change, message) => {
  expect(parsed(changed(change))).toThrow(`my.json: ${message}`)
})

test.each([
  [[docker], 'my.json names 0 hosts of role consul: 1, 3 or 5 can elect a leader'],
  [
    [consul, docker, { ...consul, name: 'consul-2', address: '192.168.33.9' }],
    'my.json names 2 hosts of role consul: 1, 3 or 5 can elect a leader',
  ],
])('roles that make no lab', (hosts, message) => {
  expect(parsed(hosts)).toThrow(message)
})

test('a lab for a program of its own needs neither Docker nor Consul', () => {
  const bare = { ...docker, role: 'bare' }
  expect(parsed([bare])().hosts).toEqual([bare])
  expect(parsed([bare, consul])().hosts).toEqual([bare, consul])
  expect(parsed([consul])().hosts).toEqual([consul])
})

test.each([0, 206, 5000])('%d hosts are refused, whatever their role', (count) => {
  const many = Array.from({ length: count }, (_, i) => ({
    name: `net-${i + 1}`,
    address: `10.0.${Math.floor(i / 250)}.${(i % 250) + 1}`,
    role: i === 0 ? 'consul' : 'bare',
  }))
  expect(parsed(many, '10.0.0.0/16')).toThrow(`my.json names ${count} hosts: from 1 to 205 make a lab`)
})

test('201 Docker hosts are refused', () => {
  const many = Array.from({ length: 201 }, (_, i) => ({
    ...docker,
    name: `net-${i}`,
    address: `10.0.1.${i + 1}`,
  }))
  expect(parsed([{ ...consul, address: '10.0.2.1' }, ...many], '10.0.0.0/16')).toThrow(
    'my.json names 201 Docker hosts: at most 200 fit',
  )
})

test.each([
  ['{', 'my.json is not JSON: '],
  ['null', 'my.json needs both "network" and the list "hosts"'],
  ['{"network": "192.168.33.0/24"}', 'my.json needs both "network" and the list "hosts"'],
  ['{"network": "192.168.33.0/24", "hosts": [null]}', 'my.json: host null is not an object'],
  ['{"network": "192.168.33.0/24", "hosts": ["net-1"]}', 'my.json: host "net-1" is not an object'],
  ['{"network": "192.168.33.0/24", "hosts": [["net-1"]]}', 'my.json: host ["net-1"] is not an object'],
])('a file that is refused: %s', (content, message) => {
  expect(() => parseLab(content, 'my.json')).toThrow(message)
})

test('a byte order mark, which editors on Windows write, is no part of the list', () => {
  expect(parseLab(`\uFEFF${text([consul, docker])}`, 'my.json').hosts).toHaveLength(2)
})

test('what is not JSON is said in one line', () => {
  for (const wrong of [`${text([consul, docker])},\n`, '{ // mine\n}', '{"hosts":\n[\n{},\n]\n}', '']) {
    expect(() => parseLab(wrong, 'my.json')).toThrow(/^my\.json is not JSON: [^\n]+$/)
    expect(() => parseLab(wrong, 'my.json')).toThrow(
      expect.objectContaining({ hint: expect.stringContaining('comma') }),
    )
  }
})

test('a word that would be ignored is refused', () => {
  expect(parsed(changed({ engine: '28' }))).toThrow(
    'my.json: host "net-1" has an unknown word "engine": allowed are name, address, role',
  )
  const whole = JSON.stringify({ network: '192.168.33.0/24', hosts: [consul], secure: true })
  expect(() => parseLab(whole, 'my.json')).toThrow(
    'my.json has an unknown word "secure": allowed are network, hosts',
  )
})

test('a file that does not exist', () => {
  expect(() => readLab('/nowhere/lab.json')).toThrow('--lab-file /nowhere/lab.json cannot be read: ENOENT')
})

test.each([
  '192.168.33.0',
  '192.168.33.0/31',
  '192.168.33.0/7',
  '192.168.33.0/0',
  '192.168.33.0/08',
  '192.168.33.0/2e1',
  '0.0.0.0/8',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '224.0.0.0/8',
  'fd00::/64',
])('a network that is refused: %s', (network) => {
  expect(parsed([consul, docker], network)).toThrow(
    `my.json: network "${network}" is not a network of IPv4 hosts and the length of its prefix, from 8 to 30`,
  )
})

test('a network with an address in it is refused, and the network is named', () => {
  expect(parsed([consul, docker], '192.168.33.7/24')).toThrow(
    'my.json: network "192.168.33.7/24" is not a network: its first address is 192.168.33.0',
  )
})

test('a wrong variable is one line, and exit code 2', () => {
  const { status, stderr } = spawnSync(
    process.execPath,
    ['provision/start.mjs', 'provision/lab.ts', 'status'],
    {
      env: { ...process.env, MULTIHOST_PATIENCE: 'much' },
      encoding: 'utf8',
      cwd: new URL('../../../..', import.meta.url),
    },
  )
  expect({ status, stderr }).toEqual({
    status: 2,
    stderr: 'MULTIHOST_PATIENCE=much: a whole number from 1 to 10\n',
  })
})

test('a lab by numbers is a lab that a file may say, and by default the one of the walkthrough', () => {
  const rows = (hosts: readonly LabHost[]) => hosts.map(({ name, address }) => `${name} ${address}`)
  expect(rows(generateLab(2).hosts)).toEqual([
    'consul-server 192.168.33.10',
    'net-1 192.168.33.11',
    'net-2 192.168.33.12',
  ])
  expect(rows(hostsOfRole(generateLab(10, 3), 'consul'))).toEqual([
    'consul-1 192.168.33.6',
    'consul-2 192.168.33.7',
    'consul-3 192.168.33.8',
  ])
  for (const lab of [generateLab(1), generateLab(200, 5)])
    expect(parseLab(JSON.stringify(lab), lab.source)).toEqual(lab)
})

test.each([
  [0, 1, '--hosts 0: a whole number from 1 to 200'],
  [5000, 1, '--hosts 5000: a whole number from 1 to 200'],
  [1.5, 1, '--hosts 1.5: a whole number from 1 to 200'],
  [2, 2, '--consul 2: 1, 3 or 5'],
])('numbers that are refused: %d hosts, %d servers', (hosts, servers, message) => {
  expect(() => generateLab(hosts, servers)).toThrow(message)
})

test('several Consul servers are shared out among the Docker hosts', () => {
  const lab = generateLab(4, 3)
  const asked = hostsOfRole(lab, 'docker').map((host) => consulFor(lab, host).name)
  expect(asked).toEqual(['consul-1', 'consul-2', 'consul-3', 'consul-1'])
})

test('what differs between two lists is said host by host', () => {
  const [old, edited] = [generateLab(2), parsed([consul, { ...docker, address: '192.168.33.21' }])()]
  expect(differences(old, old)).toEqual([])
  expect(differences(old, edited)).toEqual([
    'new: net-1 192.168.33.21 (docker)',
    'gone: net-1 192.168.33.11 (docker)',
    'gone: net-2 192.168.33.12 (docker)',
  ])
})

test('an unknown host names the allowed ones', () => {
  expect(() => hostNamed(generateLab(1), 'net-9')).toThrow(
    'unknown host "net-9": allowed are consul-server, net-1',
  )
})
