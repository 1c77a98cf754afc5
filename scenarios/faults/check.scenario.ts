/**
 * `multihost check` finds and names what was changed by hand in Consul, in the kernel or in a container.
 * `--repair` repairs it, and no container loses its address.
 */
import { expect } from 'vitest'
import { atEnd } from '../kit/at-end.ts'
import type { Container, Host } from '../kit/host.ts'
import { sharedNetwork } from '../kit/network.ts'
import { scenario } from '../kit/scenario.ts'
import { storedKeys, storeUrl } from '../kit/store.ts'

interface Lab {
  network: string
  a: Container
  b: Container
}

/** Runs `body` with a container on each host of a network. Checks before and after it that all planes agree. */
async function withPair(hostA: Host, hostB: Host, body: (lab: Lab) => Promise<void>): Promise<void> {
  await using network = await sharedNetwork([hostA, hostB], 'checked')
  await using a = await hostA.run({ name: 'one', network: 'checked' })
  await using b = await hostB.run({ name: 'two', network: 'checked' })
  expect(await hostA.succeed`multihost check`).toBe(`Consul, the kernel and Docker agree on ${hostA.name}`)
  await body({ network: network.id, a, b })
  expect(await hostA.succeed`multihost check`).toContain(`agree on ${hostA.name}`)
  expect(await a.currentAddress()).toBe(a.address)
  await b.waitUntilSucceeds`ping -c1 -W1 ${a.address}`
  await a.waitUntilSucceeds`ping -c1 -W1 two.checked`
}

/** Breaks something again and again during the check: the driver repairs it within some tenths of a second. */
async function foundWhileBroken(host: Host, breakIt: string, sentence: string): Promise<void> {
  const line = `(while sleep 0.02; do ${breakIt}; done) 2> /dev/null & trap "kill $!" EXIT
multihost check --within=0 | tee /dev/stderr | grep -q ${JSON.stringify(sentence)}`
  await host.waitUntilSucceeds`bash -c ${line}`
}

scenario(
  'a missing FDB entry and a missing neighbour are found, and restored by the loop',
  async ({ hostA, hostB }) => {
    await withPair(hostA, hostB, async ({ network, b }) => {
      const inside = `nsenter --net=/var/run/docker/netns/${network.slice(0, 12)}`
      const mac = await b.succeed`cat /sys/class/net/eth0/address`
      const fdb = `${inside} bridge fdb del ${mac} dev vxlan1 dst ${hostB.address} self`
      await foundWhileBroken(hostA, fdb, `FDB entry ${mac}: found nothing, expected ${hostB.address}`)
      await foundWhileBroken(
        hostA,
        `${inside} ip neigh del ${b.address} dev vxlan1`,
        `neighbour ${b.address}: found`,
      )
      await hostA.succeed`systemctl stop multihost; sh -c ${fdb}; systemctl start multihost`
    })
  },
)

scenario('a claim that was deleted in Consul is put back', async ({ hostA, hostB, consulServer }) => {
  await withPair(hostA, hostB, async ({ network }) => {
    const vni = await consulServer.succeed`sh -c ${`curl -sf ${storeUrl}/networks/${network}?raw | jq .vni`}`
    const before = await consulServer.succeed`curl -sf ${`${storeUrl}/vnis/${vni}?raw`}`
    await consulServer.succeed`curl -sf -X DELETE ${`${storeUrl}/vnis/${vni}`}`
    await hostA.succeed`multihost check`
    expect(await consulServer.succeed`curl -sf ${`${storeUrl}/vnis/${vni}?raw`}`).toBe(before)
  })
})

scenario(
  'the lease of a running container, deleted in Consul, is made again for the same container',
  async ({ hostA, hostB, consulServer }) => {
    await withPair(hostA, hostB, async ({ network, a }) => {
      const key = `${storeUrl}/addresses/${network}/${a.address}`
      const endpoint = `jq -re .endpoint`
      const before = await consulServer.succeed`sh -c ${`curl -sf ${key}?raw | ${endpoint}`}`
      await consulServer.succeed`curl -sf -X DELETE ${key}`
      await hostA.run`multihost check --within=0`
      await consulServer.waitUntilSucceeds`sh -c ${`curl -sf ${key}?raw | ${endpoint} | grep -x ${before}`}`
    })
  },
)

scenario(
  'the endpoint of a running container, deleted in Consul, is restored before its links are removed',
  async ({ hostA, hostB, consulServer }) => {
    await withPair(hostA, hostB, async ({ network, a, b }) => {
      const ask = '{{range .NetworkSettings.Networks}}{{.EndpointID}}{{end}}'
      const key = `${storeUrl}/endpoints/${network}/${await hostA.succeed`docker inspect -f ${ask} ${a.id}`}`
      await consulServer.succeed`curl -sf -X DELETE ${key}`
      await hostA.run`multihost check --within=0`
      await consulServer.waitUntilSucceeds`curl -sf ${key}`
      await b.waitUntilSucceeds`ping -c1 -W1 ${a.address}`
    })
  },
)

scenario(
  'an endpoint that Docker does not have is found, and repair removes it from Consul',
  async ({ hostA, hostB, consulServer }) => {
    await withPair(hostA, hostB, async ({ network }) => {
      const id = 'f'.repeat(64)
      const ghost = {
        network,
        id,
        v4: '172.21.99.99',
        mac: '02:42:ac:15:63:63',
        host: hostA.name,
        aliases: [],
      }
      const endpoint = JSON.stringify({ ...ghost, vtep: hostA.address, joined: true })
      const put = `curl -sf -o /dev/null -X PUT -d '${endpoint}' ${storeUrl}/endpoints/${network}/${id}`
      // The server's curl has the token of a secured lab. The endpoints loop removes the record after some seconds.
      const puts = consulServer.run`timeout 8 sh -c ${`while ${put}; do sleep 0.2; done`}`
      {
        await using _puts = atEnd(() => puts)
        const words = `endpoint ${id.slice(0, 12)} of network checked: found nothing`
        await foundWhileBroken(hostA, 'true', words)
      }
      await hostA.succeed`multihost check --repair`
      expect(await storedKeys(consulServer)).not.toContain(`endpoints/${network}/${id}`)
    })
  },
)

scenario('a stray link is found, and removed by the loop', async ({ hostA, hostB }) => {
  await withPair(hostA, hostB, async () => {
    const add = 'ip link add vxcdeadbeef type veth peer name probe0'
    await foundWhileBroken(hostA, add, 'link vxcdeadbeef of the host: found a link, expected nothing')
  })
})

scenario('a hosts file without its names is found, and restored by the loop', async ({ hostA, hostB }) => {
  await withPair(hostA, hostB, async ({ a }) => {
    const empty = `docker exec ${a.id} sh -c 'echo 127.0.0.1 localhost > /etc/hosts'`
    await foundWhileBroken(hostA, empty, 'container one: found other lines')
  })
})

scenario(
  'a Consul or a Docker that does not answer is reported as unknown, not as a difference',
  async ({ hostA, hostB, consulServer, faults }) => {
    await withPair(hostA, hostB, async () => {
      for (const [host, unit, words] of [
        [consulServer, 'consul', 'Consul cannot be read'],
        [hostA, 'docker', 'Docker cannot be read'],
      ] as const) {
        await using _paused = await faults.pause(host, unit)
        const { code, stdout } = await hostA.run`multihost check --within=0`
        expect([code, stdout]).toEqual([2, expect.stringContaining(words)])
        expect(stdout).not.toContain('they differ')
      }
      await hostA.waitUntilSucceeds`multihost check`
    })
  },
)
