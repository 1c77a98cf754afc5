/** Names through whole drivers: from a container's start on one host to DNS on the other. */
import { afterEach, beforeEach, expect, test } from 'vitest'
import { fakeKernel } from '../../../fixtures/fake-kernel.ts'
import { hostInMemory, noDns, startHost, type TestHost } from '../../../fixtures/host.ts'
import { quickIntervals } from '../../../fixtures/intervals.ts'
import { createMemoryCluster } from '../../../fixtures/memory-store.ts'
import { until } from '../../../fixtures/until.ts'
import { askUdp, question } from '../dns/client.ts'

let hosts: TestHost[]
beforeEach(async () => {
  const memory = createMemoryCluster()
  hosts = await Promise.all(
    [1, 2].map((number) =>
      hostInMemory(memory, number, {
        more: { names: { ...noDns, dnsListen: { address: '127.0.0.1', port: 0 }, hostsFileLimit: 1 } },
      }),
    ),
  )
})
afterEach(async () => {
  await Promise.all(hosts.map((host) => host[Symbol.asyncDispose]()))
})

/** The network on both hosts, and what net-2's DNS says to a name. */
async function withFoobar() {
  const [net1, net2] = hosts as [TestHost, TestHost]
  await until('DNS answers', () => net2.driver.status().names.dns?.lastError === undefined)
  const port = Number(net2.driver.status().names.dns?.address.split(':')[1])
  await net1.docker.create('foobar')
  const resolved = async (name: string): Promise<unknown> =>
    (await askUdp(port, question(name))).answers[0]?.data
  return { net1, net2, resolved }
}

test('a container is known by name before it runs, and holds up no running container', async () => {
  const { net1, resolved } = await withFoobar()
  let start = (): void => undefined
  net1.docker.starting = new Promise((resolve) => {
    start = resolve
  })
  const running = net1.docker.run('slow', 'foobar', { aliases: ['www'] })
  await until('net-2 resolves it', async () => (await resolved('slow.foobar')) !== undefined)
  net1.docker.starting = undefined
  const { v4 } = await net1.docker.run('fast', 'foobar', { aliases: ['api'] })
  await until('net-2 resolves the other one’s alias', async () => (await resolved('api')) === v4)
  expect(await resolved('www')).toBeUndefined()
  start()
  const slow = await running
  await until('net-2 resolves its alias', async () => (await resolved('www')) === slow.v4)
  expect(await resolved('slow')).toBe(slow.v4)
})

test('a container is known by name on the other host when it has started, and not when it has stopped', async () => {
  const { net1, net2, resolved } = await withFoobar()
  const { v4 } = await net1.docker.run('web', 'foobar', { aliases: ['www'] })
  await until('net-2 resolves it', async () => (await resolved('web.foobar')) === v4)
  await until('net-2 resolves its alias', async () => (await resolved('www')) === v4)
  net1.docker.rename('web', 'site')
  await until('net-2 resolves its new name', async () => (await resolved('site')) === v4)
  await net1.docker.run('second', 'foobar')
  await until(
    'the network is too large for hosts files',
    () => net2.driver.status().names.dnsOnly[0] === 'foobar',
  )
  await net1.docker.stop('site')
  await until('net-2 does not resolve it any more', async () => (await resolved('site.foobar')) === undefined)
  expect(net2.driver.status().problems).toEqual([])
})

test('rules that the kernel says are other ones are looked at at once', async () => {
  const underlay = { device: 'eth1', address: '192.168.33.13', mtuBytes: 1500 }
  const looks = { redirect: 0, filter: 0 }
  let changed = (): void => undefined
  await using _host = await startHost({
    name: 'net-3',
    kernel: {
      ...fakeKernel({ interfaces: [underlay] }),
      async redirect() {
        looks.redirect++
        return 0
      },
      async tunnelFilter() {
        looks.filter++
        return { arriving: 0, misrouted: 0, leaving: 0 }
      },
      watchRules(told) {
        changed = told
        return { close: async () => undefined }
      },
    },
    underlay,
    openStore: () => createMemoryCluster().open('net-3'),
    more: {
      names: { ...noDns, dnsListen: { address: '127.0.0.1', port: 53, ownPort: 0 } },
      intervals: {
        ...quickIntervals,
        everyMs: { ...quickIntervals.everyMs, dnsAddress: 60_000, filter: 60_000 },
      },
    },
  })
  await until('both have been looked at', () => looks.redirect > 0 && looks.filter > 0)
  const before = { ...looks }
  changed()
  await until('both are looked at again', () => {
    return looks.redirect > before.redirect && looks.filter > before.filter
  })
})

test('questions that are led to the DNS server and that it never reads are a problem in status', async () => {
  const underlay = { device: 'eth1', address: '192.168.33.13', mtuBytes: 1500 }
  let redirected = 0
  await using host = await startHost({
    name: 'net-3',
    kernel: { ...fakeKernel({ interfaces: [underlay] }), redirect: async () => redirected++ },
    underlay,
    openStore: () => createMemoryCluster().open('net-3'),
    more: { names: { ...noDns, dnsListen: { address: '127.0.0.1', port: 53, ownPort: 0 } } },
  })
  await until('status names the address', () =>
    host.driver
      .status()
      .problems.some((it) => it.startsWith('questions for names do not arrive at 127.0.0.1:')),
  )
})
