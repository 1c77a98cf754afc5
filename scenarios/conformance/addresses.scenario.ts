/**
 * Addresses are unique, and a requested address is given.
 */
import { expect } from 'vitest'
import { sharedNetwork } from '../kit/network.ts'
import { together } from '../kit/together.ts'
import { scenario } from './scenario.ts'

scenario('both hosts start containers at once, and all addresses are different', async ({ net1, net2 }) => {
  await using crowd = await sharedNetwork([net1, net2], 'crowd')
  const start = `seq 6 | xargs -P 6 -I{} docker run -d --name crowd-{} --network ${crowd.name} debian:13 sleep infinity`
  const ask = `docker ps -q --filter network=${crowd.name} | xargs docker inspect -f '{{.NetworkSettings.Networks.crowd.IPAddress}}'`
  await together([net1, net2].map((host) => host.succeed`sh -c ${start}`))
  const addresses = await together([net1, net2].map((host) => host.succeed`sh -c ${ask}`))
  const all = addresses.flatMap((each) => each.split('\n'))
  expect(all).toHaveLength(12)
  expect(all.filter((each) => !/^\d+\.\d+\.\d+\.\d+$/.test(each))).toEqual([])
  expect(new Set(all).size).toBe(12)
  await together([net1, net2].map((host) => host.succeed`docker ps -aq | xargs docker rm -f`))
})

scenario('--ip is given, and refused to a second container', async ({ net1, net2 }) => {
  await using fixed = await sharedNetwork([net1, net2], 'fixed', ['--subnet', '10.40.0.0/24'])
  await using a = await net1.run({ name: 'one', network: fixed.name, args: ['--ip', '10.40.0.77'] })
  await using b = await net2.run({ name: 'two', network: fixed.name })
  expect(a.address).toBe('10.40.0.77')
  await b.waitUntilSucceeds`ping -c1 -W1 10.40.0.77`
  const late = net2.run({ name: 'late', network: fixed.name, args: ['--ip', '10.40.0.77'] })
  await expect(late).rejects.toThrow('should succeed')
  expect(await net2.succeed`docker ps -aq --filter name=late`, 'what could not be started').toBe('')
})

scenario('--mac-address is given', async ({ net1, net2 }) => {
  const mac = '02:42:de:ad:be:ef'
  await using blue = await sharedNetwork([net1, net2], 'blue')
  await using a = await net1.run({ name: 'one', network: blue.name, args: ['--mac-address', mac] })
  await using b = await net2.run({ name: 'two', network: blue.name })
  expect(await a.succeed`cat /sys/class/net/eth0/address`).toBe(mac)
  await b.waitUntilSucceeds`ping -c1 -W1 ${a.address}`
  expect(await b.succeed`ip neigh show ${a.address}`).toContain(mac)
})
