/** Two whole drivers over a store in memory and a kernel in memory: what the loops do between engine and store. */
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { TestHost } from '../../../fixtures/host.ts'
import { quickIntervals } from '../../../fixtures/intervals.ts'
import { until } from '../../../fixtures/until.ts'
import { has, host, isDescribed, net1, net2, used, useTwoHosts } from './two-hosts.ts'

useTwoHosts()

describe('with looks that are far apart', () => {
  const far = Object.fromEntries(
    Object.keys(quickIntervals.everyMs).map((it) => [it, 600_000]),
  ) as typeof quickIntervals.everyMs
  const intervals = { ...quickIntervals, everyMs: far }
  const endpoints = () => [...net3.store.snapshot().endpoints.values()]
  let net3: TestHost
  let lost: AbortController
  let asked: number
  beforeEach(async () => {
    net3 = await host(3, { intervals })
    lost = new AbortController()
    const { docker } = net3
    const [events, networks] = [docker.events, docker.networks]
    asked = 0
    docker.events = (signal) => events(AbortSignal.any([signal, lost.signal]))
    docker.networks = () => {
      asked += 1
      return networks()
    }
    await net3.restart()
    await docker.create('foobar')
  })
  afterEach(async () => {
    await net3[Symbol.asyncDispose]()
  })

  test('the end of a container that came without a Leave is found by its event', async () => {
    const { container } = await net3.docker.run('web', 'foobar')
    await until('the engine has shown the container', () => isDescribed(net3))
    net3.docker.crash()
    net3.docker.tell({ type: 'container', action: 'die', id: container, attributes: {} })
    await until('its endpoint is removed', () => endpoints().length === 0)
  })

  test('many events make few looks', async () => {
    const { container } = await net3.docker.run('web', 'foobar')
    await until('the engine has shown the container', () => isDescribed(net3))
    const attributes = { container, type: 'vxlan' }
    asked = 0
    for (let i = 0; i < 200; i++)
      net3.docker.tell({ type: 'network', action: 'disconnect', id: 'foobar', attributes })
    net3.docker.crash()
    await until('its endpoint is removed', () => endpoints().length === 0)
    expect(asked).toBeLessThan(10)
  })

  test('a stream of events that broke is opened again, and everything is looked at', async () => {
    await net3.docker.run('web', 'foobar')
    await until('the engine has shown its container', () => isDescribed(net3))
    const broken = lost
    lost = new AbortController()
    net3.docker.away = true
    broken.abort()
    net3.docker.forgetAll()
    net3.docker.away = false
    await until('its endpoint is removed', () => endpoints().length === 0)
    await has(net3, 'foobar')
  })

  test('the file that names the default network follows Docker’s events', async () => {
    const file = join(dirname(net3.controlSocket), 'default-network')
    await net3.docker.create('multihost')
    await until('the file is there', () => existsSync(file))
    net3.commands.inSwarmMode = async () => true
    const ingress = { name: 'ingress', type: 'overlay' }
    net3.docker.tell({ type: 'network', action: 'create', id: 'ingress', attributes: ingress })
    await until('the file is gone', () => !existsSync(file))
  })
})

test('what Docker was never told of, since the driver died before it answered, is given back', async () => {
  const id = await net1.docker.create('foobar')
  await has(net2, 'foobar')
  const [pool] = [...net1.store.snapshot().pools.keys()]
  const ask = { PoolID: pool, Address: '', Options: {} }
  await net1.docker.call('IpamDriver.RequestAddress', ask)
  await net1.docker.call('IpamDriver.RequestPool', { Pool: '10.77.0.0/16', V6: false })
  await net1.restart()
  await net1.docker.run('web', 'foobar')
  await until('the address is in the reserve', () => used(net1.store.snapshot()) === 1)
  await until('the pool is free', () => net1.store.snapshot().pools.size === 1)
  expect([...net1.store.snapshot().networks.keys()]).toEqual([id])
})

test('what this driver itself was asked for a moment ago is Docker’s to take up', async () => {
  await net1.docker.create('foobar')
  const [pool] = [...net1.store.snapshot().pools.keys()]
  await net1.docker.call('IpamDriver.RequestAddress', { PoolID: pool, Address: '', Options: {} })
  await net1.docker.create('a', { options: {} })
  await until('the loops have looked', () => net1.driver.status().loops.endpoints?.state === 'idle')
  expect(net1.store.snapshot().addresses.size).toBe(1)
})

test('Docker waits for the kernel nearly as long as its call may take', async () => {
  await using net3 = await host(3, { answerWithinMs: 1100 })
  await net3.docker.create('foobar')
  const { apply } = net3.kernel
  let goOn: () => void = () => undefined
  const slow = new Promise<void>((resolve) => {
    goOn = resolve
  })
  net3.kernel.apply = async (ops) => {
    await slow
    return apply(ops)
  }
  await expect(net3.docker.run('one', 'foobar')).rejects.toThrow('has not settled within 100 ms')
  goOn()
})
