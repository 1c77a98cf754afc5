/** Against a server that answers when the test says so: what Consul does on a machine that is too busy for it. */
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, onTestFinished, test } from 'vitest'
import { createClient } from '../../../../../driver/store/consul/client.ts'

const timeoutMs = 200
let server: Server | undefined
afterEach(() => server?.closeAllConnections())

async function clientOf(
  answer: (request: IncomingMessage, response: ServerResponse) => void,
  tokenFile?: string,
) {
  server = createServer(answer).listen(0, '127.0.0.1').unref()
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return createClient({
    address: { secure: false, servers: [{ host: '127.0.0.1', port }], prefix: 'm' },
    timeoutMs,
    tokenFile,
  })
}

function inFolder(name: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'multihost-token-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  return join(folder, name)
}

const item = { Key: 'm/vnis/256', ModifyIndex: 7, Value: Buffer.from('"n1"').toString('base64') }
const full = JSON.stringify([item])

test('a list arrives with its index, its values decoded', async () => {
  const client = await clientOf((_, response) => response.setHeader('x-consul-index', 9).end(full))
  const items = [{ key: 'm/vnis/256', index: 7, text: '"n1"' }]
  expect(await client.list('m/')).toEqual({ items, index: 9, bytes: full.length, filtered: false })
})

test('a large list may take longer than any other call, as long as Consul answers others', async () => {
  let asked = 0
  let finish: () => void = () => undefined
  const client = await clientOf((request, response) => {
    if (request.url?.startsWith('/v1/kv/')) finish = () => response.end(full)
    else response.end(`"127.0.0.1:8300"`, () => ++asked === 4 && finish())
  })
  expect((await client.list('m/', { patient: true })).items).toHaveLength(1)
  expect(asked, 'once for every half of the bound').toBe(4)
})

test('a list that comes in pieces is not late while pieces come', async () => {
  const client = await clientOf(async (_, response) => {
    for (const piece of full.match(/.{1,20}/g) ?? []) {
      response.write(piece)
      await new Promise((resolve) => setTimeout(resolve, timeoutMs / 4))
    }
    response.end()
  })
  expect((await client.list('m/')).items).toHaveLength(1)
})

test('a server without any answer is not waited for', async () => {
  const client = await clientOf(() => undefined)
  const late = { code: 'unavailable', message: expect.stringContaining('timed out') }
  await expect(client.list('m/', { patient: true })).rejects.toMatchObject(late)
  await expect(client.list('m/')).rejects.toMatchObject(late)
})

test.each([
  ['is not there', undefined, /--kv-token-file=\S+ cannot be read: ENOENT/],
  ['is empty', '\n', /the file of --kv-token-file=\S+ is empty/],
  ['has more than the token', 'SecretID: a\n', /the file of --kv-token-file=\S+ has more than one word/],
])('a token file that %s is waited for, with the reason', async (_, content, words) => {
  const tokenFile = inFolder('token')
  if (content !== undefined) writeFileSync(tokenFile, content)
  const open = clientOf((_, response) => response.end(full), tokenFile)
  await expect(open).rejects.toMatchObject({ code: 'unavailable', message: expect.stringMatching(words) })
  writeFileSync(tokenFile, 'secret\n')
  expect(
    (await (await clientOf((_, response) => response.end(full), tokenFile)).list('m/')).items,
  ).toHaveLength(1)
})

test('a token that Consul does not know any more is read again, and the call is made with the new one', async () => {
  const tokenFile = inFolder('token')
  writeFileSync(tokenFile, 'old\n')
  let valid = 'old'
  const asked: string[] = []
  const client = await clientOf((request, response) => {
    const token = request.headers['x-consul-token']
    asked.push(`${request.method} ${token}`)
    if (token !== valid) response.writeHead(403).end('ACL not found')
    else if (request.method === 'GET') response.end(full)
    else response.setHeader('content-type', 'application/json').end('{"ID":"1","Results":[]}')
  }, tokenFile)
  await client.list('m/')
  valid = 'new'
  const refused = { code: 'unavailable', message: expect.stringContaining('refuses: ACL not found') }
  await expect(client.list('m/')).rejects.toMatchObject(refused)
  rmSync(tokenFile)
  await expect(client.list('m/')).rejects.toMatchObject(refused)
  writeFileSync(tokenFile, 'new\n')
  expect((await client.list('m/')).items).toHaveLength(1)
  valid = 'newer'
  writeFileSync(tokenFile, 'newer\n')
  expect(await client.createSession('a', 10_000)).toBe('1')
  expect(asked.slice(-4)).toEqual(['GET old', 'GET new', 'PUT new', 'PUT newer'])
})
