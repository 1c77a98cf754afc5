/**
 * A look at the interfaces: namespaces, addresses, the tunnel, its tables, and the packets in it.
 */
import { expect } from 'vitest'
import type { Host } from '../kit/host.ts'
import { macOf, vniOn } from '../kit/inside.ts'
import { storedNetwork, storedNetworks, storedServices } from '../kit/store.ts'
import { section } from './page/section.ts'

const heading = section('A look at the interfaces')
const folder = '/var/run/docker/netns'
let sandbox = ''

heading("The container's namespace", async ({ at, shells, net1 }) => {
  const key = (
    await at(net1).types`docker inspect -f '{{ .NetworkSettings.SandboxKey }}' ${shells.the('bar').name}`
  ).trim()
  const [inspected] = JSON.parse(await net1.succeed`docker inspect ${shells.the('bar').name}`)
  expect(key).toBe(`${folder}/${inspected.NetworkSettings.SandboxID.slice(0, 12)}`)
  sandbox = key.slice(folder.length + 1)
})

heading('The folder of namespaces', async ({ at, net1, consulServer }) => {
  await at(net1).types`sudo ls -1 /var/run/docker/netns`
  const { id } = await storedNetwork(consulServer, 'foobar')
  // A file that is no namespace any more is what the engine has not cleared away yet.
  const held =
    await net1.succeed`cd /var/run/docker/netns && for n in *; do stat -f -c ${'%T'} $n | grep -q nsfs && echo $n; done; true`
  expect(held.split('\n').sort()).toEqual([sandbox, id.slice(0, 12)].sort())
})

heading('Make ip see them', async ({ at, net1, consulServer }) => {
  await at(net1).types`sudo ln -s /var/run/docker/netns /var/run/netns`
  const names = namesIn(await at(net1).types`ip netns show`)
  const { id } = await storedNetwork(consulServer, 'foobar')
  expect(names).toEqual(expect.arrayContaining([sandbox, id.slice(0, 12)]))
})

/** `NAME (id: N)`, one a line. */
const namesIn = (output: string) =>
  output
    .trim()
    .split('\n')
    .map((line) => line.split(' ')[0])

heading('Inside the container', async ({ at, net1, consulServer }) => {
  const shown = await at(net1).types`sudo ip netns exec ${sandbox} ip addr show eth0`
  const mine = (await storedNetwork(consulServer, 'foobar')).endpoints.find(({ host }) => host === 'net-1')
  expect(/inet (\S+)\/16 /.exec(shown)?.[1]).toBe(mine?.v4)
  expect(/link\/ether (\S+) /.exec(shown)?.[1]).toBe(mine?.mac)
  expect(mine?.mac).toBe(macOf(mine?.v4 ?? ''))
  const [underlay] = JSON.parse(await net1.succeed`ip -j link show dev ${await underlayOf(net1)}`)
  expect(Number(/ mtu (\d+) /.exec(shown)?.[1])).toBe(underlay.mtu - 50)
})

heading('Inside the network', async ({ at, net1, net2, consulServer }) => {
  const { id, vni, endpoints } = await storedNetwork(consulServer, 'foobar')
  const namespace = id.slice(0, 12)
  const shown = await at(net1).types`sudo ip netns exec ${namespace} ip -d link show`
  expect(Number(/vxlan id (\d+) /.exec(shown)?.[1])).toBe(vni)
  expect(vni).toBeGreaterThanOrEqual(256)
  expect(await vniOn(net2, 'foobar')).toBe(vni)
  const fdb = await at(net1).types`sudo ip netns exec ${namespace} bridge fdb show dev vxlan1 permanent`
  const neighbours = await at(net1).types`sudo ip netns exec ${namespace} ip neigh show dev vxlan1`
  const remote = endpoints.find(({ host }) => host === 'net-2')
  expect(fdb).toMatch(new RegExp(`^${remote?.mac} dst ${net2.address} .*permanent$`, 'm'))
  expect(neighbours).toMatch(new RegExp(`^${remote?.v4} lladdr ${remote?.mac} PERMANENT`, 'm'))
  // A network is in the kernel while it has a container there.
  await using _other = await net1.run({ name: 'other', network: 'multihost' })
  const otherVni = await vniOn(net1, 'multihost')
  expect(otherVni).toBe((await storedNetwork(consulServer, 'multihost')).vni)
  expect(otherVni).not.toBe(vni)
})

/** Without the drivers' tunnel probes, which have VNI 0. */
const filter = 'udp port 4789 and udp[12:4] != 0'

heading('On the wire', async ({ at, shells, net1, net2, consulServer }) => {
  const { vni, endpoints } = await storedNetwork(consulServer, 'foobar')
  const device = await underlayOf(net1)
  const listening = await at(net1).starts(
    /listening on/,
  )`sudo tcpdump -n -c 2 -i ${device} 'udp port 4789 and udp[12:4] != 0'`
  // Wait for tcpdump's own message: that some tcpdump runs proves nothing, because the evidence's always does.
  const messages = `/run/on-the-wire-${Date.now()}`
  const capture = net2.run`timeout 20 tcpdump -nn -e -c 2 -i ${device} ${filter} 2> ${messages}; rm ${messages}`
  await net2.waitUntilSucceeds`grep -q 'listening on' ${messages}`
  await shells.the('bar').types`ping -c 1 baz`
  await listening.ends()
  const [one, two] = ['net-1', 'net-2'].map((host) => endpoints.find((endpoint) => endpoint.host === host))
  /** A packet is two lines of tcpdump: the frame on the underlay, and the frame in it. */
  const crossing = (from: typeof one, to: typeof two, type: string) => [
    expect.stringMatching(new RegExp(`${from?.vtep}\\.\\d+ > ${to?.vtep}\\.4789: VXLAN, .* vni ${vni}$`)),
    expect.stringMatching(
      new RegExp(`^${from?.mac} > ${to?.mac}, .* ${from?.v4} > ${to?.v4}: ICMP ${type}, id \\d+, seq 1,`),
    ),
  ]
  expect((await capture).stdout.trim().split('\n')).toEqual([
    ...crossing(one, two, 'echo request'),
    ...crossing(two, one, 'echo reply'),
  ])
})

heading('Leave nothing behind', async ({ at, shells, net1, net2, consulServer }) => {
  await shells.the('baz').types`exit`
  await shells.the('bar').types`exit`
  await at(net1).types`docker service unpublish bar.foobar`
  await at(net1).types`docker service unpublish baz.foobar`
  // Refused until net-2 has reported that its containers have left.
  await at(net1).eventually`docker network rm foobar`
  await at(net1).eventually`docker network rm multihost`
  await at(net1).types`sudo rm /var/run/netns`
  await at(net2).eventually`docker network ls`
  expect((await storedNetworks(consulServer)).size).toBe(0)
  expect(await storedServices(consulServer)).toEqual([])
  expect(await net1.succeed`docker network ls --format ${'{{.Name}}'}`).not.toMatch(/^(foobar|multihost)$/m)
})

/** Name of the interface on the network between the hosts. */
async function underlayOf(host: Host): Promise<string> {
  const [link] = JSON.parse(await host.succeed`ip -j address show to ${host.address}`)
  return link.ifname
}
