/**
 * One network on all hosts: created on one host, used on the others, isolated from other networks, removed
 * from all.
 */
import { expect } from 'vitest'
import { createdOnFirst, pair, sharedNetwork } from '../kit/network.ts'
import { scenario } from '../kit/scenario.ts'

scenario('a network created on one host can be used on the other', async ({ hostA, hostB }) => {
  await using foobar = await createdOnFirst([hostA, hostB], 'foobar')
  await hostB.waitUntilSucceeds`docker run --rm --network ${foobar.name} debian:13 true`
  await using two = await pair(hostA, hostB, foobar.name)
  await two.b.waitUntilSucceeds`ping -c1 -W1 ${two.a.address}`
})

scenario(
  'a network that the other host uses survives its removal, and is removed from both when no host uses it',
  async ({ hostA, hostB }) => {
    await using used = await sharedNetwork([hostA, hostB], 'used')
    await using user = await hostB.run({ name: 'user', network: used.name })
    await hostA.run`/usr/bin/docker network rm ${used.name}` // a driver may refuse it or create the network again
    await hostA.waitUntilSucceeds`docker network inspect ${used.name}`
    await using other = await hostA.run({ name: 'other', network: used.name })
    expect(other.address).not.toBe(user.address)
    await other.waitUntilSucceeds`ping -c1 -W1 ${user.address}`
    // At the end of the scope the containers are removed, and then the network, from both hosts.
  },
)

scenario('networks are isolated from each other', async ({ hostA, hostB }) => {
  await using blue = await sharedNetwork([hostA, hostB], 'blue')
  await using green = await sharedNetwork([hostA, hostB], 'green')
  await using two = await pair(hostA, hostB, blue.name)
  await using lone = await hostB.run({ name: 'lone', network: green.name })
  await using member = await hostA.run({ name: 'member', network: green.name })
  await two.a.waitUntilSucceeds`ping -c1 -W1 ${two.b.address}`
  await lone.waitUntilSucceeds`ping -c1 -W1 ${member.address}`
  await member.waitUntilSucceeds`ping -c1 -W1 ${lone.address}`
  await two.a.fail`ping -c1 -W1 ${lone.address}`
  await two.b.fail`ping -c1 -W1 ${lone.address}`
  await lone.fail`ping -c1 -W1 ${two.a.address}`
})

scenario('a container joins a second network and leaves it while it runs', async ({ hostA, hostB }) => {
  await using blue = await sharedNetwork([hostA, hostB], 'blue')
  await using green = await sharedNetwork([hostA, hostB], 'green')
  await using both = await hostA.run({ name: 'both', network: blue.name })
  await using other = await hostB.run({ name: 'other', network: green.name })
  await both.fail`ping -c1 -W1 ${other.address}`
  await hostA.succeed`docker network connect ${green.name} both`
  const ask = '{{.NetworkSettings.Networks.green.IPAddress}}'
  expect(await hostA.succeed`docker inspect -f ${ask} both`).not.toBe(other.address)
  await both.waitUntilSucceeds`ping -c1 -W1 ${other.address}`
  await hostA.succeed`docker network disconnect ${green.name} both`
  await both.fail`ping -c1 -W1 ${other.address}`
})
