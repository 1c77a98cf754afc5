import { expect, test } from 'vitest'
import { sentence } from '../../../../../driver/core/check/difference.ts'
import { checkKernel, checkRoutes, type KernelState } from '../../../../../driver/core/check/kernel.ts'
import type { Observed } from '../../../../../driver/core/datapath/datapath.ts'
import { datapath, made, peer, veth } from '../../../../fixtures/datapath.sample.ts'
import { agreeing, put } from './check.sample.ts'

const want = datapath({ veths: [veth('1')], peers: [peer(3), peer(4)] })
const right = (): Observed => made(want)
function told(have: Observed | undefined, more: Partial<KernelState> = {}): string {
  const namespaces = [{ name: 'foobar', want, have }]
  const state = { namespaces, strayLinks: [], joining: new Set<string>(), ...more }
  return checkKernel(state).map(sentence).join('\n')
}

test('what the plan makes is what the check wants', () => {
  expect(told(right())).toBe('')
})

test('a macvlan network has no bridge, and its children are seen by their containers alone', () => {
  const macvlan = { ...want, kind: 'macvlan' as const }
  const have = { ...made(macvlan), ports: [] }
  expect(told(have, { namespaces: [{ name: 'foobar', want: macvlan, have }] })).toBe('')
})

test('every part that is missing, wrong or too much is named', () => {
  const have = right()
  const broken: Observed = {
    ...have,
    bridge: false,
    ...(have.vxlan && { vxlan: { ...have.vxlan, vni: 300, up: false } }),
    ports: [{ name: 'veth99999999', up: true }],
    fdb: [
      { mac: peer(3).mac, vtep: '192.168.33.99', permanent: true },
      { mac: '02:42:ac:15:00:63', vtep: '192.168.33.12', permanent: true },
    ],
    neighbours: [{ ip: '172.21.0.3', mac: peer(3).mac, permanent: false }],
  }
  expect(told(broken)).toMatchInlineSnapshot(`
    "kernel: network foobar: FDB entry 02:42:ac:15:00:03: found 192.168.33.99, expected 192.168.33.12; multihost check --repair
    kernel: network foobar: FDB entry 02:42:ac:15:00:04: found nothing, expected 192.168.33.12; multihost check --repair
    kernel: network foobar: FDB entry 02:42:ac:15:00:63: found 192.168.33.12, expected nothing; multihost check --repair
    kernel: network foobar: br0: found nothing, expected up, without snooping; multihost check --repair
    kernel: network foobar: neighbour 172.21.0.3: found 02:42:ac:15:00:03 (not permanent), expected 02:42:ac:15:00:03; multihost check --repair
    kernel: network foobar: neighbour 172.21.0.4: found nothing, expected 02:42:ac:15:00:04; multihost check --repair
    kernel: network foobar: port veth11111111: found nothing, expected up, 02:42:ac:15:00:63; docker network disconnect foobar CONTAINER, then connect it again
    kernel: network foobar: port veth99999999: found up, no MAC, expected nothing; multihost check --repair
    kernel: network foobar: vxlan1: found VNI 300, port 4789, local 192.168.33.11, MTU 1450, down, a port of br0, expected VNI 256, port 4789, local 192.168.33.11, MTU 1450, up, a port of br0; multihost check --repair"
  `)
})

test('a changed flag and a bridge that snoops are named', () => {
  const have = right()
  const altered = [{ flag: 'isolated', is: 'on', usual: 'off' }]
  const damaged: Observed = {
    ...have,
    snoops: true,
    ...(have.vxlan && { vxlan: { ...have.vxlan, altered } }),
    ports: have.ports.map((port) => ({ ...port, altered })),
  }
  expect(told(damaged)).toMatchInlineSnapshot(`
    "kernel: network foobar: br0: found snooping, expected up, without snooping; multihost check --repair
    kernel: network foobar: port veth11111111: found up, isolated on, 02:42:ac:15:00:63, expected up, 02:42:ac:15:00:63; multihost check --repair
    kernel: network foobar: vxlan1: found VNI 256, port 4789, local 192.168.33.11, MTU 1450, up, a port of br0, isolated on, expected VNI 256, port 4789, local 192.168.33.11, MTU 1450, up, a port of br0; multihost check --repair"
  `)
})

