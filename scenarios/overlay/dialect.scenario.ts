/**
 * The lab's `docker` command: the default network, `-d overlay`, and ids that are the same on all hosts. It
 * passes all other commands on unchanged.
 */
import { afterEach, describe, expect } from 'vitest'
import { atEnd } from '../kit/at-end.ts'
import type { Host } from '../kit/host.ts'
import { clearLeftovers } from '../kit/leftovers.ts'
import { gone } from '../kit/network.ts'
import { labHosts, scenario } from '../kit/scenario.ts'
import { together } from '../kit/together.ts'

afterEach(async () => {
  await clearLeftovers((await labHosts()).hosts)
})

/** Name → id and driver, as `docker network ls` prints them. */
async function networks(host: Host): Promise<Record<string, string>> {
  const [, ...lines] = (await host.succeed`docker network ls --no-trunc`).split('\n')
  const rows = lines.map((line) => line.split(/ +/))
  return Object.fromEntries(rows.map(([id = '', name = '', driver = '']) => [name, `${id} ${driver}`]))
}
const onNetwork = '{{range $name, $it := .NetworkSettings.Networks}}{{$name}} {{$it.IPAddress}}{{end}}'

describe('the default network', () => {
  scenario('is created with its first container, with the same id on all hosts', async ({ hostA, hostB }) => {
    for (const host of [hostA, hostB]) expect(await networks(host)).not.toHaveProperty('multihost')
    const id = await hostA.succeed`docker run -d --name distracted_bohr debian:13 sleep infinity`
    const { multihost } = await networks(hostA)
    expect(multihost).toMatch(/^[0-9a-f]{64} overlay$/)
    await hostB.waitUntilSucceeds`docker network inspect multihost > /dev/null`
    expect((await networks(hostB)).multihost).toBe(multihost)
    const line = `^[0-9a-f]\\{12\\} distracted_bohr multihost ${id.slice(0, 12)}$`
    await hostB.waitUntilSucceeds`docker service ls | tr -s ' ' | grep -q ${line}`
    await hostB.succeed`docker run --rm debian:13 sh -c ${'ip -4 -o addr show eth0 | grep -qF " 172.21."'}`
  })

  scenario(
    'is one network when both hosts start their first container at the same time',
    async ({ hostA, hostB }) => {
      const hosts = [hostA, hostB]
      for (let round = 0; round < 5; round++) {
        await together(hosts.map((host) => host.succeed`docker run -d --name first debian:13 sleep infinity`))
        const [[, a = ''], [, b = '']] = (await together(
          hosts.map(async (host) => (await host.succeed`docker inspect -f ${onNetwork} first`).split(' ')),
        )) as [string[], string[]]
        expect(a).not.toBe(b)
        await hostA.waitUntilSucceeds`docker exec first ping -c1 -W2 ${b}`
        await hostB.waitUntilSucceeds`docker exec first ping -c1 -W2 ${a}`
        const [one, other] = await together(hosts.map(networks))
        expect(one?.multihost).toBe(other?.multihost)
        await together(hosts.map((host) => host.succeed`docker rm -f first`))
        await hostA.waitUntilSucceeds`docker network rm multihost`
        for (const host of hosts) await gone(host, 'multihost')
      }
    },
  )
})

