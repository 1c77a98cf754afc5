/**
 * `multihost host rm`: a dead host is removed from the cluster and others take over its addresses and services. When the
 * host comes back, it yields and reports it.
 */
import { expect } from 'vitest'
import { converged, convergesWithinMs } from '../kit/converged.ts'
import type { Host } from '../kit/host.ts'
import { sharedNetwork } from '../kit/network.ts'
import { scenario } from '../kit/scenario.ts'

const image = 'debian:13'
/** A host counts as alive for up to half a minute after its last sign of life. */
const sessionEndsMs = 60_000

const takenOut = (by: Host, host: Host) =>
  by.within(sessionEndsMs).waitUntilSucceeds`multihost host rm ${host.name}`
const hostsOf = async (host: Host): Promise<string[]> =>
  JSON.parse(await host.succeed`multihost host ls --json`).map(({ name }: { name: string }) => name)
const addressOf = async (host: Host, service: string) =>
  (await host.succeed`docker service info ${service}`).match(/Address: (\S+)/)?.[1] ?? ''

scenario(
  'multihost host rm refuses a live host; a dead host’s addresses and names are free for others, and it may come back',
  { timeout: 240_000 },
  async ({ net1, net2, faults }) => {
    await using network = await sharedNetwork([net1, net2], 'steady', ['--subnet', '10.41.0.0/24'])
    await using a = await net1.run({ name: 'one', network: network.name })
    await using b = await net2.run({ name: 'two', network: network.name })
    await a.waitUntilSucceeds`grep -q two /etc/hosts`
    expect(await net1.fail`multihost host rm net-2`).toMatch(/net-2 is alive/)
    expect(await net1.fail`multihost host rm net-9`).toMatch(/no host net-9.*net-1, net-2/s)
    await using off = await faults.off(net2)
    expect(await takenOut(net1, net2)).toBe(
      'host net-2 is out of the cluster: 1 endpoints and 1 addresses are free',
    )
    expect(await hostsOf(net1)).toEqual(['net-1'])
    await a.within(convergesWithinMs).waitUntilSucceeds`! grep -q two /etc/hosts`
    const heir = { name: 'heir', network: network.name, args: ['--ip', b.address] }
    await using instead = await net1.run(heir)
    await a.succeed`ping -c1 -W1 ${instead.address}`

    await off.heal()
    await net2.within(convergesWithinMs).waitUntilSucceeds`multihost host ls --json | jq -e 'length == 2'`
    await net2.waitUntilSucceeds`docker start two`
    const now = await b.currentAddress()
    expect(now).not.toBe(instead.address)
    await a.within(convergesWithinMs).waitUntilSucceeds`ping -c1 -W1 ${now}`
    await converged([net1, net2], [a, b, instead])
  },
)

/** A service with a container on net-2, and container `heir` on net-1 that takes the service over. */
async function withService(
  net1: Host,
  net2: Host,
  args: readonly string[],
  body: (old: { id: string; address: string }, takeOver: () => Promise<void>) => Promise<void>,
): Promise<void> {
  await using _network = await sharedNetwork([net1, net2], 'steady', ['--subnet', '10.41.0.0/24'])
  try {
    const id =
      await net2.succeed`docker run -d --init --name old ${args} --publish-service=db.steady.overlay ${image} sleep infinity`
    const address = await addressOf(net2, 'db.steady')
    await net1.succeed`docker run -d --init --name heir --net=none ${image} sleep infinity`
    await body({ id, address }, async () => {
      expect(await net1.fail`docker service attach heir db.steady`).toMatch(
        /attached to container old .*on net-2/,
      )
      const refusal = 'docker service attach heir db.steady 2>&1'
      await net1.within(sessionEndsMs).waitUntilSucceeds`sh -c ${`${refusal} | grep "host rm net-2"`}`
      await takenOut(net1, net2)
      await net1.succeed`docker service attach heir db.steady`
      expect(await net1.succeed`docker exec heir hostname -I`).toContain(address)
    })
  } finally {
    await net2.succeed`docker rm -f old`
    await net1.succeed`docker rm -f heir`
    await net1.waitUntilSucceeds`docker service unpublish db.steady`
  }
}

scenario(
  'a host comes back after another took over its service: its container is cut off, and status says why',
  { timeout: 240_000 },
  async ({ net1, net2, consulServer, faults }) => {
    await withService(net1, net2, [], async ({ address }, takeOver) => {
      await using fromOther = await faults.partition(net2, net1)
      await using fromConsul = await faults.partition(net2, consulServer)
      await takeOver()

      await fromOther.heal()
      await fromConsul.heal()
      // The host rejoins the cluster first.
      await net2.within(convergesWithinMs).waitUntilSucceeds`docker run --rm --network steady ${image} true`
      await using asker = await net2.run({ name: 'asker', network: 'steady' })
      await asker.within(convergesWithinMs).waitUntilSucceeds`ping -c1 -W1 ${address}`
      await net2.waitUntilSucceeds`multihost status | grep -E ${`container old .*${address}.* heir .*net-1`}`
      await net2.waitUntilSucceeds`docker exec old sh -c ${`! ping -c1 -W1 ${asker.address}`}`
      // A second container with this address would still answer.
      await net1.succeed`docker service detach heir db.steady`
      await asker.waitUntilSucceeds`! ping -c1 -W1 ${address}`
      await net2.waitUntilSucceeds`docker service ls | grep -qE ${'db +steady *$'}`
    })
  },
)

scenario(
  'a removed host comes back before its service was taken over: its container is behind the service again',
  { timeout: 240_000 },
  async ({ net1, net2, consulServer, faults }) => {
    await withService(net1, net2, [], async ({ id, address }) => {
      await using fromOther = await faults.partition(net2, net1)
      await using fromConsul = await faults.partition(net2, consulServer)
      await takenOut(net1, net2)
      await using asker = await net1.run({ name: 'asker', network: 'steady' })
      const behind = net1.within(convergesWithinMs).waitUntilSucceeds
      await behind`docker service ls | grep -qE ${'db +steady *$'}`

      await fromOther.heal()
      await fromConsul.heal()
      await behind`docker service ls | grep -qE ${`db +steady +${id.slice(0, 12)}`}`
      await asker.within(convergesWithinMs).waitUntilSucceeds`ping -c1 -W1 db`
      await asker.succeed`ping -c1 -W1 ${address}`
      await net2.waitUntilSucceeds`multihost status --json | jq -e ${'.problems | length == 0'}`
    })
  },
)

scenario(
  'a host without power comes back after another took over its service: its container does not start, and the error says why',
  { timeout: 240_000 },
  async ({ net1, net2, faults }) => {
    await withService(net1, net2, ['--restart=always'], async ({ id, address }, takeOver) => {
      await using off = await faults.off(net2)
      await takeOver()

      await off.heal()
      await using asker = await net2.run({ name: 'asker', network: 'steady' })
      await asker.within(convergesWithinMs).waitUntilSucceeds`ping -c1 -W1 ${address}`
      expect(await net2.fail`docker start ${id}`).toMatch(/the one of service db/)
      expect(await net2.succeed`docker inspect -f ${'{{.State.Running}}'} ${id}`).toBe('false')
    })
  },
)
