/**
 * What the kernel holds for a network: a namespace, br0, vxlan1, a veth per container, permanent entries per peer.
 */
import { expect } from 'vitest'
import type { Host } from './host.ts'
import { scenario } from './scenario.ts'

async function namespaceOf(host: Host, network: string): Promise<string> {
  const id = await host.succeed`docker network inspect -f ${'{{.Id}}'} ${network}`
  return `/var/run/docker/netns/${id.slice(0, 12)}`
}

scenario(
  'namespace, bridge, VXLAN device and entries are as documented, and are mended when altered by hand',
  async ({ net1, net2 }) => {
    await net1.succeed`docker network create -d vxlan --ipam-driver vxlan looked`
    await net2.waitUntilSucceeds`docker network inspect looked`
    {
      await using a = await net1.run({ name: 'one', network: 'looked' })
      await using b = await net2.run({ name: 'two', network: 'looked' })
      const inNetwork = `nsenter --net=${await namespaceOf(net1, 'looked')}`
      const lines = async (command: string) => net1.succeed`sh -c ${`${inNetwork} ${command}`}`
      const mac = `02:42:${b.address
        .split('.')
        .map((part) => Number(part).toString(16).padStart(2, '0'))
        .join(':')}`

      const [vxlan] = JSON.parse(await lines('ip -j -d link show dev vxlan1'))
      expect(vxlan).toMatchObject({
        master: 'br0',
        linkinfo: {
          info_kind: 'vxlan',
          info_data: { port: 4789, proxy: true, l2miss: true, l3miss: true, local: net1.address },
        },
      })
      expect(vxlan.linkinfo.info_data.learning).not.toBe(true)
      expect(vxlan.linkinfo.info_data.id).toBeGreaterThanOrEqual(256)
      const ports = JSON.parse(await lines('ip -j link show master br0')).map(
        (each: { ifname: string }) => each.ifname,
      )
      expect(ports).toContainEqual(expect.stringMatching(/^veth/))
      expect(await b.succeed`cat /sys/class/net/eth0/address`).toBe(mac)

      const entries = async () => {
        const fdb = JSON.parse(await lines('bridge -j fdb show dev vxlan1')).filter(
          (each: { dst?: string }) => each.dst,
        )
        const neighbours = JSON.parse(await lines('ip -j neigh show dev vxlan1 nud permanent'))
        return {
          fdb: fdb.map((e: { mac: string; dst: string }) => `${e.mac} ${e.dst}`),
          neighbours: neighbours.map((e: { dst: string; lladdr: string }) => `${e.dst} ${e.lladdr}`),
        }
      }
      const right = { fdb: [`${mac} ${net2.address}`], neighbours: [`${b.address} ${mac}`] }
      expect(await entries()).toEqual(right)

      await lines(`bridge fdb del ${mac} dev vxlan1 dst ${net2.address} self`)
      await lines(`ip neigh replace ${b.address} lladdr 02:00:00:00:00:01 dev vxlan1 nud permanent`)
      await a.within(5000).waitUntilSucceeds`ping -c1 -W1 ${b.address}`
      expect(await entries()).toEqual(right)
      expect(await net1.succeed`journalctl -u multihost --no-pager -o cat`).toContain(mac)

      await net2.succeed`docker stop -t0 ${b.id}`
      await net1.within(2000)
        .waitUntilSucceeds`sh -c ${`! ${inNetwork} bridge fdb show dev vxlan1 | grep -q ${mac}`}`
    }
    await net1.succeed`docker network rm looked`
  },
  60_000,
)

scenario('the VNI is the same on both hosts and differs between networks', async ({ net1, net2 }) => {
  const vnis: number[] = []
  for (const network of ['left', 'right']) {
    await net1.succeed`docker network create -d vxlan --ipam-driver vxlan ${network}`
    await net2.waitUntilSucceeds`docker network inspect ${network}`
    await using _one = await net1.run({ name: 'one', network })
    await using _two = await net2.run({ name: 'two', network })
    const seen = await Promise.all(
      [net1, net2].map(async (host) => {
        const command = `nsenter --net=${await namespaceOf(host, network)} ip -j -d link show dev vxlan1`
        return JSON.parse(await host.succeed`sh -c ${command}`)[0].linkinfo.info_data.id
      }),
    )
    expect(seen[0]).toBe(seen[1])
    vnis.push(seen[0])
  }
  expect(new Set(vnis).size).toBe(2)
  await net1.succeed`docker network rm left right`
})
