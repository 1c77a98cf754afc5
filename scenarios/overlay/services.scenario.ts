/**
 * Services: a name with a reserved address, and one container behind it in the cluster.
 */
import { afterEach, expect } from 'vitest'
import { clear } from '../kit/clear.ts'
import { type ExclusiveInput, exclusive, type Holder, recordHistory, violations } from '../kit/history.ts'
import type { Host } from '../kit/host.ts'
import { labHosts, scenario } from '../kit/scenario.ts'
import { storedKeys } from '../kit/store.ts'
import { together } from '../kit/together.ts'

const header = 'SERVICE ID          NAME                NETWORK             CONTAINER'

afterEach(async () => {
  const { net1, net2 } = await labHosts()
  await clear([net1, net2])
})

/** The lines of `docker service ls` without the ids. */
async function services(host: Host): Promise<string[]> {
  const [first, ...lines] = (await host.succeed`docker service ls`).split('\n')
  expect(first).toBe(header)
  return lines.map((line) => line.split(/ +/).slice(1).join(' ').trim())
}
const lists = (host: Host, line: string) =>
  host.waitUntilSucceeds`docker service ls | tr -s ' ' | grep -q ${`^[0-9a-f]\\{12\\} ${line} *$`}`
const addressOf = async (host: Host, service: string) =>
  (await host.succeed`docker service info ${service}`).match(/Address: (\S+)/)?.[1] ?? ''

scenario('docker service ls shows the header alone', async ({ net1, net2 }) => {
  for (const host of [net1, net2]) expect(await host.succeed`docker service ls`).toBe(header)
})

scenario(
  'docker run --publish-service=bar.foobar.overlay creates the network, the service and the container behind it',
  async ({ net1, net2 }) => {
    const id = await net2.succeed`docker run -d --publish-service=bar.foobar.overlay debian:13 sleep infinity`
    for (const host of [net1, net2]) await lists(host, `bar foobar ${id.slice(0, 12)}`)
    const address = await addressOf(net1, 'bar.foobar')
    expect(await net2.succeed`docker exec ${id} hostname -I`).toContain(address)
    await net1.succeed`docker run --rm --network foobar debian:13 ping -c1 -W2 ${address}`
    const words = await net1.fail`docker run --rm --publish-service=bar.foobar debian:13 true`
    expect(words).toMatch(/service bar\.foobar is attached to container \S+ \([0-9a-f]{12}\) on net-2/)
    expect(await net1.fail`docker network rm foobar`).toMatch(/used by \S+ \([0-9a-f]{12}\) on net-2/)

    // A restarted container has the address again. The service stays without a container.
    await net2.succeed`docker restart -t 0 ${id}`
    await net1.succeed`docker run --rm --network foobar debian:13 ping -c1 -W2 ${address}`
    await net2.succeed`docker rm -f ${id}`
    await lists(net1, 'bar foobar')
    expect(await addressOf(net1, 'bar.foobar')).toBe(address)
    await net1.succeed`docker service unpublish bar.foobar`
    expect(await services(net1)).toEqual([])
  },
)

scenario(
  'a service keeps its address through detach, and attach on the other host',
  async ({ net1, net2 }) => {
    await net1.succeed`docker network create -d overlay foobar`
    expect(await net1.succeed`docker service publish db.foobar`).toMatch(/^[0-9a-f]{64}$/)
    await net2.waitUntilSucceeds`docker service info db.foobar`
    const address = await addressOf(net2, 'db.foobar')
    for (const host of [net1, net2]) {
      const id =
        await host.succeed`docker run -d --name ${`db-${host.name}`} --net=none debian:13 sleep infinity`
      await host.succeed`docker service attach ${`db-${host.name}`} db.foobar`
      for (const each of [net1, net2]) await lists(each, `db foobar ${id.slice(0, 12)}`)
      expect(await host.succeed`docker exec ${id} hostname -I`).toContain(address)
      for (const each of [net1, net2]) {
        await each.succeed`docker run --rm --network foobar debian:13 ping -c1 -W2 ${address}`
      }
      const other = host === net1 ? net2 : net1
      expect(await net1.fail`docker service unpublish db.foobar`).toContain(`on ${host.name}`)
      expect(await other.fail`docker service detach ${id} db.foobar`).toContain(`detach it on ${host.name}`)
      await host.succeed`docker service detach ${id} db.foobar`
      for (const each of [net1, net2]) await lists(each, 'db foobar')
      expect(await addressOf(other, 'db.foobar')).toBe(address)
    }
    await net2.succeed`docker service unpublish db.foobar`
  },
)

