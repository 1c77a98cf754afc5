/**
 * Restarts of containers and engines: they come back with their networks, and other traffic goes on.
 */
import { expect } from 'vitest'
import { atEnd } from '../kit/at-end.ts'
import { pair, sharedNetwork } from '../kit/network.ts'
import { lostWhile } from '../kit/pings.ts'
import { scenario } from '../kit/scenario.ts'

// systemd limits the number of starts; the scenarios restart the engine more often.
const restart = 'systemctl reset-failed docker; systemctl restart docker'

scenario('a container that restarts is reachable again, both ways', async ({ hostA, hostB }) => {
  await using blue = await sharedNetwork([hostA, hostB], 'blue')
  await using two = await pair(hostA, hostB, blue.name)
  await two.a.waitUntilSucceeds`ping -c1 -W1 ${two.b.address}`
  await hostB.succeed`docker restart -t0 two`
  const address = await two.b.currentAddress()
  expect(address).not.toBe(two.a.address)
  await two.a.waitUntilSucceeds`ping -c1 -W1 ${address}`
  await two.b.succeed`ping -c1 -W1 ${two.a.address}`
})

scenario(
  'an engine that restarts comes back with its networks, and its containers can be started again',
  async ({ hostA, hostB }) => {
    await using blue = await sharedNetwork([hostA, hostB], 'blue')
    await using two = await pair(hostA, hostB, blue.name)
    await two.a.waitUntilSucceeds`ping -c1 -W1 ${two.b.address}`
    await hostB.succeed`sh -c ${restart}`
    await hostB.within(30_000).waitUntilSucceeds`docker start two`
    await two.a.within(20_000).waitUntilSucceeds`ping -c1 -W1 ${await two.b.currentAddress()}`
    await two.b.succeed`ping -c1 -W1 ${two.a.address}`
  },
)

scenario('an engine with live-restore that restarts loses no packet', async ({ hostA, hostB, needs }) => {
  needs('live-restore')
  await using _engine = atEnd(() => hostB.succeed`rm -f /etc/docker/daemon.json; sh -c ${restart}`)
  await hostB.succeed`echo '{ "live-restore": true }' > /etc/docker/daemon.json; sh -c ${restart}`
  await using blue = await sharedNetwork([hostA, hostB], 'blue')
  await using two = await pair(hostA, hostB, blue.name)
  await two.a.waitUntilSucceeds`ping -c1 -W1 ${two.b.address}`
  const lost = await lostWhile(two.a, two.b, async () => {
    await hostB.succeed`sh -c ${restart}`
    await hostB.within(20_000).waitUntilSucceeds`docker version > /dev/null`
  })
  expect(lost).toBe(0)
  expect(await hostB.succeed`docker ps --format ${'{{.Names}}'}`).toContain('two')
})
