import { expect, test } from 'vitest'
import { parseLab } from '../../provision/hosts.ts'

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
  [{ role: 'swarm' }, 'role "swarm" is not consul or docker'],
])('what a host cannot be is said with what it can be: %j', (changed, message) => {
  expect(() => parseLab(lab(changed))).toThrow(`provision/lab.json: ${message}`)
})

test.each(['192.168.33.0', '192.168.33.0/33', 'fd00::/64'])('a network it is not: %s', (network) => {
  expect(() => parseLab(lab({}, network))).toThrow(
    `provision/lab.json: network "${network}" is not an IPv4 address and the length of its prefix`,
  )
})