scenario(
  'when two hosts attach at once, one succeeds and the other gets an error with the first’s name',
  async ({ net1, net2 }) => {
    await net1.succeed`docker network create -d overlay foobar`
    const hosts = [net1, net2]
    for (const host of hosts) {
      await host.waitUntilSucceeds`docker network inspect foobar > /dev/null`
      await host.succeed`docker run -d --name ${`rival-${host.name}`} --net=none debian:13 sleep infinity`
    }
    for (let round = 0; round < 5; round++) {
      const name = `prize${round}.foobar`
      await net1.succeed`docker service publish ${name}`
      await net2.waitUntilSucceeds`docker service info ${name}`
      const attach = (host: Host) => host.run`docker service attach ${`rival-${host.name}`} ${name}`
      const results = await together(hosts.map(attach))
      expect(results.map(({ code }) => code).sort()).toEqual([0, 1])
      const winner = hosts[results.findIndex(({ code }) => code === 0)] ?? net1
      const loser = results.find(({ code }) => code === 1)
      expect(loser?.stderr).toMatch(new RegExp(`attached to .*on ${winner.name}`))
      await lists(net1, `prize${round} foobar [0-9a-f]\\{12\\}`)
      await winner.succeed`docker service detach ${`rival-${winner.name}`} ${name}`
      await winner.succeed`docker service unpublish ${name}`
    }
  },
)

scenario(
  'two hosts attach and detach a service again and again, and it never has two containers',
  { timeout: 240_000 },
  async ({ net1, net2 }) => {
    await net1.succeed`docker network create -d overlay foobar`
    await net1.succeed`docker service publish prize.foobar`
    const history = recordHistory<ExclusiveInput, Holder>()
    const compete = async (host: Host): Promise<void> => {
      const rival = `rival-${host.name}`
      await host.waitUntilSucceeds`docker service info prize.foobar`
      await host.succeed`docker run -d --name ${rival} --net=none debian:13 sleep infinity`
      const service = async (verb: string) => {
        const { code, stderr } = await host.run`docker service ${verb} ${rival} prize.foobar`
        if (code === 0) return { outcome: 'ok' } as const
        return { outcome: stderr.includes('attached to') ? 'failed' : 'unknown' } as const
      }
      for (let round = 0; round < 8; round++) {
        const { outcome } = await history.run(rival, 'prize', { take: rival }, () => service('attach'))
        if (outcome === 'ok') await history.run(rival, 'prize', { release: rival }, () => service('detach'))
      }
    }
    await together([net1, net2].map(compete))
    const outcomes = history.operations.map(({ outcome }) => outcome)
    expect(outcomes).not.toContain('unknown')
    expect(outcomes.filter((each) => each === 'ok').length).toBeGreaterThan(4)
    expect(violations(history.operations, exclusive)).toEqual([])
  },
)

scenario('a wrong command is an error with a hint, and changes nothing', async ({ net1, consulServer }) => {
  await net1.succeed`docker network create own`
  try {
    const before = await storedKeys(consulServer)
    const wrong: [string, string][] = [
      ['service info nope', "there is no service 'nope'"],
      ['service ls --network nope', "the cluster has no network 'nope'"],
      ['service publish bar.nope', "the cluster has no network 'nope'"],
      ['service publish b@r', "'b@r' is not a valid service name"],
      ['service attach nope bar', 'No such container: nope'],
      ['service frob', 'there are ls, info, publish'],
      ['run --publish-service=bar --net=own debian:13 true', 'conflicting options'],
      ['run --publish-service=bar.own debian:13 true', 'has the driver bridge, not vxlan'],
      ['run --publish-service=bar.foobar.bridge debian:13 true', 'not of driver bridge'],
      ['run --publish-service=-bar debian:13 true', "cannot be a service's name"],
    ]
    for (const [line, words] of wrong) {
      const { code, stderr, stdout } = await net1.run`docker ${line.split(' ')}`
      expect({ line, code, stdout }).toEqual({ line, code: 1, stdout: '' })
      expect(stderr).toContain(words)
      expect(stderr.trim().split('\n')).toHaveLength(1)
    }
    expect(await storedKeys(consulServer)).toEqual(before)
  } finally {
    await net1.succeed`docker network rm own`
  }
})
