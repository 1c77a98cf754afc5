/**
 * Many containers at once, with a Consul that answers late: each is started, none fails for a limit of the
 * driver's.
 *
 *     MULTIHOST_MASS=200 npm run scenarios -- --hosts 4 faults/mass
 */
import { expect } from 'vitest'
import { atEnd } from '../kit/at-end.ts'
import type { Host } from '../kit/host.ts'
import { longRun } from '../kit/long-run.ts'
import { sharedNetwork } from '../kit/network.ts'
import { reboot } from '../kit/reboot.ts'
import { scenario } from '../kit/scenario.ts'
import { together } from '../kit/together.ts'
import { positiveFrom } from './number-from.ts'

/** Containers that come back after a reboot; twice as many are started on all hosts together. */
const many = positiveFrom('MULTIHOST_MASS', 30)
const answerMs = 25
const shells = 20
/** Docker itself takes about a second of both processors for a container. */
const withinMs = 60_000 + many * 3000

/** The scenario's containers on the hosts, which are removed at the end of the scope. */
function containersOf(...hosts: Host[]): AsyncDisposable {
  const remove = 'docker ps -aqf name=^mass- | xargs -r -n 50 docker rm -f > /dev/null || echo failed'
  return atEnd(async () => {
    const said = await together(hosts.map((host) => longRun(host, remove, withinMs)))
    expect(said, 'what docker rm says').toEqual(hosts.map(() => ''))
  })
}

/** `ADDRESS /NAME` of each. */
const held = `docker ps -qf name=^mass- | xargs -r docker inspect -f '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}} {{.Name}}'`

async function holders(host: Host): Promise<Map<string, string>> {
  const lines = (await host.succeed`sh -c ${held}`).split('\n')
  const found = new Map(lines.map((line) => line.split(' ') as [string, string]))
  expect(found.size, 'different addresses').toBe(lines.length)
  return found
}

scenario(
  `${many} containers come back after a reboot, while Consul answers ${answerMs} ms late`,
  { timeout: 6 * withinMs },
  async ({ hostA, hostB, consulServer, faults }) => {
    await using network = await sharedNetwork([hostA, hostB], 'mass', ['--subnet', '10.66.0.0/16'])
    await using _slow = await faults.slow(hostB, answerMs, consulServer)
    const start = `seq ${many} | xargs -P8 -I% docker run -d --restart always --name mass-% --network ${network.name} debian:13 sleep infinity > /dev/null`
    await using _containers = containersOf(hostB)
    expect(await longRun(hostB, start, withinMs)).toBe('')
    const before = await holders(hostB)
    await reboot(hostB)
    await hostB.within(withinMs).waitUntilSucceeds`[ $(docker ps -qf name=^mass- | wc -l) = ${many} ]`
    const after = await holders(hostB)
    const another = [...after].filter(([ip, name]) => (before.get(ip) ?? name) !== name)
    expect(another, 'containers with the address of another').toEqual([])
    await using one = await hostA.run({ name: 'one', network: network.name })
    for (const name of ['mass-1', `mass-${many}`])
      await one.within(withinMs).waitUntilSucceeds`ping -c1 -W1 ${name}`
  },
)

scenario(
  `${2 * many} containers are started from ${shells} shells on all hosts, while Consul answers ${answerMs} ms late`,
  { timeout: 6 * withinMs },
  async ({ hosts, consulServer, faults }) => {
    await using network = await sharedNetwork(hosts, 'mass', ['--subnet', '10.66.0.0/16'])
    for (const host of hosts) await faults.slow(host, answerMs, consulServer)
    const each = Math.ceil((2 * many) / hosts.length)
    const start = `seq ${each} | xargs -P${Math.ceil(shells / hosts.length)} -I% sh -c 'docker run -d --name mass-$(uname -n)-% --network ${network.name} debian:13 sleep infinity 2>&1 > /dev/null || echo % failed'`
    await using _containers = containersOf(...hosts)
    const said = await together(hosts.map((host) => longRun(host, start, withinMs)))
    expect(said, 'what docker run says').toEqual(hosts.map(() => ''))
    const found = await together(hosts.map(holders))
    const all = found.flatMap((each) => [...each.keys()])
    expect(all).toHaveLength(each * hosts.length)
    expect(new Set(all).size).toBe(all.length)
  },
)
