import { expect, test } from 'vitest'
import { plan } from '../../../../driver/core/datapath/plan.ts'
import { stepsFor } from '../../../../driver/kernel/lines.ts'
import { failuresOf } from '../../../../driver/kernel/run-command.ts'
import { datapath, made, peer, veth } from '../../../fixtures/datapath.sample.ts'

const network = datapath({ veths: [veth('1')], peers: [peer(2), peer(3)] })

test('consecutive operations for one tool and place share a batch', () => {
  expect(printed(plan(undefined, network).ops)).toMatchInlineSnapshot(`
    "ip in /var/run/docker/netns/aaaaaaaaaaaa
      link set lo up
      link set lo alias multihost
      link add name br0 type bridge
      link set br0 type bridge mcast_snooping 0
      link set br0 addrgenmode none
      link set br0 up
    ip in host
      link add name vxlan1 netns /var/run/docker/netns/aaaaaaaaaaaa mtu 1450 type vxlan id 256 local 192.168.33.11 dstport 4789 nolearning proxy l2miss l3miss
    ip in /var/run/docker/netns/aaaaaaaaaaaa
      link set vxlan1 addrgenmode none
      link set vxlan1 master br0
      link set vxlan1 type bridge_slave learning off
      link set vxlan1 up
    bridge in /var/run/docker/netns/aaaaaaaaaaaa
      fdb replace 02:42:ac:15:00:02 dev vxlan1 dst 192.168.33.12 self permanent
      fdb replace 02:42:ac:15:00:03 dev vxlan1 dst 192.168.33.12 self permanent
    ip in /var/run/docker/netns/aaaaaaaaaaaa
      neigh replace 172.21.0.2 lladdr 02:42:ac:15:00:02 nud permanent dev vxlan1
      neigh replace 172.21.0.3 lladdr 02:42:ac:15:00:03 nud permanent dev vxlan1
      link add name veth11111111 mtu 1450 type veth peer name vxc11111111 netns /proc/42/ns/net address 02:42:ac:15:00:63 mtu 1450
      link set veth11111111 addrgenmode none
      link set veth11111111 master br0
      link set veth11111111 up
    bridge in /var/run/docker/netns/aaaaaaaaaaaa
      fdb replace 02:42:ac:15:00:63 dev veth11111111 master static
      link set dev veth11111111 learning off flood off"
  `)
})

test('one more container on a network that is there costs two processes', () => {
  const veths = [veth('1'), veth('2')]
  const have = {
    marked: true,
    bridge: true,
    ports: [{ name: 'veth11111111', up: true, macs: [veth('1').mac] }],
    strays: [],
    fdb: [],
    neighbours: [],
  }
  const vxlan = { ...network.vxlan, master: true, up: true }
  expect(printed(plan({ ...have, vxlan }, { ...network, veths, peers: [] }).ops)).toMatchInlineSnapshot(`
    "ip in /var/run/docker/netns/aaaaaaaaaaaa
      link add name veth22222222 mtu 1450 type veth peer name vxc22222222 netns /proc/42/ns/net address 02:42:ac:15:00:63 mtu 1450
      link set veth22222222 addrgenmode none
      link set veth22222222 master br0
      link set veth22222222 up
    bridge in /var/run/docker/netns/aaaaaaaaaaaa
      fdb replace 02:42:ac:15:00:63 dev veth22222222 master static
      link set dev veth22222222 learning off flood off"
  `)
})

test('the same on a macvlan network', () => {
  const veths = [{ ...veth('1'), port: 'vxc11111111' }]
  const vxlan = { ...network.vxlan, master: false, up: true }
  const have = { marked: true, bridge: false, ports: [], strays: [], fdb: [], neighbours: [], vxlan }
  expect(printed(plan(have, { ...network, kind: 'macvlan', veths, peers: [] }).ops)).toMatchInlineSnapshot(`
    "ip in /var/run/docker/netns/aaaaaaaaaaaa
      link add link vxlan1 name vxc11111111 netns /proc/42/ns/net address 02:42:ac:15:00:63 mtu 1450 type macvlan mode bridge"
  `)
})

test('of a port of br0, only the changed flags are set', () => {
  const have = made(network)
  const [port] = have.ports
  const altered = [{ flag: 'isolated', is: 'on', usual: 'off' }]
  const damaged = {
    ...have,
    vxlan: { ...network.vxlan, master: true, up: true, altered },
    ports:
      port === undefined
        ? []
        : [{ ...port, altered: [...altered, { flag: 'state', is: 'disabled', usual: '3' }] }],
  }
  expect(printed(plan(damaged, network).ops)).toMatchInlineSnapshot(`
    "ip in /var/run/docker/netns/aaaaaaaaaaaa
      link set vxlan1 type bridge_slave isolated off
      link set veth11111111 type bridge_slave isolated off
      link set veth11111111 type bridge_slave state 3"
  `)
})

test('a thousand peers cost two processes', () => {
  const peers = Array.from({ length: 1000 }, (_, i) => peer(i + 2))
  const ops = plan(undefined, { ...network, peers }).ops.filter(({ op }) => /fdb|neighbour/.test(op))
  expect(stepsFor(ops, '/proc/1/ns/net')).toHaveLength(2)
})

test('complaints are given to the lines they name, and the one that ended the batch to none', () => {
  const stderr = [
    'RTNETLINK answers: File exists',
    'Command failed -:4',
    'Cannot find device "nosuch"',
    'Command failed -:5',
    'RTNETLINK answers: No such file or directory',
  ].join('\n')
  expect(failuresOf({ code: 2, stdout: '', stderr })).toEqual([
    { line: 3, words: 'RTNETLINK answers: File exists' },
    { line: 4, words: 'Cannot find device "nosuch"' },
    { line: undefined, words: 'RTNETLINK answers: No such file or directory' },
  ])
  expect(failuresOf({ code: 0, stdout: '', stderr: 'Warning: something' })).toEqual([])
  expect(failuresOf({ code: 1, stdout: '', stderr: '' })).toEqual([{ line: undefined, words: 'exit code 1' }])
})

function printed(ops: Parameters<typeof stepsFor>[0]): string {
  const steps = stepsFor(ops, '/proc/42/ns/net')
  return steps
    .map((step) =>
      step.kind !== 'batch'
        ? `${step.kind} ${step.namespace}`
        : `${step.tool} in ${step.where}\n${step.lines.map(({ text }) => `  ${text}`).join('\n')}`,
    )
    .join('\n')
}