describe('docker network', () => {
  scenario('create -d overlay prints an id that works on both hosts', async ({ hostA, hostB }) => {
    const id = await hostA.succeed`docker network create -d overlay foobar`
    expect(id).toMatch(/^[0-9a-f]{64}$/)
    await hostB.waitUntilSucceeds`docker network inspect foobar > /dev/null`
    for (const host of [hostA, hostB]) {
      expect((await networks(host)).foobar).toBe(`${id} overlay`)
      expect(await host.succeed`docker network ls -q --filter driver=overlay`).toBe(id.slice(0, 12))
      expect(await host.succeed`docker network ls -q --filter id=${id.slice(0, 12)}`).toBe(id.slice(0, 12))
      expect(await host.succeed`docker network inspect -f ${'{{.Name}}'} ${id.slice(0, 12)}`).toBe('foobar')
    }
    expect(await hostB.fail`docker network create -d overlay foobar`).toContain('already exists')
    await hostB.succeed`docker run -d --name web --network ${id.slice(0, 12)} debian:13 sleep infinity`
    await hostB.succeed`docker run -d --name late debian:13 sleep infinity`
    await hostB.succeed`docker network connect ${id} late`
    await hostB.succeed`docker exec late ping -c1 -W2 web`
    await hostB.succeed`docker network disconnect ${id} late`
    await hostA.waitUntilSucceeds`docker service ls | grep -q web`
    for (const host of [hostA, hostB]) {
      expect(await host.fail`docker network rm ${id}`).toMatch(
        new RegExp(`used by web \\([0-9a-f]{12}\\) on ${hostB.name}`),
      )
    }
    await hostB.succeed`docker rm -f web`
    expect(await hostB.succeed`docker network rm ${id.slice(0, 12)}`).toBe(id.slice(0, 12))
    await gone(hostA, 'foobar')
  })

  scenario(
    'create -d vxlan needs no --ipam-driver, and takes all of its options',
    async ({ hostA, hostB }) => {
      await hostA.succeed`docker network create --label team=blue -d vxlan --subnet 10.44.0.0/24 --internal foobar`
      await hostB.waitUntilSucceeds`docker network inspect foobar > /dev/null`
      const format = '{{.Internal}} {{.Labels.team}} {{(index .IPAM.Config 0).Subnet}} {{.IPAM.Driver}}'
      expect(await hostB.succeed`docker network inspect -f ${format} foobar`).toBe(
        'true blue 10.44.0.0/24 vxlan',
      )
    },
  )
})

describe('all other commands are docker’s own', () => {
  scenario('standard input, terminal, signals and exit codes', async ({ hostA }) => {
    expect(await hostA.succeed`echo abc | docker run -i --rm debian:13 cat`).toBe('abc')
    expect(await hostA.succeed`echo abc | docker run -i --rm --publish-service=pipe debian:13 cat`).toBe(
      'abc',
    )
    await hostA.succeed`docker service unpublish pipe`
    expect((await hostA.run`docker run --rm debian:13 sh -c 'exit 42'`).code).toBe(42)
    expect((await hostA.run`docker frobnicate`).code).not.toBe(0)
    const terminal = 'docker run -it --rm debian:13 tty'
    expect(await hostA.succeed`script -qec ${terminal} /dev/null < /dev/null`).toContain('/dev/pts/')
    const trap = 'trap "echo got it; exit 7" TERM; echo ready; while :; do sleep 0.05; done'
    const signalled = `docker run --name sig --publish-service=sig debian:13 sh -c '${trap}' > /tmp/sig & pid=$!
      until grep -q ready /tmp/sig; do sleep 0.05; done; kill -TERM $pid; wait $pid; echo "code $?"; cat /tmp/sig`
    expect(await hostA.succeed`timeout 30 bash -c ${signalled}`).toBe('code 7\nready\ngot it')
  })

  scenario('docker service is Swarm’s on a host in swarm mode', async ({ hostA }) => {
    await hostA.succeed`docker swarm init --advertise-addr ${hostA.address}`
    {
      await using _swarm = atEnd(() => hostA.succeed`docker swarm leave --force`)
      expect(await hostA.succeed`docker service ls`).toMatch(/^ID +NAME +MODE +REPLICAS/)
      await hostA.waitUntilSucceeds`docker network ls | grep -E ${'ingress +overlay +swarm'}`
      const id = await hostA.succeed`docker run -d debian:13 sleep infinity`
      expect(await hostA.succeed`docker inspect -f ${onNetwork} ${id}`).toMatch(/^bridge /)
    }
    expect(await hostA.succeed`docker service ls`).toContain('SERVICE ID')
  })
})
