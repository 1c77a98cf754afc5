/**
 * A network in the kernel: a namespace with br0, vxlan1, a veth per container and permanent entries per
 * remote container. Networks of the macvlan kind have neither br0 nor veths.
 */
import { expect } from 'vitest'
import { untilConverged } from '../kit/converged.ts'
import { subject } from '../kit/current-subject.ts'
import { type Inside, insideNetwork, macOf, vniOn } from '../kit/inside.ts'
import { sharedNetwork } from '../kit/network.ts'
import { scenario } from '../kit/scenario.ts'
import { together } from '../kit/together.ts'

scenario('namespace, bridge, VXLAN device and entries are as documented', async ({ hostA, hostB }) => {
  await using _looked = await sharedNetwork([hostA, hostB], 'looked')
  await using _a = await hostA.run({ name: 'one', network: 'looked' })
  await using b = await hostB.run({ name: 'two', network: 'looked' })
  const inside = await insideNetwork(hostA, 'looked')
  const [vxlan] = JSON.parse(await inside('ip -j -d link show dev vxlan1'))
  const bridged = subject.datapath !== 'macvlan'
  expect(vxlan.master).toBe(bridged ? 'br0' : undefined)
  expect(vxlan.linkinfo.info_data).toMatchObject({
    port: 4789,
    proxy: true,
    l2miss: true,
    l3miss: true,
    local: hostA.address,
  })
  expect(vxlan.linkinfo.info_data.learning).not.toBe(true)
  expect(vxlan.linkinfo.info_data.id).toBeGreaterThanOrEqual(256)
  if (bridged) {
    const ports: { ifname: string }[] = JSON.parse(await inside('ip -j link show master br0'))
    expect(ports.map((port) => port.ifname)).toContainEqual(expect.stringMatching(/^veth/))
  }
  const mac = macOf(b.address)
  expect(await b.succeed`cat /sys/class/net/eth0/address`).toBe(mac)
  await expect
    .poll(() => entries(inside))
    .toEqual([`${mac} dst ${hostB.address}`, `${b.address} lladdr ${mac}`])
})

scenario(
  'entries that are deleted or changed by hand are restored within 5 s, with a line in the log',
  async ({ hostA, hostB }) => {
    await using _looked = await sharedNetwork([hostA, hostB], 'looked')
    await using a = await hostA.run({ name: 'one', network: 'looked' })
    await using b = await hostB.run({ name: 'two', network: 'looked' })
    const inside = await insideNetwork(hostA, 'looked')
    const mac = macOf(b.address)
    await a.waitUntilSucceeds`ping -c1 -W1 ${b.address}`
    const right = await entries(inside)
    const repaired = () => expect.poll(() => entries(inside), untilConverged).toEqual(right)
    const began = await hostA.succeed`date +%s`
    await inside(`bridge fdb del ${mac} dev vxlan1 dst ${hostB.address} self`)
    await repaired()
    await a.succeed`ping -c1 -W1 ${b.address}`
    await inside(`ip neigh replace ${b.address} lladdr 02:00:00:00:00:01 dev vxlan1 nud permanent`)
    await repaired()
    // The kernel has an entry before the journal has the line.
    for (const line of [`fdb replace ${mac}`, `neigh replace ${b.address}`])
      await hostA.waitUntilSucceeds`journalctl -u multihost --since @${began} --no-pager -o cat | grep -F ${line}`
  },
)

scenario('the entries of a stopped container are removed', async ({ hostA, hostB }) => {
  await using _looked = await sharedNetwork([hostA, hostB], 'looked')
  await using _a = await hostA.run({ name: 'one', network: 'looked' })
  await using b = await hostB.run({ name: 'two', network: 'looked' })
  const inside = await insideNetwork(hostA, 'looked')
  await expect.poll(() => entries(inside)).toHaveLength(2)
  await hostB.succeed`docker kill ${b.id}`
  await expect.poll(() => entries(inside)).toEqual([])
})

scenario('the VNI is the same on both hosts and differs between networks', async ({ hostA, hostB }) => {
  const vnis: number[] = []
  await using _left = await sharedNetwork([hostA, hostB], 'left')
  await using _right = await sharedNetwork([hostB, hostA], 'right')
  for (const network of ['left', 'right']) {
    await using _one = await hostA.run({ name: 'one', network })
    await using _two = await hostB.run({ name: 'two', network })
    const seen = await together([hostA, hostB].map((host) => vniOn(host, network)))
    expect(seen[0]).toBe(seen[1])
    vnis.push(seen[0] ?? 0)
  }
  expect(new Set(vnis).size).toBe(2)
})

/** FDB and neighbour entries for containers on other hosts, as `MAC dst VTEP` and `IP lladdr MAC`. */
async function entries(inside: Inside): Promise<string[]> {
  const fdb: { mac: string; dst?: string }[] = JSON.parse(await inside('bridge -j fdb show dev vxlan1'))
  const neighbours: { dst: string; lladdr: string }[] = JSON.parse(
    await inside('ip -j -4 neigh show dev vxlan1'),
  )
  return [
    ...fdb.filter((entry) => entry.dst).map((entry) => `${entry.mac} dst ${entry.dst}`),
    ...neighbours.map((entry) => `${entry.dst} lladdr ${entry.lladdr}`),
  ]
}
