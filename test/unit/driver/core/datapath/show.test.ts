import { expect, test } from 'vitest'
import type { Op } from '../../../../../driver/core/datapath/datapath.ts'
import { datapath, peer, show, veth } from '../../../../fixtures/datapath.sample.ts'

test('every operation reads like the command it stands for', () => {
  const { namespace, vxlan } = datapath()
  const { mac, vtep } = peer(2)
  const ops: Op[] = [
    { op: 'namespace-add', namespace },
    { op: 'bridge-add', namespace },
    { op: 'vxlan-add', namespace, vxlan, kind: 'bridge' },
    { op: 'vxlan-set', namespace, vxlan },
    { op: 'veth-add', namespace, veth: veth('1'), mtuBytes: 1450 },
    { op: 'port-set', namespace, port: 'vxlan1', flags: [{ flag: 'flood', is: 'off', usual: 'on' }] },
    { op: 'port-forget', namespace, port: 'vxlan1', mac },
    { op: 'child-add', namespace, veth: { ...veth('1'), port: 'vxc11111111' }, mtuBytes: 1450 },
    { op: 'fdb-replace', namespace, mac, vtep },
    { op: 'fdb-del', namespace, mac, vtep },
    { op: 'neighbour-replace', namespace, ip: '172.21.0.2', mac },
    { op: 'neighbour-del', namespace, ip: '172.21.0.2' },
    { op: 'veth-del', namespace, port: 'veth11111111' },
    { op: 'child-del', namespace, port: 'vxc11111111' },
    { op: 'vxlan-del', namespace },
    { op: 'namespace-del', namespace },
  ]
  expect(show(ops)).toMatchInlineSnapshot(`
    "netns add /var/run/docker/netns/aaaaaaaaaaaa
    link add br0 type bridge
    link add vxlan1 type vxlan id 256 local 192.168.33.11 dstport 4789 mtu 1450
    link set vxlan1 type vxlan local 192.168.33.11 mtu 1450
    link add veth11111111 type veth peer vxc11111111 address 02:42:ac:15:00:63 mtu 1450
    link set vxlan1 type bridge_slave flood on
    fdb del     02:42:ac:15:00:02 dev vxlan1 master
    link add vxc11111111 link vxlan1 type macvlan address 02:42:ac:15:00:63 mtu 1450
    fdb replace 02:42:ac:15:00:02 dev vxlan1 dst 192.168.33.12
    fdb del     02:42:ac:15:00:02 dev vxlan1 dst 192.168.33.12
    neigh replace 172.21.0.2 lladdr 02:42:ac:15:00:02 dev vxlan1
    neigh del     172.21.0.2 dev vxlan1
    link del veth11111111
    link del vxc11111111 here
    link del vxlan1
    netns del /var/run/docker/netns/aaaaaaaaaaaa"
  `)
})
