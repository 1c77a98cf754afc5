import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { createClient } from '../../../../../driver/store/consul/client.ts'
import { until } from '../../../../fixtures/until.ts'

test('of the connections that a burst of calls made, a few are kept', async () => {
  const waiting: (() => void)[] = []
  const server = createServer((_, response) => {
    waiting.push(() => response.setHeader('x-consul-index', 9).end('[]'))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const address = { secure: false, servers: [{ host: '127.0.0.1', port }], prefix: 'multihost' }
  const client = createClient({ address, timeoutMs: 4000 })
  const connections = promisify(server.getConnections.bind(server))
  const calls = Array.from({ length: 20 }, () => client.list('m/'))
  await until('all have asked', () => waiting.length === 20)
  expect(await connections()).toBe(20)
  for (const answer of waiting) answer()
  await Promise.all(calls)
  await until('most are closed', async () => (await connections()) <= 4)
  client.close()
  server.close()
})
