/**
 * `multihost host rm`: a dead host is removed from the cluster and others take over its addresses and
 * services. When the host comes back, it yields and reports it.
 */
import { expect } from 'vitest'
import { atEnd } from '../kit/at-end.ts'
import { converged, convergesWithinMs } from '../kit/converged.ts'
import type { Host } from '../kit/host.ts'
import { sharedNetwork } from '../kit/network.ts'
import { scenario } from '../kit/scenario.ts'
import { storedNetwork, storeUrl } from '../kit/store.ts'
import { undoAfter } from '../kit/suppressed.ts'

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
  'multihost host rm refuses a live host, and frees the addresses and names of a dead one, which may return',
  async ({ hostA, hostB, faults }) => {
    await using network = await sharedNetwork([hostA, hostB], 'steady', ['--subnet', '10.41.0.0/24'])
    await using a = await hostA.run({ name: 'one', network: network.name })
    await using b = await hostB.run({ name: 'two', network: network.name })
    await a.waitUntilSucceeds`grep -q two /etc/hosts`
    expect(await hostA.fail`multihost host rm ${hostB.name}`).toMatch(`${hostB.name} is alive`)
    expect(await hostA.fail`multihost host rm absent`).toMatch(
      new RegExp(`no host absent.*${hostA.name}, ${hostB.name}`, 's'),
    )
    await using off = await faults.off(hostB)
    expect(await takenOut(hostA, hostB)).toBe(
      `host ${hostB.name} is out of the cluster: 1 endpoints and 1 addresses are free`,
    )
    expect(await hostsOf(hostA)).not.toContain(hostB.name)
    await a.within(convergesWithinMs).waitUntilSucceeds`! grep -q two /etc/hosts`
    const heir = { name: 'heir', network: network.name, args: ['--ip', b.address] }
    await using instead = await hostA.run(heir)
    await a.succeed`ping -c1 -W1 ${instead.address}`

    await off.heal()
    await hostB.within(convergesWithinMs)
      .waitUntilSucceeds`multihost host ls --json | jq -e ${`any(.name == "${hostB.name}")`}`
    await hostB.waitUntilSucceeds`docker start two`
    const now = await b.currentAddress()
    expect(now).not.toBe(instead.address)
    await a.within(convergesWithinMs).waitUntilSucceeds`ping -c1 -W1 ${now}`
    await converged([hostA, hostB], [a, b, instead])
  },
)

/** A service with a container on `hostB`, and container `heir` on `hostA` that takes the service over. */
async function withService(
  hostA: Host,
  hostB: Host,
  args: readonly string[],
  body: (old: { id: string; address: string }, takeOver: () => Promise<void>) => Promise<void>,
): Promise<void> {
  // So small that a host's next leases are those that a removed host had.
  await using _network = await sharedNetwork([hostA, hostB], 'steady', ['--subnet', '10.41.0.0/28'])
  await using _service = atEnd(async () => {
    await hostB.succeed`docker rm -f old`
    await hostA.succeed`docker rm -f heir`
    await hostA.waitUntilSucceeds`docker service unpublish db.steady`
  })
  const id =
    await hostB.succeed`docker run -d --init --name old ${args} --publish-service=db.steady.overlay ${image} sleep infinity`
  const address = await addressOf(hostB, 'db.steady')
  await hostA.succeed`docker run -d --init --name heir --net=none ${image} sleep infinity`
  await body({ id, address }, async () => {
    expect(await hostA.fail`docker service attach heir db.steady`).toMatch(
      new RegExp(`attached to container old .*on ${hostB.name}`),
    )
    const refusal = 'docker service attach heir db.steady 2>&1'
    await hostA.within(sessionEndsMs).waitUntilSucceeds`sh -c ${`${refusal} | grep "host rm ${hostB.name}"`}`
    await takenOut(hostA, hostB)
    await hostA.succeed`docker service attach heir db.steady`
    expect(await hostA.succeed`docker exec heir hostname -I`).toContain(address)
  })
}

scenario(
  'a host comes back after another took over its service: its container is cut off, and status says why',
  async ({ hostA, hostB, consulServer, faults }) => {
    await withService(hostA, hostB, [], async ({ address }, takeOver) => {
      await using fromOther = await faults.partition(hostB, hostA)
      await using fromConsul = await faults.partition(hostB, consulServer)
      await takeOver()

      await fromOther.heal()
      await fromConsul.heal()
      // The host rejoins the cluster first. An earlier start may take an address of its reserve.
      await hostA.within(convergesWithinMs)
        .waitUntilSucceeds`multihost host ls | grep -E ${`^${hostB.name} .* alive`}`
      await hostB.within(convergesWithinMs).waitUntilSucceeds`docker run --rm --network steady ${image} true`
      await using asker = await hostB.run({ name: 'asker', network: 'steady' })
      await asker.within(convergesWithinMs).waitUntilSucceeds`ping -c1 -W1 ${address}`
      await hostB.waitUntilSucceeds`multihost status | grep -E ${`container old .*${address}.* heir .*${hostA.name}`}`
      await hostB.waitUntilSucceeds`docker exec old sh -c ${`! ping -c1 -W1 ${asker.address}`}`
      // A second container with this address would still answer.
      await hostA.succeed`docker service detach heir db.steady`
      await asker.waitUntilSucceeds`! ping -c1 -W1 ${address}`
      await hostB.waitUntilSucceeds`docker service ls | grep -qE ${'db +steady *$'}`
    })
  },
)

