import { beforeEach, describe, expect, test } from 'vitest'
import { DriverError } from '../../../../driver/core/errors.ts'
import { ensureNetwork } from '../../../../driver/dialect/make-default-network.ts'
import { serviceCommand } from '../../../../driver/dialect/service-commands.ts'
import { evict } from '../../../../driver/verbs/evict-host.ts'
import { until } from '../../../fixtures/until.ts'
import { type CommandHost, net1, net2, useTwoHosts } from './cluster.ts'

useTwoHosts()
beforeEach(async () => {
  await ensureNetwork(net1, 'multihost')
  await ensureNetwork(net2, 'multihost')
})

async function run(on: CommandHost, line: string): Promise<string> {
  const printed: string[] = []
  try {
    await serviceCommand(line === '' ? [] : line.split(' '), { ...on, print: (text) => printed.push(text) })
  } catch (error) {
    printed.push(`error: ${error instanceof DriverError ? error.line : error}`)
  }
  const text = printed.join('\n')
  return text.replaceAll(/[0-9a-f]{64}/g, '(64 hex)').replaceAll(/\b[0-9a-f]{12}\b/g, '(12 hexes)')
}
const ls = (on: CommandHost, ...more: string[]) => run(on, ['ls', ...more].join(' '))
const lists = (on: CommandHost, what: string) =>
  until(`it lists ${what}`, async () => (await ls(on)).includes(what))

test('without services there is the header alone', async () => {
  expect(await ls(net1)).toBe('SERVICE ID          NAME                NETWORK             CONTAINER')
  expect(await ls(net1, '-q')).toBe('')
})

test('a container is a service by its name, on every host, while it runs', async () => {
  await net1.host.docker.run('distracted_bohr', 'multihost')
  await lists(net2, 'distracted_bohr')
  expect(await ls(net2)).toMatchInlineSnapshot(`
    "SERVICE ID          NAME                NETWORK             CONTAINER
    (12 hexes)        distracted_bohr     multihost           (12 hexes)"
  `)
  expect(await ls(net2, '--network', 'multihost', '--no-trunc')).toContain('(64 hex)')
  await net1.host.docker.stop('distracted_bohr')
  await until('it is gone', async () => !(await ls(net2)).includes('distracted_bohr'))
})

test('a published one is attached on one host, refused on the other, detached, and attached there', async () => {
  expect(await run(net1, 'publish bar')).toBe('(64 hex)')
  net1.docker.create('web')
  expect(await run(net1, 'attach web bar')).toBe('')
  await until('the container is known', async () => (await run(net2, 'info bar')).includes('(web)'))
  expect(await run(net2, 'info bar')).toMatchInlineSnapshot(`
    "Service Id: (64 hex)
    	Name: bar
    	Network: multihost
    	Address: 172.21.0.2
    	Container: (12 hexes) (web)
    	Host: net-1"
  `)
  net2.docker.create('other')
  expect(await run(net2, 'attach other bar')).toMatchInlineSnapshot(
    `"error: service bar.multihost is attached to container web ((12 hexes)) on net-1; a service has one container in the whole cluster; detach that one first"`,
  )
  expect(await run(net2, 'unpublish bar')).toMatchInlineSnapshot(
    `"error: service bar.multihost is attached to container web ((12 hexes)) on net-1; first run: multihost service detach web bar.multihost"`,
  )
  expect(await run(net2, 'detach web bar')).toMatchInlineSnapshot(
    `"error: service bar.multihost is attached to container web ((12 hexes)) on net-1; detach it on net-1"`,
  )
  expect(await run(net1, 'detach web bar')).toBe('')
  expect(await run(net1, 'detach web bar')).toMatchInlineSnapshot(
    `"error: no container is attached to service bar.multihost"`,
  )
  await until('net-2 knows', async () => !(await run(net2, 'info bar')).includes('web'))
  expect(await run(net2, 'attach other bar.multihost')).toBe('')
  await until('the container is known', async () => (await run(net1, 'info bar')).includes('(other)'))
  expect(await run(net2, 'detach other bar')).toBe('')
  expect(await run(net2, 'unpublish bar')).toBe('')
  expect(await ls(net2, '-q')).toBe('')
})

