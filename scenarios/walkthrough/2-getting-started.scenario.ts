/**
 * Getting started: containers on two hosts, on the default network that the first of them makes.
 */
import { expect } from 'vitest'
import packageJson from '../../package.json' with { type: 'json' }
import { storedNetwork } from '../kit/store.ts'
import type { Shell } from './page/replay.ts'
import { section } from './page/section.ts'
import { drivers, hostsFile, nameOf, networkTable, recordsOf, replied, serviceTable } from './page/tables.ts'

const heading = section('Getting started')
let first: Shell
let second: Shell

heading('Which engine, which driver', async ({ at, net1 }) => {
  const engine = await net1.succeed`docker info --format ${'{{.ServerVersion}}'}`
  expect(await at(net1).types`docker version`).toContain(`Version:          ${engine}`)
  expect(await at(net1).types`multihost --version`).toContain(`multihost ${packageJson.version} (`)
})

heading('The networks that every engine has', async ({ at, net1, net2 }) => {
  const names = networkTable(await at(net1).eventually`docker network ls`).map(({ name }) => name)
  expect(names.sort()).toEqual(['bridge', 'docker_gwbridge', 'host', 'none'])
  expect(await net2.succeed`docker network ls --format ${'{{.Name}}'}`).not.toContain('multihost')
})

heading('No services', async ({ at, net1 }) => {
  expect(serviceTable(await at(net1).types`docker service ls`)).toEqual([])
})

heading('A container on net-1', async ({ at, net1, consulServer }) => {
  first = await at(net1).enters`docker run -it --rm debian:13 bash`
  const file = await first.eventually`cat /etc/hosts`
  const name = await nameOf(net1, first.name)
  // A host knows the names of its containers before Consul does.
  await expect
    .poll(async () => (await storedNetwork(consulServer, 'multihost')).endpoints)
    .toMatchObject([{ host: 'net-1', container: { name } }])
  const { endpoints } = await storedNetwork(consulServer, 'multihost')
  const [{ v4 = '' } = {}] = endpoints
  expect(drivers(file)).toEqual(recordsOf('multihost', [[v4, name]]))
  expect(hostsFile(file)).toContainEqual([v4, first.name])
})

heading('The default network', async ({ at, net1, consulServer }) => {
  const networks = networkTable(await at(net1).types`docker network ls`)
  const { id } = await storedNetwork(consulServer, 'multihost')
  expect(networks.find(({ name }) => name === 'multihost')).toMatchObject({
    id: id.slice(0, 12),
    driver: 'overlay',
  })
  expect(await net1.succeed`cat /etc/default/docker`).toContain('--default-network=overlay:multihost')
})

heading('The other host knows', async ({ at, net1, net2, consulServer }) => {
  const networks = networkTable(await at(net2).eventually`docker network ls`)
  const { id } = await storedNetwork(consulServer, 'multihost')
  expect(networks.find(({ name }) => name === 'multihost')).toMatchObject({
    id: id.slice(0, 12),
    driver: 'overlay',
  })
  const services = serviceTable(await at(net2).eventually`docker service ls`)
  expect(services).toMatchObject([
    { name: await nameOf(net1, first.name), network: 'multihost', container: first.name },
  ])
})

heading('A container on net-2', async ({ at, net1, net2, consulServer }) => {
  second = await at(net2).enters`docker run -it --rm debian:13 bash`
  const files = [await second.eventually`cat /etc/hosts`, await first.eventually`cat /etc/hosts`]
  const { endpoints } = await storedNetwork(consulServer, 'multihost')
  const names = { 'net-1': await nameOf(net1, first.name), 'net-2': await nameOf(net2, second.name) }
  const records = Object.entries(names).map(([host, name]) => {
    expect(endpoints.filter((each) => each.host === host)).toMatchObject([{ container: { name } }])
    return [endpoints.find((each) => each.host === host)?.v4 ?? '', name] as const
  })
  for (const file of files) expect(drivers(file)).toEqual(recordsOf('multihost', records))
  expect(endpoints).toHaveLength(2)
})

heading('They reach each other', async ({ net1, net2, consulServer }) => {
  const { endpoints } = await storedNetwork(consulServer, 'multihost')
  const to = (host: string) => endpoints.find((endpoint) => endpoint.host === host)?.v4 ?? ''
  const names = { one: await nameOf(net1, first.name), two: await nameOf(net2, second.name) }
  const there = [
    await first.types`ping -c 1 ${to('net-2')}`,
    await first.types`ping -c 1 ${names.two}`,
    await first.types`ping -c 1 ${names.two}.multihost`,
  ]
  const back = [
    await second.types`ping -c 1 ${to('net-1')}`,
    await second.types`ping -c 1 ${names.one}`,
    await second.types`ping -c 1 ${names.one}.multihost`,
  ]
  expect(there.map(replied)).toEqual(Array(3).fill(to('net-2')))
  expect(back.map(replied)).toEqual(Array(3).fill(to('net-1')))
})

heading('Leave both', async ({ at, net1, consulServer }) => {
  await second.types`exit`
  await first.types`exit`
  await at(net1).eventually`docker service ls`
  await expect.poll(async () => (await storedNetwork(consulServer, 'multihost')).endpoints).toEqual([])
})
