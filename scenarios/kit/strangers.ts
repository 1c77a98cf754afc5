/**
 * Strangers of a network, who send frames into it: containers, another interface, a machine that is no
 * member.
 */
import { type ForgedFrame, sending } from './forged-frame.ts'
import type { Container, Host } from './host.ts'

/** Each stranger sends as many packets. */
export const times = 1000

/** Echo requests that have reached the container. */
export async function echoesIn(container: Container): Promise<number> {
  const text = await container.succeed`grep ^Icmp: /proc/net/snmp`
  const [names = [], values = []] = text
    .trim()
    .split('\n')
    .map((line) => line.split(' '))
  return Number(values[names.indexOf('InEchos')])
}

/** A machine beside the host, on an interface of its own, with an address. */
async function neighbour(host: Host, address: string): Promise<AsyncDisposable> {
  const filter = 'net.ipv4.conf.all.rp_filter'
  const before = await host.succeed`sysctl -n ${filter}`
  await host.succeed`ip netns add stranger`
  await host.succeed`ip link add stranger type veth peer name eth0 netns stranger`
  await host.succeed`ip address add 10.66.0.1/24 dev stranger; ip link set stranger up`
  await host.succeed`sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.stranger.rp_filter=0`
  await host.succeed`ip -n stranger address add ${address} dev eth0; ip -n stranger link set eth0 up`
  await host.succeed`ip -n stranger route replace 10.66.0.0/24 dev eth0`
  return {
    async [Symbol.asyncDispose]() {
      await host.succeed`ip netns del stranger`
      await host.waitUntilSucceeds`! ip link show stranger 2> /dev/null`
      await host.succeed`sysctl -qw ${`${filter}=${before}`}`
    },
  }
}

/** Another address of the host on the link of its VTEP, as a virtual address is. */
async function secondAddress(host: Host): Promise<AsyncDisposable & { address: string }> {
  const address = host.address.replace(/\d+$/, '200')
  const [{ ifname: device }] = JSON.parse(
    await host.succeed`ip -4 -j address show to ${`${host.address}/32`}`,
  )
  await host.succeed`ip address add ${`${address}/24`} dev ${device}`
  return {
    address,
    async [Symbol.asyncDispose]() {
      await host.succeed`ip address del ${`${address}/24`} dev ${device}`
    },
  }
}

export interface Places {
  hostA: Host
  hostB: Host
  consulServer: Host
  vni: number
  /** On the network: two on host A, one on host B. */
  a: Container
  local: Container
  remote: Container
  /** On another network. */
  inOther: Container
}

/** Who sends, and how. */
export async function attemptsOf(places: Places): Promise<[string, () => Promise<unknown>][]> {
  const { hostA, hostB, consulServer, vni, a, local, remote, inOther } = places
  const gateway = async (bridge: string) =>
    JSON.parse(await hostA.succeed`ip -4 -j address show ${bridge}`)[0].addr_info[0].local
  const onBridge = (text: string) => [
    ...['docker', 'run', '--rm', '--network', 'bridge', 'debian:13'],
    ...['bash', '-c', text],
  ]
  const inNamespace = (text: string) => ['ip', 'netns', 'exec', 'stranger', 'bash', '-c', text]
  const frame: ForgedFrame = { vni, from: local.address, to: a.address }
  const toBridge = sending(frame, await gateway('docker0'), times)
  const toOther = sending(frame, await gateway('docker_gwbridge'), times)
  const toRemote: ForgedFrame = { vni, from: local.address, to: remote.address }
  const toMember = sending(toRemote, hostB.address, times)
  const toSecond = async (): Promise<void> => {
    await using second = await secondAddress(hostB)
    // Packets to a neighbour that is not resolved yet wait in a queue, which does not take all.
    await hostA.waitUntilSucceeds`ping -c1 -W1 ${second.address}`
    await hostA.succeed`${onBridge(sending(toRemote, second.address, times))}`
  }
  const toLoopback = sending(frame, '127.0.0.1', times, hostA.address)
  const fromNeighbour = async (address: string): Promise<void> => {
    await using _machine = await neighbour(hostA, address)
    await hostA.succeed`${inNamespace(sending(frame, '10.66.0.1', times))}`
  }
  return [
    ['a container of another network', () => inOther.succeed`bash -c ${toOther}`],
    ['a container on the bridge of the host', () => hostA.succeed`${onBridge(toBridge)}`],
    ['a container, through NAT, to another host', () => hostA.succeed`${onBridge(toMember)}`],
    ['a user of a host that is a member', () => hostA.succeed`setpriv --reuid 65534 bash -c ${toMember}`],
    ['a container, through NAT, to a second address of another host', toSecond],
    ['a user of the host, by its loopback', () => hostA.succeed`setpriv --reuid 65534 bash -c ${toLoopback}`],
    ['the host’s other interface', () => fromNeighbour('10.66.0.2/24')],
    ['a member’s address on the wrong interface', () => fromNeighbour(`${hostB.address}/32`)],
    [
      'a machine on the underlay that is not a member',
      () => consulServer.succeed`bash -c ${sending(frame, hostA.address, times)}`,
    ],
  ]
}
