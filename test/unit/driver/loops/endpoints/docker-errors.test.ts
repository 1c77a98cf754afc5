/** What engines 20.10 to 29 say when a container does not start: which of it comes from this driver. */
import { expect, test } from 'vitest'
import {
  awaitedIn,
  isOfDriver,
  isOfJoin,
  lostNetworkIn,
} from '../../../../../driver/loops/endpoints/docker-errors.ts'

const ours = new Set(['foobar'])
const socket = (plugin: string, method: string) =>
  `Post "http://%2Frun%2Fdocker%2Fplugins%2F${plugin}.sock/${method}": dial unix /run/docker/plugins/${plugin}.sock: connect: connection refused`
const newer = (error: string) => `failed to set up container networking: ${error}`

test.each([
  'plugin "vxlan" not found',
  newer('plugin "vxlan" not found'),
  'failed to add endpoint: plugin "vxlan" not found',
  'failed to get driver during join: plugin "vxlan" not found',
  `legacy plugin: ${socket('vxlan', 'Plugin.Activate')}`,
  socket('vxlan', 'IpamDriver.RequestAddress'),
  newer(
    `failed to create endpoint web on network foobar: ${socket('vxlan', 'NetworkDriver.CreateEndpoint')}`,
  ),
  'Post "http://%2Frun%2Fdocker%2Fplugins%2Fvxlan.sock/NetworkDriver.Join": context deadline exceeded',
  'Post "http://%2Frun%2Fdocker%2Fplugins%2Fvxlan.sock/NetworkDriver.Join": http: ContentLength=198 with Body length 0',
  'failed to create endpoint web on network foobar: unexpected EOF',
  'could not resolve driver vxlan in registry',
  'invalid ipam driver: "vxlan"',
  'legacy plugin: Plugin does not implement the requested driver: plugin="vxlan", requested implementation="IpamDriver"',
  'IpamDriver.RequestAddress: Consul does not answer',
  'NetworkDriver.Join: the engine on /run/docker.sock does not answer',
])('of this driver: %s', (error) => {
  expect(isOfDriver(error, ours)).toBe(true)
})

test.each([
  '',
  'OCI runtime create failed: no such file',
  'plugin "weave" not found',
  `legacy plugin: ${socket('weave', 'Plugin.Activate')}`,
  socket('weave', 'NetworkDriver.Join'),
  'Post "http://10.0.0.9:80/NetworkDriver.Join": dial tcp 10.0.0.9:80: connect: connection refused',
  'failed to create endpoint web on network other: NetworkDriver.CreateEndpoint: no',
  'could not resolve driver weave in registry',
  'invalid ipam driver: "weave"',
  'error while mounting volume: VolumeDriver.Mount: no such volume',
  'error looking up volume plugin vxlan: plugin "local-persist" not found',
  'dial unix /run/containerd/containerd.sock: connect: connection refused',
])('of something else: %s', (error) => {
  expect(isOfDriver(error, ours)).toBe(false)
})

test('the network that Docker did not find is named in the error', () => {
  expect(lostNetworkIn('network 5d2f not found')).toBe('5d2f')
  expect(lostNetworkIn(newer('network 5d2f not found'))).toBe('5d2f')
  expect(lostNetworkIn('plugin "vxlan" not found')).toBeUndefined()
})

test.each([
  ['cannot join network of a non running container: vpn'],
  ['cannot join network namespace of a non running container: container vpn is exited'],
  [newer('cannot join network namespace of a non running container: container vpn is created')],
  ["can't join IPC of container vpn: container vpn is not running"],
  ['failed to join PID namespace: container vpn is not running'],
  ['Cannot link to a non running container: /vpn AS /web/proxy'],
])('the container that did not run is named in the error: %s', (error) => {
  expect(awaitedIn(error)).toBe('vpn')
})

test('an error that names no container that did not run', () => {
  expect(awaitedIn('plugin "vxlan" not found')).toBeUndefined()
  expect(awaitedIn('')).toBeUndefined()
})

test.each([
  ['NetworkDriver.Join: the kernel refuses it', true],
  [newer(socket('vxlan', 'NetworkDriver.Join')), true],
  ['failed to get driver during join: plugin "vxlan" not found', true],
  [socket('weave', 'NetworkDriver.Join'), false],
  ['failed to create endpoint web on network foobar: NetworkDriver.CreateEndpoint: no', false],
  ['', false],
])('a Join of this driver failed: %s: %s', (error, expected) => {
  expect(isOfJoin(error)).toBe(expected)
})