describe('a service whose host was taken out while its container ran on', () => {
  /** net-2 has the container web behind bar, and is out of the cluster. */
  async function takenOut(): Promise<void> {
    await run(net1, 'publish bar')
    net2.docker.create('web')
    await run(net2, 'attach web bar')
    await lists(net1, 'bar')
    await net2.host.stop()
    await evict(net1.host.store, 'net-2')
  }
  const backendOf = async (on: CommandHost) => (await run(on, 'info bar')).split('\n').slice(-2).join()

  test('is behind it again when the host is back', async () => {
    await takenOut()
    expect(await backendOf(net1)).toMatchInlineSnapshot(`"	Container: ,	Host: "`)
    await net2.host.start()
    await until('it is there again', async () => (await backendOf(net1)).includes('(web)'))
    expect(await backendOf(net1)).toMatchInlineSnapshot(`"	Container: (12 hexes) (web),	Host: net-2"`)
    await until('nothing is wrong', () => net2.host.driver.status().problems.length === 0)
  })

  test('is behind it again when an attach on another host failed meanwhile', async () => {
    await takenOut()
    net1.docker.create('other')
    net1.docker.connect = async () => {
      throw new Error('no')
    }
    expect(await run(net1, 'attach other bar')).toContain('no')
    await net2.host.start()
    await until('it is there again', async () => (await backendOf(net1)).includes('(web)'))
    await until('nothing is wrong', () => net2.host.driver.status().problems.length === 0)
  })

  test('gives way to the container that took it, and the host says so', async () => {
    await takenOut()
    net1.docker.create('other')
    expect(await run(net1, 'attach other bar')).toBe('')
    await net2.host.start()
    const sentence = /container web is cut off .* went to service bar and container other on net-1/
    await until('net-2 says so', () => net2.host.driver.status().problems.some((it) => sentence.test(it)))
    expect(await backendOf(net2)).toMatchInlineSnapshot(`"	Container: (12 hexes) (other),	Host: net-1"`)
  })
})

test('an attach that the engine refuses leaves the service free', async () => {
  await run(net1, 'publish bar')
  net1.docker.create('web')
  const { connect } = net1.docker
  net1.docker.connect = async () => {
    throw new Error('no')
  }
  expect(await run(net1, 'attach web bar')).toContain('no')
  net1.docker.connect = connect
  expect(await run(net1, 'attach web bar')).toBe('')
})

describe('a container that does not run and is configured for the network', () => {
  const addressOf = async (on: CommandHost, name: string) => (await on.calls.services.find(name)).v4

  test('is refused, since Docker would drop the address, and the service stays with its container', async () => {
    await run(net1, 'publish bar')
    net1.docker.create('web')
    await run(net1, 'attach web bar')
    await net1.host.docker.stop('web')
    await until('net-2 knows', async () => (await run(net2, 'info bar')).endsWith('Host: '))
    const before = [...(await net1.host.store.read()).services]
    net2.docker.create('other', [{ name: 'multihost', id: '' }])
    expect(await run(net2, 'attach other bar')).toMatchInlineSnapshot(
      `"error: container other does not have the address of service bar.multihost; if other is on network multihost already, first: docker network disconnect multihost other"`,
    )
    net2.docker.create('third', [{ name: 'multihost', id: '', v4: '172.21.0.99' }])
    expect(await run(net2, 'attach third bar')).toContain('docker network disconnect multihost third')
    expect([...(await net1.host.store.read()).services]).toEqual(before)
    await net1.host.docker.run('web', 'multihost', { ip: await addressOf(net1, 'bar') })
  })

  test('is attached when the network was an earlier one of that name, which Docker replaces', async () => {
    await run(net1, 'publish bar')
    net1.docker.create('web', [{ name: 'multihost', id: 'f'.repeat(64), v4: '172.21.0.99' }])
    expect(await run(net1, 'attach web bar')).toBe('')
    await until('it is behind it', async () => (await run(net1, 'info bar')).includes('(web)'))
  })

  test('is attached again when Docker has the service’s address for it already', async () => {
    await run(net1, 'publish bar')
    const v4 = await addressOf(net1, 'bar')
    net1.docker.create('web', [{ name: 'multihost', id: '', v4 }])
    expect(await run(net1, 'attach web bar')).toBe('')
    // It waits for its start: another container may take its place at once, and no half minute is over.
    net2.docker.create('other')
    expect(await run(net2, 'attach other bar')).toBe('')
    await expect(net1.host.docker.run('web', 'multihost', { ip: v4 })).rejects.toThrow('belongs to service')
  })
})

