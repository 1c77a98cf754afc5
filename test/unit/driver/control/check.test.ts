/** Whole drivers over a store and kernels in memory: each plane is broken by hand, found, and repaired. */
import { afterEach, beforeEach, expect, test } from 'vitest'
import { exitCodeOf, showCheck } from '../../../../driver/cli/check.ts'
import type { CheckResult } from '../../../../driver/control/check.ts'
import { ask } from '../../../../driver/control/client.ts'
import type { Attachment } from '../../../fixtures/dockerd.ts'
import { type FakeKernel, fakeKernel } from '../../../fixtures/fake-kernel.ts'
import { startHost, type TestHost } from '../../../fixtures/host.ts'
import { createMemoryCluster, type MemoryCluster } from '../../../fixtures/memory-store.ts'
import { until } from '../../../fixtures/until.ts'

let memory: MemoryCluster
let kernel: FakeKernel
let net1: TestHost
let net2: TestHost
let one: Attachment
beforeEach(async () => {
  memory = createMemoryCluster()
  const first = await host(1)
  kernel = first.kernel
  net1 = first.host
  net2 = (await host(2)).host
  await net1.docker.create('foobar')
  await expect.poll(() => net2.docker.ls()).toEqual(['foobar'])
  one = await net1.docker.run('one', 'foobar')
  await net2.docker.run('two', 'foobar')
})
afterEach(async () => {
  await Promise.all([net1[Symbol.asyncDispose](), net2[Symbol.asyncDispose]()])
})

async function host(number: number) {
  const name = `net-${number}`
  const underlay = { device: 'eth1', address: `192.168.33.1${number}`, mtuBytes: 1500 }
  const kernel = fakeKernel({ interfaces: [underlay] })
  const plug = async (_: string, { device }: Attachment) => kernel.take(device)
  const unplug = async () => undefined
  const openStore = () => memory.open(name)
  return { kernel, host: await startHost({ name, kernel, underlay, openStore, plug, unplug }) }
}

const check = (on: TestHost, within = 5): Promise<CheckResult> =>
  ask<CheckResult>(on.controlSocket, 'GET', `/check?within=${within}`)
const repair = (on: TestHost, within = 5): Promise<CheckResult> =>
  ask(on.controlSocket, 'POST', `/check?within=${within}`)
/** Until the loops have nothing to do any more. */
const agree = async (on: TestHost): Promise<void> => expect(showCheck(await check(on))).toContain('agree')

test('planes that agree are exit code 0', async () => {
  await Promise.all([agree(net1), agree(net2)])
  const result = await check(net1, 0)
  expect([exitCodeOf(result), showCheck(result)]).toEqual([0, 'Consul, the kernel and Docker agree on net-1'])
})

test('damage in the kernel is found by a look, and gone after the loops had their time', async () => {
  await agree(net1)
  const [namespace = ''] = await kernel.namespaces()
  await until('it is found before the loop repairs it', async () => {
    kernel.damage(namespace, (have) => ({ ...have, fdb: [] }))
    const result = await check(net1, 0)
    return (
      exitCodeOf(result) === 1 && /FDB entry .* found nothing, expected 192.168.33.12/.test(showCheck(result))
    )
  })
  await agree(net1)
})

test('an endpoint that Docker lost is found, and repair takes it out of the store', async () => {
  await agree(net1)
  net1.docker.crash()
  expect(showCheck(await check(net1, 0))).toMatch(/docker: endpoint .* found nothing/)
  expect(exitCodeOf(await repair(net1))).toBe(0)
  expect(net1.store.snapshot().endpoints.size).toBe(1)
})

test('a claim that was deleted by hand is found and lasts until it is repaired', async () => {
  await agree(net1)
  const [vni] = [...net1.store.snapshot().vnis]
  if (vni === undefined) throw new Error('there is no VNI')
  await net1.store.commit([{ op: 'remove', table: 'vnis', key: vni[0], index: vni[1].index }])
  const result = await check(net1, 0.3)
  expect(result.differences.map(({ object }) => object)).toEqual(['claim vnis/256 of network foobar'])
  expect(exitCodeOf(await repair(net1, 0.3))).toBe(0)
  expect(net1.store.snapshot().vnis.get('256')?.value).toBe(vni[1].value)
})

test('an endpoint whose records were deleted by hand gets them back, and its container keeps its address', async () => {
  await agree(net1)
  const snapshot = net1.store.snapshot()
  const found = [...snapshot.endpoints].find(([, { value }]) => value.id === one.endpoint)
  const lease = [...snapshot.addresses].find(([key]) => key.endsWith(`/${one.v4}`))
  if (found === undefined || lease === undefined) throw new Error('the endpoint is not in the store')
  await net2.store.commit([
    { op: 'remove', table: 'endpoints', key: found[0], index: found[1].index },
    { op: 'remove', table: 'addresses', key: lease[0], index: lease[1].index },
  ])
  await expect
    .poll(() => net2.store.snapshot().endpoints.get(found[0])?.value)
    .toMatchObject({
      ...{ id: one.endpoint, v4: one.v4, mac: one.mac, host: 'net-1', joined: true },
      container: { name: 'one' },
    })
  await agree(net1)
  expect(kernel.lines.filter((line) => line.startsWith('link del veth'))).toEqual([])
})

test('a store that is away, or a Docker, is unknown and not empty: exit code 2', async () => {
  await agree(net1)
  net1.docker.away = true
  const noDocker = await check(net1, 0)
  expect([exitCodeOf(noDocker), noDocker.differences]).toEqual([2, []])
  expect(showCheck(noDocker)).toContain('Docker cannot be read')
  net1.docker.away = false
  memory.away = true
  const noStore = await check(net1, 0)
  expect([exitCodeOf(noStore), noStore.differences]).toEqual([2, []])
  expect(showCheck(noStore)).toContain('Consul cannot be read')
  memory.away = false
})

test('how long to wait must be a number of seconds', async () => {
  await expect(ask(net1.controlSocket, 'GET', '/check?within=soon')).rejects.toThrow('within=soon')
})
