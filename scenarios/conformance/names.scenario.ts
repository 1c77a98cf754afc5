/**
 * Containers find each other by name on all hosts, by hosts files or by DNS.
 */
import type { Container } from '../kit/host.ts'
import { pair, sharedNetwork } from '../kit/network.ts'
import { scenario } from '../kit/scenario.ts'

/** The name resolves to that address alone. */
const knows = (asker: Container, name: string, address: string) =>
  asker.waitUntilSucceeds`[ "$(timeout 5 getent ahostsv4 ${name} | awk '{print $1}' | sort -u)" = ${address} ]`
const doesNotKnow = (asker: Container, name: string) =>
  asker.waitUntilSucceeds`! timeout 5 getent ahostsv4 ${name}`

scenario('a container on the other host is found by its name and by its alias', async ({ hostA, hostB }) => {
  await using foobar = await sharedNetwork([hostA, hostB], 'foobar')
  await using asker = await hostA.run({ name: 'asker', network: foobar.name })
  await using web = await hostB.run({ name: 'web', network: foobar.name, args: ['--network-alias', 'www'] })
  for (const name of ['web', 'web.foobar', 'www']) await knows(asker, name, web.address)
  for (const name of ['asker', 'asker.foobar']) await knows(web, name, asker.address)
  await asker.succeed`ping -c1 -W1 web`
  await web.succeed`ping -c1 -W1 asker.foobar`
})

scenario('a name is removed when its container stops, and added when it starts', async ({ hostA, hostB }) => {
  await using foobar = await sharedNetwork([hostA, hostB], 'foobar')
  await using asker = await hostA.run({ name: 'asker', network: foobar.name })
  await using web = await hostB.run({ name: 'web', network: foobar.name })
  await knows(asker, 'web', web.address)
  await hostB.succeed`docker stop -t0 web`
  await doesNotKnow(asker, 'web')
  await hostB.succeed`docker start web`
  await knows(asker, 'web', await web.currentAddress())
})

scenario('names of a network are unknown outside of it', async ({ hostA, hostB }) => {
  await using one = await sharedNetwork([hostA, hostB], 'one')
  await using two = await sharedNetwork([hostA, hostB], 'two')
  await using inside = await pair(hostA, hostB, one.name)
  await using secret = await hostB.run({ name: 'secret', network: two.name })
  await using friend = await hostA.run({ name: 'friend', network: two.name })
  await knows(friend, 'secret', secret.address)
  await knows(inside.a, 'two', inside.b.address)
  for (const name of ['secret', 'secret.two', 'friend']) await inside.a.fail`timeout 5 getent hosts ${name}`
})
