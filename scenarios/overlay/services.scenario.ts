/**
 * Services: a name with a reserved address, and one container behind it in the cluster.
 */
import { afterEach, expect } from 'vitest'
import { atEnd } from '../kit/at-end.ts'
import { type ExclusiveInput, exclusive, type Holder, recordHistory, violations } from '../kit/history.ts'
import type { Host } from '../kit/host.ts'
import { clearLeftovers } from '../kit/leftovers.ts'
import { labHosts, scenario } from '../kit/scenario.ts'
import { inventory, nothingLeftSince } from '../kit/steady.ts'
import { together } from '../kit/together.ts'

const header = 'SERVICE ID          NAME                NETWORK             CONTAINER'

afterEach(async () => {
  await clearLeftovers((await labHosts()).hosts)
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

scenario('docker service ls shows the header alone', async ({ hostA, hostB }) => {
  for (const host of [hostA, hostB]) expect(await host.succeed`docker service ls`).toBe(header)
})

scenario(
  'docker run --publish-service=bar.foobar.overlay creates the network, the service and the container behind it',
  async ({ hostA, hostB }) => {
    const id =
      await hostB.succeed`docker run -d --publish-service=bar.foobar.overlay debian:13 sleep infinity`
    for (const host of [hostA, hostB]) await lists(host, `bar foobar ${id.slice(0, 12)}`)
    const address = await addressOf(hostA, 'bar.foobar')
    expect(await hostB.succeed`docker exec ${id} hostname -I`).toContain(address)
    await hostA.succeed`docker run --rm --network foobar debian:13 ping -c1 -W2 ${address}`
    const words = await hostA.fail`docker run --rm --publish-service=bar.foobar debian:13 true`
    expect(words).toMatch(
      new RegExp(`service bar\\.foobar is attached to container \\S+ \\([0-9a-f]{12}\\) on ${hostB.name}`),
    )
    expect(await hostA.fail`docker network rm foobar`).toMatch(
      new RegExp(`used by \\S+ \\([0-9a-f]{12}\\) on ${hostB.name}`),
    )

    // A restarted container has the address again. The service stays without a container.
    await hostB.succeed`docker restart -t 0 ${id}`
    await hostA.succeed`docker run --rm --network foobar debian:13 ping -c1 -W2 ${address}`
    await hostB.succeed`docker rm -f ${id}`
    await lists(hostA, 'bar foobar')
    expect(await addressOf(hostA, 'bar.foobar')).toBe(address)
    await hostA.succeed`docker service unpublish bar.foobar`
    expect(await services(hostA)).toEqual([])
  },
)

scenario(
  'a service keeps its address through detach, and attach on the other host',
  async ({ hostA, hostB }) => {
    await hostA.succeed`docker network create -d overlay foobar`
    expect(await hostA.succeed`docker service publish db.foobar`).toMatch(/^[0-9a-f]{64}$/)
    await hostB.waitUntilSucceeds`docker service info db.foobar`
    const address = await addressOf(hostB, 'db.foobar')
    for (const host of [hostA, hostB]) {
      const id =
        await host.succeed`docker run -d --name ${`db-${host.name}`} --net=none debian:13 sleep infinity`
      await host.succeed`docker service attach ${`db-${host.name}`} db.foobar`
      for (const each of [hostA, hostB]) await lists(each, `db foobar ${id.slice(0, 12)}`)
      expect(await host.succeed`docker exec ${id} hostname -I`).toContain(address)
      for (const each of [hostA, hostB]) {
        await each.succeed`docker run --rm --network foobar debian:13 ping -c1 -W2 ${address}`
      }
      const other = host === hostA ? hostB : hostA
      expect(await hostA.fail`docker service unpublish db.foobar`).toContain(`on ${host.name}`)
      expect(await other.fail`docker service detach ${id} db.foobar`).toContain(`detach it on ${host.name}`)
      await host.succeed`docker service detach ${id} db.foobar`
      for (const each of [hostA, hostB]) await lists(each, 'db foobar')
      expect(await addressOf(other, 'db.foobar')).toBe(address)
    }
    await hostB.succeed`docker service unpublish db.foobar`
  },
)

scenario(
  'when two hosts attach at once, one succeeds and the other gets an error with the first’s name',
  async ({ hostA, hostB }) => {
    await hostA.succeed`docker network create -d overlay foobar`
    const hosts = [hostA, hostB]
    for (const host of hosts) {
      await host.waitUntilSucceeds`docker network inspect foobar > /dev/null`
      await host.succeed`docker run -d --name ${`rival-${host.name}`} --net=none debian:13 sleep infinity`
    }
    for (let round = 0; round < 5; round++) {
      const name = `prize${round}.foobar`
      await hostA.succeed`docker service publish ${name}`
      await hostB.waitUntilSucceeds`docker service info ${name}`
      const attach = (host: Host) => host.run`docker service attach ${`rival-${host.name}`} ${name}`
      const results = await together(hosts.map(attach))
      expect(results.map(({ code }) => code).sort()).toEqual([0, 1])
      const winner = hosts[results.findIndex(({ code }) => code === 0)] ?? hostA
      const loser = results.find(({ code }) => code === 1)
      expect(loser?.stderr).toMatch(new RegExp(`attached to .*on ${winner.name}`))
      await lists(hostA, `prize${round} foobar [0-9a-f]\\{12\\}`)
      await winner.succeed`docker service detach ${`rival-${winner.name}`} ${name}`
      await winner.succeed`docker service unpublish ${name}`
    }
  },
)

scenario(
  'two hosts attach and detach a service again and again, and it never has two containers',
  async ({ hostA, hostB }) => {
    await hostA.succeed`docker network create -d overlay foobar`
    await hostA.succeed`docker service publish prize.foobar`
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
      // A refusal is much faster than a change of hands, and counts as no round.
      for (let held = 0, tries = 0; held < 4 && tries < 400; tries++) {
        const { outcome } = await history.run(rival, 'prize', { take: rival }, () => service('attach'))
        if (outcome !== 'ok') continue
        held += 1
        await history.run(rival, 'prize', { release: rival }, () => service('detach'))
      }
    }
    await together([hostA, hostB].map(compete))
    const outcomes = history.operations.map(({ outcome }) => outcome)
    expect(outcomes).not.toContain('unknown')
    expect(outcomes.filter((each) => each === 'ok')).toHaveLength(2 * 2 * 4)
    expect(violations(history.operations, exclusive)).toEqual([])
  },
)

scenario('a wrong command is an error with a hint, and changes nothing', async ({ hostA }) => {
  await hostA.succeed`docker network create own`
  await using _own = atEnd(() => hostA.succeed`docker network rm own`)
  const before = await inventory()
  const wrong: [string, string][] = [
    ['service info nope', "there is no service 'nope'"],
    ['service ls --network nope', "the cluster has no network 'nope'"],
    ['service publish bar.nope', "the cluster has no network 'nope'"],
    ['service publish b@r', "'b@r' is not a valid service name"],
    ['service attach nope bar', 'No such container: nope'],
    ['service frob', 'there are ls, info, publish'],
    ['run --publish-service=bar --net=own debian:13 true', 'conflicting options'],
    ['run --publish-service=bar.own debian:13 true', 'has the driver bridge, not vxlan'],
    ['run --publish-service=bar.foobar.bridge debian:13 true', 'the driver bridge has no services'],
    ['run --publish-service=-bar debian:13 true', "'-bar' is not a valid service name"],
  ]
  for (const [line, words] of wrong) {
    const { code, stderr, stdout } = await hostA.run`docker ${line.split(' ')}`
    expect({ line, code, stdout }).toEqual({ line, code: 1, stdout: '' })
    expect(stderr).toContain(words)
    expect(stderr.trim().split('\n')).toHaveLength(1)
  }
  await nothingLeftSince(before)
})
