import { spawnSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { parseLab } from '../../../../provision/lab/hosts.ts'

const host = { name: 'net-1', address: '192.168.33.11', role: 'docker' }
const lab = (changed: object = {}, network = '192.168.33.0/24') =>
  JSON.stringify({ network, hosts: [{ ...host, ...changed }] })

test('the network and its hosts', () => {
  expect(parseLab(lab())).toEqual({ network: '192.168.33.0/24', hosts: [host] })
})

test.each([
  [
    { name: 'a-name-too-long-for-a-device' },
    'name "a-name-too-long-for-a-device" is not at most 13 lower-case letters, digits and dashes, a letter first',
  ],
  [{ address: '192.168.33.256' }, 'address "192.168.33.256" is not an IPv4 address'],
  [{ name: undefined }, 'name "" is not at most 13 lower-case letters, digits and dashes, a letter first'],
  [{ role: 'swarm' }, 'role "swarm" is not consul or docker'],
])('what a host cannot be is said with what it can be: %j', (changed, message) => {
  expect(() => parseLab(lab(changed))).toThrow(`provision/lab.json: ${message}`)
})

test.each([
  ['{', 'is no JSON: '],
  ['null', 'has not both, "network" and the list "hosts"'],
  ['{"network": "192.168.33.0/24"}', 'has not both, "network" and the list "hosts"'],
])('a file that is none: %s', (text, message) => {
  expect(() => parseLab(text)).toThrow(`provision/lab.json ${message}`)
})

test('what is wrong while a program is loaded is one line, and exit code 2', () => {
  const env = { ...process.env, MULTIHOST_PATIENCE: 'much' }
  const { status, stderr } = spawnSync(
    process.execPath,
    ['provision/start.mjs', 'provision/lab.ts', 'status'],
    {
      ...{ env, encoding: 'utf8', cwd: new URL('../../../..', import.meta.url) },
    },
  )
  expect({ status, stderr }).toEqual({
    status: 2,
    stderr: 'MULTIHOST_PATIENCE=much: a whole number from 1 to 10\n',
  })
})

test.each(['192.168.33.0', '192.168.33.0/33', 'fd00::/64'])('a network it is not: %s', (network) => {
  expect(() => parseLab(lab({}, network))).toThrow(
    `provision/lab.json: network "${network}" is not an IPv4 address and the length of its prefix`,
  )
})
