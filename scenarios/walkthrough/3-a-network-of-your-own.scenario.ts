/**
 * A network of your own: made on one host, used on both, and its containers behind services.
 */
import { expect } from 'vitest'
import { storedNetwork, storedNetworks, storedServices } from '../kit/store.ts'
import type { Shell } from './page/replay.ts'
import { section } from './page/section.ts'
import { drivers, nameOf, networkTable, recordsOf, replied, serviceTable } from './page/tables.ts'

const heading = section('A network of your own')

heading('Create it', async ({ at, net1, consulServer }) => {
  const id = (await at(net1).types`docker network create -d overlay foobar`).trim()
  expect(id).toMatch(/^[0-9a-f]{64}$/)
  expect((await storedNetwork(consulServer, 'foobar')).id).toBe(id)
  expect(networkTable(await at(net1).types`docker network ls`)).toContainEqual({
    id: id.slice(0, 12),
    name: 'foobar',
    driver: 'overlay',
  })
})

heading('It is on the other host', async ({ at, net2, consulServer }) => {
  const networks = networkTable(await at(net2).eventually`docker network ls`)
  const stored = await storedNetworks(consulServer)
  for (const name of ['foobar', 'multihost']) {
    const { id } = stored.get(name) ?? { id: `none of ${name} in the store` }
    expect(networks).toContainEqual({ id: id.slice(0, 12), name, driver: 'overlay' })
  }
})

heading('A container behind a service', async ({ at, shells, net1, consulServer }) => {
  const bar = await at(net1).enters`docker run -it --rm --publish-service=bar.foobar.overlay debian:13 bash`
  const file = await bar.eventually`cat /etc/hosts`
  const { endpoints } = await storedNetwork(consulServer, 'foobar')
  expect(endpoints).toMatchObject([{ host: 'net-1', service: 'bar' }])
  shells.keep('bar', bar)
  const [{ v4 = '' } = {}] = endpoints
  const name = await nameOf(net1, bar.name)
  expect(drivers(file)).toEqual(
    recordsOf('foobar', [
      [v4, 'bar'],
      [v4, name],
    ]),
  )
})

heading('The services now', async ({ at, shells, net1, net2 }) => {
  const lists = [await at(net1).eventually`docker service ls`, await at(net2).eventually`docker service ls`]
  expect(serviceTable(lists[0] ?? '')).toMatchObject([
    { name: 'bar', network: 'foobar', container: shells.the('bar').name },
  ])
  expect(lists[0]).toBe(lists[1])
})

heading('Another container on the other host', async ({ at, shells, net1, net2, consulServer }) => {
  const [bar, baz] = [
    shells.the('bar'),
    await at(net2).enters`docker run -it --rm --publish-service=baz.foobar.overlay debian:13 bash`,
  ]
  shells.keep('baz', baz)
  const file = await baz.eventually`cat /etc/hosts`
  const { endpoints } = await storedNetwork(consulServer, 'foobar')
  const address = (service: string) => endpoints.find((each) => each.service === service)?.v4 ?? ''
  const records = recordsOf('foobar', [
    [address('bar'), 'bar'],
    [address('bar'), await nameOf(net1, bar.name)],
    [address('baz'), 'baz'],
    [address('baz'), await nameOf(net2, baz.name)],
  ])
  expect(drivers(file)).toEqual(records)
  await net1.waitUntilSucceeds`docker exec ${bar.name} grep -q ${'baz.foobar$'} /etc/hosts`
  expect(drivers(await net1.succeed`docker exec ${bar.name} cat /etc/hosts`)).toEqual(records)
  await reach(baz, 'bar', address('bar'))
  await reach(bar, 'baz', address('baz'))
})

async function reach(from: Shell, name: string, address: string): Promise<void> {
  expect(replied(await from.types`ping -c 1 ${address}`)).toBe(address)
  expect(replied(await from.types`ping -c 1 ${name}`)).toBe(address)
  expect(replied(await from.types`ping -c 1 ${name}.foobar`)).toBe(address)
}

heading('A network that does not exist yet', async ({ at, net1, net2, consulServer }) => {
  expect((await storedNetworks(consulServer)).has('backend')).toBe(false)
  const id = (
    await at(net2)
      .types`docker run -d --name store --publish-service=db.backend.overlay debian:13 sleep infinity`
  ).trim()
  const [db] = serviceTable(await at(net1).eventually`docker service ls --network backend`)
  expect(db).toMatchObject({ name: 'db', network: 'backend', container: id.slice(0, 12) })
  const [service] = await storedServices(consulServer, 'db')
  const { endpoints } = await storedNetwork(consulServer, 'backend')
  expect(endpoints).toMatchObject([{ host: 'net-2', service: 'db', v4: service?.v4 ?? 'none' }])
  await at(net2).types`docker rm -f store`
  const [left] = serviceTable(await at(net2).eventually`docker service ls --network backend`)
  expect(left).toEqual({ ...db, container: '' })
  expect(await storedServices(consulServer, 'db')).toMatchObject([{ id: service?.id, v4: service?.v4 }])
  await at(net2).types`docker service unpublish db.backend`
  await at(net2).types`docker network rm backend`
  expect([...(await storedNetworks(consulServer)).keys()].sort()).toEqual(['foobar', 'multihost'])
})