test('an attach that the engine refuses leaves the service with the container of another host', async () => {
  await run(net1, 'publish bar')
  net1.docker.create('web')
  await run(net1, 'attach web bar')
  await net1.host.docker.stop('web')
  await until('net-2 knows', async () => (await run(net2, 'info bar')).endsWith('Host: '))
  const before = (await net1.host.store.read()).services
  net2.docker.create('other')
  net2.docker.connect = async () => {
    throw new Error('no')
  }
  expect(await run(net2, 'attach other bar')).toContain('no')
  const after = (await net1.host.store.read()).services
  expect([...after.values()].map(({ value }) => value)).toEqual(
    [...before.values()].map(({ value }) => value),
  )
  const { v4: ip } = await net1.calls.services.find('bar')
  await net1.host.docker.run('web', 'multihost', { ip })
})

test('what is wrong is said with the way out, and changes nothing', async () => {
  const before = await net1.host.store.read()
  const lines = [
    '',
    'frob',
    'ls extra',
    'ls --frob',
    'ls --network nope',
    'info nope',
    'publish',
    'publish bar.nope',
    'publish -bar',
    'publish bär',
    'unpublish nope',
    'attach web',
    'attach nope bar',
    'detach web nope',
  ].map(async (line) => `${line}: ${(await run(net1, line)).split('\n')[0]}`)
  expect((await Promise.all(lines)).join('\n')).toMatchInlineSnapshot(`
    ": services: names with a fixed address; a service has at most one container in the whole cluster
    frob: error: there is no command 'service frob'; there are ls, info, publish, unpublish, attach, detach; Swarm's own services need swarm mode
    ls extra: error: 'service ls' takes no names, not 'extra'; use: service ls
    ls --frob: error: Unknown option '--frob'; see 'multihost service --help'
    ls --network nope: error: the cluster has no network 'nope'; its networks are multihost; create one with: docker network create -d vxlan --ipam-driver vxlan nope
    info nope: error: there is no service 'nope' on network multihost; 'multihost service ls' lists the services; name one of another network as SERVICE.NETWORK
    publish: error: 'service publish' takes SERVICE[.NETWORK], not nothing; use: service publish SERVICE[.NETWORK]
    publish bar.nope: error: the cluster has no network 'nope'; its networks are multihost; create one with: docker network create -d vxlan --ipam-driver vxlan nope
    publish -bar: error: Unknown option '-b'; see 'multihost service --help'
    publish bär: error: 'bär' is not a valid service name; use at most 63 letters, digits, dots, dashes and underscores, starting with a letter or digit
    unpublish nope: error: there is no service 'nope' on network multihost; 'multihost service ls' lists the services; name one of another network as SERVICE.NETWORK
    attach web: error: 'service attach' takes CONTAINER SERVICE[.NETWORK], not 'web'; use: service attach CONTAINER SERVICE[.NETWORK]
    attach nope bar: error: No such container: nope
    detach web nope: error: there is no service 'nope' on network multihost; 'multihost service ls' lists the services; name one of another network as SERVICE.NETWORK"
  `)
  const after = await net1.host.store.read()
  expect([...after.services, ...after.addresses]).toEqual([...before.services, ...before.addresses])
})
