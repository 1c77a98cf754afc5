/**
 * What is missing for a while is not gone: a host with another hostname, a second host of the same name or
 * VTEP, a VTEP that is missing, a prune beside a host that is away, an engine that lost its networks, a store
 * that was restored from a backup.
 */
import { expect } from 'vitest'
import { atEnd } from '../kit/at-end.ts'
import { converged, convergesWithinMs } from '../kit/converged.ts'
import { insideNetwork } from '../kit/inside.ts'
import { pair, sharedNetwork } from '../kit/network.ts'
import { lostWhile } from '../kit/pings.ts'
import { scenario } from '../kit/scenario.ts'
import { withSteadyPair } from '../kit/steady.ts'
import { consulLeads } from '../kit/store.ts'

const image = 'debian:13'
const healthy = 'multihost status | grep -q "no problems"'

scenario(
  'a host whose hostname changes keeps its name in the cluster, and loses no packet',
  async ({ hostA, hostB }) => {
    await withSteadyPair(hostA, hostB, async (a, b) => {
      await using _hostname = atEnd(
        () => hostA.succeed`hostname ${hostA.name} && systemctl restart multihost`,
      )
      const lost = await lostWhile(a, b, async () => {
        await hostA.succeed`hostname renamed && systemctl restart multihost`
        await hostA.waitUntilSucceeds`sh -c ${healthy}`
      })
      expect(lost).toBe(0)
      expect(await hostA.succeed`multihost status`).toContain(`${hostA.name} (hostname renamed)`)
    })
  },
)

scenario(
  'a second live host of one name takes part in nothing, and the first one notices nothing',
  async ({ hostA, hostB }) => {
    await using network = await sharedNetwork([hostA, hostB], 'twins')
    await using one = await hostA.run({ name: 'one', network: network.name })
    const state = '/var/lib/multihost'
    await hostB.succeed`systemctl stop multihost && mv ${state} ${`${state}.own`} && hostname ${hostA.name}`
    {
      await using _own = atEnd(
        () =>
          hostB.succeed`systemctl stop multihost; rm -rf ${state}; mv ${`${state}.own`} ${state}; hostname ${hostB.name}; systemctl start multihost`,
      )
      await hostB.succeed`systemctl start multihost`
      await hostB.waitUntilSucceeds`multihost status | grep -q ${`another live host is called ${hostA.name}`}`
      expect(await hostB.succeed`multihost status`).toMatch(
        new RegExp(`VTEP ${hostA.address}.*--host-name=NAME`),
      )
      expect(await hostB.fail`docker run --rm --network twins ${image} true`).toContain('another live host')
      await one.succeed`ip -br link show eth0 | grep -q UP`
      expect(await hostA.succeed`multihost status`).toContain('no problems')
    }
    await using two = await hostB.run({ name: 'two', network: network.name })
    await converged([hostA, hostB], [one, two])
  },
)

scenario(
  'a host with the VTEP of a live host takes part in nothing and says so, and the first one notices nothing',
  async ({ hostA, hostB }) => {
    const options = '/etc/default/docker'
    await using network = await sharedNetwork([hostA, hostB], 'alike')
    await using one = await hostA.run({ name: 'one', network: network.name })
    await hostB.succeed`cp -p ${options} /tmp/alike && ip link add alike0 type veth peer name alike1 && ip link set alike1 up && ip address add ${`${hostA.address}/32`} dev alike0 && ip link set alike0 up`
    {
      await using _own = atEnd(
        () => hostB.succeed`cat /tmp/alike > ${options}; ip link del alike0; systemctl restart multihost`,
      )
      await hostB.succeed`sed -i -E 's/--bind-interface=[^ "]+/--bind-interface=alike0/' ${options} && systemctl restart multihost`
      const words = `another live host has this host's VTEP ${hostA.address}: ${hostA.name}`
      await hostB.waitUntilSucceeds`multihost status | grep -F ${words}`
      expect(await hostB.fail`docker run --rm --network alike ${image} true`).toContain('--bind-interface')
      expect(await hostB.fail`multihost doctor`).toMatch(new RegExp(`missing +VTEP .* ${hostA.name} too`))
      await one.succeed`ip -br link show eth0 | grep -q UP`
      expect(await hostA.succeed`multihost status`).toContain('no problems')
    }
    await using two = await hostB.run({ name: 'two', network: network.name })
    await converged([hostA, hostB], [one, two])
  },
)