test('the MAC of another host at a port of this one is named', () => {
  expect(told({ ...right(), strays: [{ port: 'veth11111111', mac: peer(3).mac }] })).toMatchInlineSnapshot(`
    "kernel: network foobar: FDB entry 02:42:ac:15:00:03: found 192.168.33.12 and port veth11111111 of br0, expected 192.168.33.12; multihost check --repair"
  `)
})

test('what the kernel keeps by itself is left out', () => {
  const have = right()
  have.fdb.push({ mac: '33:33:00:00:00:01', vtep: '0.0.0.0', permanent: true })
  have.fdb.push({ mac: '02:42:ac:15:00:77', vtep: '192.168.33.12', permanent: false })
  have.neighbours.push({ ip: '224.0.0.22', mac: '01:00:5e:00:00:16', permanent: true })
  have.neighbours.push({ ip: '172.21.0.99', mac: '', permanent: false })
  expect(told(have)).toBe('')
})

test('a permanent entry of no endpoint is one too many', () => {
  const have = right()
  have.fdb.push({ mac: '02:42:ac:15:00:77', vtep: '192.168.33.12', permanent: true })
  have.neighbours.push({ ip: '172.21.0.119', mac: '02:42:ac:15:00:77', permanent: true })
  have.neighbours.push({ ip: 'fd00:1::77', mac: '02:42:ac:15:00:77', permanent: true })
  expect(told(have)).toMatchInlineSnapshot(`
    "kernel: network foobar: FDB entry 02:42:ac:15:00:77: found 192.168.33.12, expected nothing; multihost check --repair
    kernel: network foobar: neighbour 172.21.0.119: found 02:42:ac:15:00:77, expected nothing; multihost check --repair
    kernel: network foobar: neighbour fd00:1::77: found 02:42:ac:15:00:77, expected nothing; multihost check --repair"
  `)
})

test('two entries for one MAC are one too many', () => {
  const have = right()
  have.fdb.push({ mac: peer(3).mac, vtep: '192.168.33.99', permanent: true })
  expect(told(have)).toMatchInlineSnapshot(
    `"kernel: network foobar: FDB entry 02:42:ac:15:00:03: found 192.168.33.12 and 192.168.33.99, expected 192.168.33.12; multihost check --repair"`,
  )
})

test('a namespace is missing, or belongs to no network', () => {
  expect(told(undefined)).toMatchInlineSnapshot(
    `"kernel: network foobar: datapath: found nothing, expected a namespace; multihost check --repair"`,
  )
  const stray = [{ name: 'in /var/run/docker/netns/999999999999', want: undefined, have: right() }]
  expect(told(undefined, { namespaces: stray })).toMatchInlineSnapshot(
    `"kernel: network in /var/run/docker/netns/999999999999: datapath: found a namespace, expected nothing; multihost check --repair"`,
  )
})

test('an end of a pair outside of every container is left over, unless a Join is under way', () => {
  const state = { namespaces: [], strayLinks: ['vxc11111111', 'vxc22222222'] }
  expect(told(undefined, { ...state, joining: new Set(['vxc22222222']) })).toMatchInlineSnapshot(
    `"kernel: link vxc11111111 of the host: found a link, expected nothing; ip link del vxc11111111"`,
  )
})

test('a subnet that overlaps a route of the host, or contains an address that it needs, is named', () => {
  const routes = [{ to: '172.21.0.0/16', connected: true }]
  expect(checkRoutes(agreeing(), 'net-1', routes).map(sentence)).toEqual([
    expect.stringMatching(
      /subnet 172.21.0.0\/16 of network foobar: found the route 172.21.0.0\/16, expected no route/,
    ),
  ])
  const host = { vtep: '192.168.33.11', driverVersion: '0.1.0', resolvers: ['172.21.0.10'] }
  expect(checkRoutes(put('hosts', 'net-1', host)(agreeing()), 'net-1', []).map(sentence)).toEqual([
    "kernel: subnet 172.21.0.0/16 of network foobar: found 172.21.0.10, a name server of the host, expected no address of the host in it; the network's containers do not reach that address; create the network again with another --subnet",
  ])
})
