/**
 * Addresses are unique, and a requested address is given.
 */
import { expect } from 'vitest'
import { atEnd } from '../kit/at-end.ts'
import { sharedNetwork } from '../kit/network.ts'
import { scenario } from '../kit/scenario.ts'
import { together } from '../kit/together.ts'

scenario('both hosts start containers at once, and all addresses are different', async ({ hostA, hostB }) => {
  await using crowd = await sharedNetwork([hostA, hostB], 'crowd')
  const remove = 'docker ps -aqf name=^crowd- | xargs -r docker rm -f'
  await using _containers = atEnd(() => together([hostA, hostB].map((host) => host.succeed`sh -c ${remove}`)))
  const start = `seq 6 | xargs -P 6 -I{} docker run -d --name crowd-{} --network ${crowd.name} debian:13 sleep infinity`
  const ask = `docker ps -q --filter network=${crowd.name} | xargs docker inspect -f '{{.NetworkSettings.Networks.crowd.IPAddress}}'`
  await together([hostA, hostB].map((host) => host.succeed`sh -c ${start}`))
  const addresses = await together([hostA, hostB].map((host) => host.succeed`sh -c ${ask}`))
  const all = addresses.flatMap((each) => each.split('\n'))
  expect(all).toHaveLength(12)
  expect(all.filter((each) => !/^\d+\.\d+\.\d+\.\d+$/.test(each))).toEqual([])
  expect(new Set(all).size).toBe(12)
})

scenario('--ip is given, and refused to a second container', async ({ hostA, hostB }) => {
  await using fixed = await sharedNetwork([hostA, hostB], 'fixed', ['--subnet', '10.40.0.0/24'])
  await using a = await hostA.run({ name: 'one', network: fixed.name, args: ['--ip', '10.40.0.77'] })
  await using b = await hostB.run({ name: 'two', network: fixed.name })
  expect(a.address).toBe('10.40.0.77')
  await b.waitUntilSucceeds`ping -c1 -W1 10.40.0.77`
  const late = hostB.run({ name: 'late', network: fixed.name, args: ['--ip', '10.40.0.77'] })
  await expect(late).rejects.toThrow('should succeed')
  expect(await hostB.succeed`docker ps -aq --filter name=late`, 'what could not be started').toBe('')
})

scenario('--mac-address is given', async ({ hostA, hostB }) => {
  const mac = '02:42:de:ad:be:ef'
  await using blue = await sharedNetwork([hostA, hostB], 'blue')
  await using a = await hostA.run({ name: 'one', network: blue.name, args: ['--mac-address', mac] })
  await using b = await hostB.run({ name: 'two', network: blue.name })
  expect(await a.succeed`cat /sys/class/net/eth0/address`).toBe(mac)
  await b.waitUntilSucceeds`ping -c1 -W1 ${a.address}`
  expect(await b.succeed`ip neigh show ${a.address}`).toContain(mac)
})
