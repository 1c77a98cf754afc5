/**
 * One network on all hosts: created on one host, used on the others, isolated from other networks, removed from all.
 */
import { expect } from 'vitest'
import { createdOnFirst, pair, sharedNetwork } from '../kit/network.ts'
import { scenario } from './scenario.ts'

scenario('a network created on one host can be used on the other', async ({ net1, net2 }) => {
  await using foobar = await createdOnFirst([net1, net2], 'foobar')
  await net2.waitUntilSucceeds`docker run --rm --network ${foobar.name} debian:13 true`
  await using two = await pair(net1, net2, foobar.name)
  await two.b.waitUntilSucceeds`ping -c1 -W1 ${two.a.address}`
})

scenario(
  'a network that the other host uses survives its removal, and is removed from both when no host uses it',
  async ({ net1, net2 }) => {
    await using used = await sharedNetwork([net1, net2], 'used')
    await using user = await net2.run({ name: 'user', network: used.name })
    await net1.run`/usr/bin/docker network rm ${used.name}` // a driver may refuse it or create the network again
    await net1.waitUntilSucceeds`docker network inspect ${used.name}`
    await using other = await net1.run({ name: 'other', network: used.name })
    expect(other.address).not.toBe(user.address)
    await other.waitUntilSucceeds`ping -c1 -W1 ${user.address}`
    // At the end of the scope the containers are removed, and then the network, from both hosts.
  },
)

scenario('networks are isolated from each other', async ({ net1, net2 }) => {
  await using blue = await sharedNetwork([net1, net2], 'blue')
  await using green = await sharedNetwork([net1, net2], 'green')
  await using two = await pair(net1, net2, blue.name)
  await using lone = await net2.run({ name: 'lone', network: green.name })
  await using member = await net1.run({ name: 'member', network: green.name })
  await two.a.waitUntilSucceeds`ping -c1 -W1 ${two.b.address}`
  await lone.waitUntilSucceeds`ping -c1 -W1 ${member.address}`
  await member.waitUntilSucceeds`ping -c1 -W1 ${lone.address}`
  await two.a.fail`ping -c1 -W1 ${lone.address}`
  await two.b.fail`ping -c1 -W1 ${lone.address}`
  await lone.fail`ping -c1 -W1 ${two.a.address}`
})

scenario('a container joins a second network and leaves it while it runs', async ({ net1, net2 }) => {
  await using blue = await sharedNetwork([net1, net2], 'blue')
  await using green = await sharedNetwork([net1, net2], 'green')
  await using both = await net1.run({ name: 'both', network: blue.name })
  await using other = await net2.run({ name: 'other', network: green.name })
  await both.fail`ping -c1 -W1 ${other.address}`
  await net1.succeed`docker network connect ${green.name} both`
  const ask = '{{.NetworkSettings.Networks.green.IPAddress}}'
  expect(await net1.succeed`docker inspect -f ${ask} both`).not.toBe(other.address)
  await both.succeed`ping -c1 -W1 ${other.address}`
  await net1.succeed`docker network disconnect ${green.name} both`
  await both.fail`ping -c1 -W1 ${other.address}`
})
