/**
 * Four Docker hosts: every pair of hosts is connected, and all hosts learn what one of them does.
 *
 *     npm run scenarios -- overlay/mesh
 */
import { expect } from 'vitest'
import { atEnd } from '../kit/at-end.ts'
import { convergesWithinMs } from '../kit/converged.ts'
import { scenarioOn } from '../kit/enough.ts'
import type { Container, Host } from '../kit/host.ts'
import { gone, sharedNetwork } from '../kit/network.ts'
import { storedNetwork } from '../kit/store.ts'
import { together } from '../kit/together.ts'

/** A run brings up a lab with so many for this file (scenarios/selection.ts). */
export const dockerHosts = 4

const scenario = scenarioOn({ docker: dockerHosts })

/** Starts container `on-HOST` on each host. */
async function oneOnEach(
  hosts: readonly Host[],
  network: string,
): Promise<AsyncDisposable & { containers: Container[] }> {
  const containers = await together(hosts.map((host) => host.run({ name: `on-${host.name}`, network })))
  return { containers, ...atEnd(() => together(containers.map((each) => each.remove()))) }
}

async function everyPairReaches(containers: readonly Container[]): Promise<void> {
  await together(
    containers.map(async (from) => {
      for (const to of containers.filter((each) => each !== from)) {
        await from.within(convergesWithinMs).waitUntilSucceeds`ping -c1 -W1 ${to.address}`
        await from.within(convergesWithinMs).waitUntilSucceeds`ping -c1 -W1 ${to.name}`
      }
    }),
  )
}

scenario('every pair of hosts reaches each other by address and by name', async ({ hosts, consulServer }) => {
  await using mesh = await sharedNetwork(hosts, 'mesh')
  await using group = await oneOnEach(hosts, mesh.name)
  const { containers } = group
  expect(new Set(containers.map(({ address }) => address)).size).toBe(hosts.length)
  await everyPairReaches(containers)
  const { endpoints } = await storedNetwork(consulServer, mesh.name)
  expect(new Set(endpoints.map(({ vtep }) => vtep))).toEqual(new Set(hosts.map(({ address }) => address)))
})

scenario('a third and a fourth host learn what two others do', async ({ hosts }) => {
  const [hostA, hostB, ...others] = hosts
  await using mesh = await sharedNetwork(hosts, 'mesh')
  await using group = await oneOnEach(others, mesh.name)
  const watchers = group.containers
  await using web = await hostA.run({ name: 'web', network: mesh.name })
  const sees = (watcher: Container, name: string) =>
    watcher.within(convergesWithinMs).waitUntilSucceeds`ping -c1 -W1 ${name}`
  await together(watchers.map((each) => sees(each, 'web')))
  await hostB.succeed`docker run -d --init --name late --network ${mesh.name} debian:13 sleep infinity`
  await together(watchers.map((each) => sees(each, 'late')))
  await hostB.succeed`docker rm -f late`
  await web.remove()
  for (const name of ['web', 'late'])
    await together(
      watchers.map((each) => each.within(convergesWithinMs).waitUntilSucceeds`! getent hosts ${name}`),
    )
})

scenario('a network that is removed on one host is removed from all', async ({ hosts, hostB }) => {
  await hostB.succeed`docker network create -d vxlan --ipam-driver vxlan short`
  await together(hosts.map((host) => host.waitUntilSucceeds`docker network inspect short > /dev/null`))
  await hosts[0].succeed`docker network rm short`
  await together(hosts.map((host) => gone(host, 'short')))
})

scenario(
  'one host loses power: the others reach each other and agree',
  async ({ hosts, hostA, hostB, faults }) => {
    const others = hosts.filter((each) => each !== hostB)
    await using mesh = await sharedNetwork([hostA, ...hosts.filter((each) => each !== hostA)], 'mesh')
    await using group = await oneOnEach(others, mesh.name)
    const { containers } = group
    await using off = await faults.off(hostB)
    await everyPairReaches(containers)
    await using late = await hostA.run({ name: 'late', network: mesh.name })
    await everyPairReaches([...containers, late])
    for (const host of others) await host.waitUntilSucceeds`multihost check`
    await off.heal()
  },
)
