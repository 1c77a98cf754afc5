import { createServer } from 'node:http'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import {
  attachedContainers,
  hasLeftovers,
  heldElsewhere,
  removeFromDocker,
} from '../../../../driver/membership/removal.ts'
import { temporaryFolder } from '../../../fixtures/temporary-folder.ts'

const networkAt = (name: string) => ({ Name: name, Id: `${name}-id`, Driver: 'vxlan', IPAM: { Config: [] } })

/** `refusals`: by `METHOD PATH`. All other requests that change something succeed. */
async function docker(
  networks: readonly string[],
  refusals: Record<string, string> = {},
  containers: readonly object[] = [],
) {
  const folder = temporaryFolder()
  const changes: string[] = []
  const server = createServer((request, response) => {
    const path = decodeURIComponent(request.url ?? '').replace(/^\/v1\.\d+/, '')
    const call = `${request.method} ${path}`
    if (request.method !== 'GET') changes.push(call)
    const refusal = refusals[call]
    const body = path.startsWith('/networks?') ? networks.map(networkAt) : containers
    response.setHeader('content-type', 'application/json').setHeader('api-version', '1.41')
    if (refusal !== undefined) response.writeHead(403).end(JSON.stringify({ message: refusal }))
    else if (request.method === 'GET') response.end(path === '/_ping' ? 'OK' : JSON.stringify(body))
    else response.writeHead(204).end()
  })
  const dockerSocket = join(folder, 'docker.sock')
  await new Promise<void>((resolve) => server.listen(dockerSocket, resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const options = {
    dockerSocket,
    socket: join(folder, 'vxlan.sock'),
    controlSocket: join(folder, 'control.sock'),
  }
  return { options, changes }
}

test('networks that Docker has without a driver are leftovers', async () => {
  const { options } = await docker(['foobar'])
  expect(await hasLeftovers(options)).toBe(true)
  expect(await hasLeftovers({ ...options, dockerSocket: '/nowhere' })).toBe(false)
  const none = await docker([])
  expect(await hasLeftovers(none.options)).toBe(false)
})

test('containers count however they name their network: by name, by an id, or by its start', async () => {
  const container = (name: string, network: string, NetworkID = '') => ({
    ...{ Names: [`/${name}`], State: 'created' },
    NetworkSettings: { Networks: { [network]: { NetworkID } } },
  })
  const name = '0123456789abcd'
  const { options } = await docker([name, 'foobar'], {}, [
    container('by-name', 'foobar', 'older-id'),
    container('by-id', 'foobar-id'),
    container('renamed', 'old', 'foobar-id'),
    container('by-start', '0123456789ab'),
    container('other', 'bridge', 'b'),
    container('too-short', '0123'),
  ])
  expect(await attachedContainers(options)).toEqual([
    { container: 'by-name', network: 'foobar' },
    { container: 'by-id', network: 'foobar', writtenAs: 'foobar-id' },
    { container: 'renamed', network: 'foobar', writtenAs: 'old' },
    { container: 'by-start', network: name, writtenAs: '0123456789ab' },
  ])
})

test('a network that Docker does not let go ends nothing, and is named', async () => {
  const refusal = 'error while removing network: network stale has active endpoints'
  const { options, changes } = await docker(['stale', 'foobar'], { 'DELETE /networks/stale-id': refusal })
  const attached = [{ container: 'web', network: 'foobar' }]
  expect(await removeFromDocker(options, attached)).toEqual({
    disconnected: attached,
    refused: [`network stale stays in Docker (the engine: ${refusal})`],
  })
  expect(changes).toEqual([
    'POST /networks/foobar/disconnect',
    'DELETE /networks/stale-id',
    'DELETE /networks/foobar-id',
  ])
})

test('a container that was made with the id of its network is named with what to do, and not as disconnected', async () => {
  const refusal = 'container c1 is not connected to the network foobar'
  const { options } = await docker(['foobar'], { 'POST /networks/foobar/disconnect': refusal })
  const attached = [{ container: 'web', network: 'foobar', writtenAs: 'foobar-id' }]
  expect(await removeFromDocker(options, attached)).toEqual({
    disconnected: [],
    refused: [
      "container web was made for network foobar as 'foobar-id' and has never started, so that Docker cannot disconnect it: remove it, and make it anew where it is needed (the engine: container c1 is not connected to the network foobar)",
    ],
  })
})

test('a container that was made with the id of its network has another reason where Docker gives another one', async () => {
  const refusal = 'context deadline exceeded'
  const { options } = await docker(['foobar'], { 'POST /networks/foobar/disconnect': refusal })
  const attached = [{ container: 'web', network: 'foobar', writtenAs: 'foobar-id' }]
  expect((await removeFromDocker(options, attached)).refused).toEqual([
    'container web stays on network foobar (the engine: context deadline exceeded)',
  ])
})

test('records with an address of another machine may be of this host’s earlier one, or of a copied disk', () => {
  const holder = { id: 'a', vtep: '192.0.2.1', session: undefined }
  const lost =
    "has the address 192.0.2.1, which this host does not have: if it is this host's old one, set --bind-interface, 'systemctl restart multihost', and repeat"
  expect(heldElsewhere('net-1', holder)).toBe(`the name net-1 ${lost}`)
  expect(heldElsewhere('net-1', { ...holder, session: 's' })).toBe(
    `the name net-1 is held by a live driver, which ${lost}; if not, one disk is a copy of the other`,
  )
  for (const vtep of ['127.0.0.1', undefined])
    expect(heldElsewhere('net-1', { ...holder, vtep })).toBeUndefined()
})

test('records stay, and no session is ended, where a live driver has this host’s id and address, and is another’s', () => {
  const holder = { id: 'a', vtep: '127.0.0.1', session: 's' }
  expect(heldElsewhere('net-1', { ...holder, isOwnSession: true })).toBeUndefined()
  expect(heldElsewhere('net-1', { ...holder, isOwnSession: false })).toBe(
    "the name net-1 is held by a live driver with this host's id and address 127.0.0.1, which this machine has not started: one disk is a copy of the other; if not, repeat it in half a minute",
  )
})

test('records stay, and no session is ended, where the key of the name does not say whose it is', () => {
  expect(heldElsewhere('net-1', { id: undefined, vtep: undefined, session: 's' })).toBe(
    'the key alive/net-1 cannot be read, and the name may be of another host: delete the key if it is not',
  )
})

test('records stay, for the true reason, where the system does not say which addresses this host has', () => {
  const holder = { id: 'a', vtep: '192.0.2.1', session: undefined }
  expect(heldElsewhere('net-1', holder, () => undefined)).toBe(
    'the name net-1 has the address 192.0.2.1, and the system does not say whether this host has it: repeat it',
  )
})