/**
 * Starts containers until the host's reserve has the address, unused: it comes there unused, or one has it
 * and is removed. Disposal removes the others.
 */
async function reserveTakes(host: Host, consulServer: Host, address: string): Promise<AsyncDisposable> {
  const { id } = await storedNetwork(consulServer, 'steady')
  const lease = `curl -sf '${storeUrl}/addresses/${id}/${address}?raw'`
  const isTaken = `${lease} | jq -e '.host == "${host.name}" and .endpoint == null'`
  const start = `docker run -d --init --label more --network steady ${image} sleep infinity`
  const addressOfLast = `docker inspect -f '{{.NetworkSettings.Networks.steady.IPAddress}}' $(docker ps -lq)`
  const remove = async (): Promise<void> => {
    await host.succeed`sh -c ${'docker ps -aqf label=more | xargs -r docker rm -f > /dev/null'}`
  }
  const fill = async (): Promise<void> => {
    for (let started = 0; started < 13; started += 1) {
      const { code } = await consulServer.run`sh -c ${isTaken}`
      if (code === 0) return
      const got = await host.succeed`sh -c ${`${start} > /dev/null && ${addressOfLast}`}`
      if (got === address) {
        await host.succeed`sh -c ${'docker rm -f $(docker ps -lq)'}`
        break
      }
    }
    await consulServer.waitUntilSucceeds`sh -c ${isTaken}`
  }
  await fill().catch((error: unknown) => undoAfter(error, remove))
  return { [Symbol.asyncDispose]: remove }
}

scenario(
  'a removed host comes back: its containers have service and addresses again, also out of a reserve',
  async ({ hostA, hostB, consulServer, faults }) => {
    await withService(hostA, hostB, [], async ({ id, address }) => {
      const named = { name: 'plain', network: 'steady', args: ['--network-alias', 'nick'] }
      await using plain = await hostB.run(named)
      await using fromOther = await faults.partition(hostB, hostA)
      await using fromConsul = await faults.partition(hostB, consulServer)
      await takenOut(hostA, hostB)
      // Its address is not the one that the reserve is to take.
      const other = { name: 'asker', network: 'steady', args: ['--ip', '10.41.0.13'] }
      await using asker = await hostA.run(other)
      const behind = hostA.within(convergesWithinMs).waitUntilSucceeds
      await behind`docker service ls | grep -qE ${'db +steady *$'}`
      await using _more = await reserveTakes(hostA, consulServer, plain.address)

      await fromOther.heal()
      await fromConsul.heal()
      await behind`docker service ls | grep -qE ${`db +steady +${id.slice(0, 12)}`}`
      await asker.within(convergesWithinMs).waitUntilSucceeds`ping -c1 -W1 db`
      await asker.succeed`ping -c1 -W1 ${address}`
      await asker.within(convergesWithinMs).waitUntilSucceeds`ping -c1 -W1 ${plain.address}`
      await asker.within(convergesWithinMs).waitUntilSucceeds`ping -c1 -W1 nick`
      await hostB.waitUntilSucceeds`multihost status --json | jq -e ${'.problems | length == 0'}`
    })
  },
)

scenario(
  'a host without power comes back after a takeover of its service: its container is refused, with the reason',
  async ({ hostA, hostB, faults }) => {
    await withService(hostA, hostB, ['--restart=always'], async ({ id, address }, takeOver) => {
      await using off = await faults.off(hostB)
      await takeOver()

      await off.heal()
      // The power went right after the network was made: its place here may not have been on disk.
      await hostB.within(convergesWithinMs).waitUntilSucceeds`docker run --rm --network steady ${image} true`
      await using asker = await hostB.run({ name: 'asker', network: 'steady' })
      await asker.within(convergesWithinMs).waitUntilSucceeds`ping -c1 -W1 ${address}`
      expect(await hostB.fail`docker start ${id}`).toMatch(/belongs to service db/)
      expect(await hostB.succeed`docker inspect -f ${'{{.State.Running}}'} ${id}`).toBe('false')
    })
  },
)