scenario(
  'a VTEP of IPv4 that is missing for a while stays, also over a restart, though IPv6 is there',
  async ({ hostA, hostB }) => {
    const options = '/etc/default/docker'
    const [{ ifname: device, addr_info: infos }] = JSON.parse(
      await hostA.succeed`ip -4 -j address show to ${`${hostA.address}/32`}`,
    )
    const own = `${hostA.address}/${infos[0].prefixlen}`
    const giveBack = () => hostA.succeed`ip address replace ${own} brd + dev ${device}`
    await using network = await sharedNetwork([hostA, hostB], 'faded')
    await using two = await pair(hostA, hostB, network.name)
    await hostA.succeed`cp -p ${options} /tmp/faded && ip address add fd00:33::11/64 dev ${device} nodad`
    {
      await using _options = atEnd(
        () =>
          hostA.succeed`ip address del fd00:33::11/64 dev ${device}; cat /tmp/faded > ${options}; systemctl restart multihost`,
      )
      await using _address = atEnd(giveBack)
      await hostA.succeed`sed -i -E ${`s/--bind-interface=[^ "]+/--bind-interface=${device}/`} ${options} && systemctl restart multihost`
      await hostA.waitUntilSucceeds`sh -c ${healthy}`
      await hostA.succeed`ip address del ${own} dev ${device}`
      const words = `this host's VTEP ${hostA.address} is on no interface`
      await hostA.within(40_000).waitUntilSucceeds`multihost status | grep -F ${words}`
      const vxlan = (await insideNetwork(hostA, network.name))('ip -j -d link show dev vxlan1')
      expect(JSON.parse(await vxlan)[0].linkinfo.info_data.local).toBe(hostA.address)
      await hostA.succeed`systemctl restart multihost`
      await hostA.waitUntilSucceeds`multihost status | grep -F ${words}`
      await giveBack()
      await hostA.waitUntilSucceeds`sh -c ${healthy}`
      expect(await hostA.succeed`multihost status`).toContain(`${hostA.address} on ${device}`)
      await two.b.within(convergesWithinMs).waitUntilSucceeds`ping -c1 -W1 ${two.a.address}`
    }
    await converged([hostA, hostB], [two.a, two.b])
  },
)

scenario(
  'a prune beside a host that is away takes nothing that the host has containers on',
  async ({ hostA, hostB }) => {
    await using network = await sharedNetwork([hostA, hostB], 'kept')
    await using away = await hostB.run({ name: 'away', network: network.name, args: ['--restart=always'] })
    await hostA.succeed`docker service publish cache.kept`
    await using _service = atEnd(() => hostA.run`docker service unpublish cache.kept`)
    await hostB.succeed`systemctl stop docker.socket docker`
    await hostA.succeed`docker network prune -f`
    await hostB.succeed`systemctl start docker`
    await hostA.waitUntilSucceeds`docker network inspect kept`
    await using one = await hostA.run({ name: 'one', network: network.name })
    await hostB.waitUntilSucceeds`docker exec away true`
    await one.within(convergesWithinMs).waitUntilSucceeds`ping -c1 -W1 ${await away.currentAddress()}`
    await hostA.succeed`docker service info cache.kept`
  },
)

scenario(
  'an engine that lost its plugin sockets and its networks finds both again',
  async ({ hostA, hostB }) => {
    await using network = await sharedNetwork([hostA, hostB], 'found')
    await using two = await pair(hostA, hostB, network.name)
    await hostA.succeed`systemctl stop docker.socket docker && rm -rf /run/docker/plugins /var/lib/docker/network && systemctl start docker`
    await hostA.waitUntilSucceeds`docker network inspect found`
    await hostA.waitUntilSucceeds`docker run --rm --network found ${image} ping -c1 -W1 ${two.b.address}`
    await two.b.within(convergesWithinMs).waitUntilSucceeds`! grep -qw ${two.a.name} /etc/hosts`
  },
)

scenario(
  'a store that is restored from a backup frees no address of a running container',
  async ({ hostA, hostB, consulServer }) => {
    await using network = await sharedNetwork([hostA, hostB], 'restored', ['--subnet', '10.62.0.0/24'])
    const at = { network: network.name, args: ['--ip', '10.62.0.9'] }
    {
      await using _old = await hostA.run({ name: 'old', ...at })
      await consulServer.succeed`consul snapshot save /root/backup`
    }
    await using fresh = await hostA.run({ name: 'fresh', ...at })
    await using other = await hostB.run({ name: 'other', network: network.name })
    await consulServer.succeed`consul snapshot restore /root/backup && rm /root/backup`
    await consulLeads(consulServer)
    await hostB.waitUntilSucceeds`sh -c ${healthy}`
    expect(await hostB.fail`docker run --rm --network restored --ip 10.62.0.9 ${image} true`).toMatch(
      /10\.62\.0\.9/,
    )
    await converged([hostA, hostB], [fresh, other])
  },
)
