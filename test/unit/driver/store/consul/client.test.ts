/** Against a server that answers when the test says so: what Consul does on a machine that is too busy for it. */
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, expect, onTestFinished, test, vi } from 'vitest'
import { type Log, silentLog } from '../../../../../driver/log.ts'
import { askLeaders, type ClientOptions, createClient } from '../../../../../driver/store/consul/client.ts'
import { parseStoreUrl } from '../../../../../driver/store/consul/url.ts'
import { temporaryFolder } from '../../../../fixtures/temporary-folder.ts'

/** For tests of the time limit alone: on a busy machine an answer may take as long. */
const shortMs = 200
const timeoutMs = 5000
let server: Server | undefined
afterEach(() => server?.closeAllConnections())

type Answer = (request: IncomingMessage, response: ServerResponse) => void

/** `host`: as in a URL. */
async function clientOf(
  answer: Answer,
  {
    host = '127.0.0.1',
    ...options
  }: { host?: string } & Partial<Pick<ClientOptions, 'tokenFile' | 'heard' | 'log' | 'timeoutMs'>> = {},
) {
  server = createServer(answer).listen(0, host.replace(/[[\]]/g, '')).unref()
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return createClient({ address: parseStoreUrl(`consul://${host}:${port}/m`), timeoutMs, ...options })
}

/** Consul's index in every answer. */
const withIndex =
  (answer: Answer): Answer =>
  (request, response) =>
    answer(request, response.setHeader('x-consul-index', 9))

const json = (response: ServerResponse, value: unknown) =>
  response.setHeader('content-type', 'application/json').end(JSON.stringify(value))

function inFolder(name: string): string {
  const folder = temporaryFolder()
  return join(folder, name)
}

const item = { Key: 'm/vnis/256', ModifyIndex: 7, Value: Buffer.from('"n1"').toString('base64') }
const full = JSON.stringify([item])

test('a list arrives with its index, its values decoded', async () => {
  const client = await clientOf(withIndex((_, response) => response.end(full)))
  const items = [{ key: 'm/vnis/256', index: 7, text: '"n1"' }]
  expect(await client.list('m/')).toEqual({ items, index: 9, bytes: full.length, filtered: false })
})

test('a large list may take longer than any other call, as long as Consul answers others', async () => {
  let asked = 0
  let finish: () => void = () => undefined
  const client = await clientOf(
    withIndex((request, response) => {
      if (request.url?.startsWith('/v1/kv/')) finish = () => response.end(full)
      else response.end(`"127.0.0.1:8300"`, () => ++asked === 4 && finish())
    }),
    { timeoutMs: shortMs },
  )
  expect((await client.list('m/', { patient: true })).items).toHaveLength(1)
  expect(asked, 'at first, and once for every half of the bound').toBe(4)
})

const oneLeads = '"10.0.0.1:8300"'

/** A Consul that answers the read when `until` questions have been asked, and each question with its leader. */
function ledBy(leaders: readonly string[], until: number): Answer {
  let asked = 0
  let finish: () => void = () => undefined
  return withIndex((request, response) => {
    if (request.url?.startsWith('/v1/kv/')) finish = () => response.end(full)
    else response.end(leaders[asked++] ?? leaders.at(-1), () => asked === until && finish())
  })
}

test.each([
  ['another leader', '"10.0.0.2:8300"'],
  ['no leader', '""'],
])('a large list is given up when its server knows %s by now', async (_, leader) => {
  const client = await clientOf(ledBy([oneLeads, leader], Number.POSITIVE_INFINITY), { timeoutMs: shortMs })
  const began = performance.now()
  await expect(client.list('m/', { patient: true })).rejects.toMatchObject({ code: 'unavailable' })
  expect(performance.now() - began).toBeLessThan(timeoutMs)
})

test('a large list whose leader was elected after it began goes on', async () => {
  const client = await clientOf(ledBy(['""', oneLeads], 5), { timeoutMs: shortMs })
  expect((await client.list('m/', { patient: true })).items).toHaveLength(1)
})

test('a list that comes in pieces is not late while pieces come', async () => {
  // Ten times the pause: a busy machine is late with a piece. The whole list takes longer than the limit.
  const limitMs = 1000
  const client = await clientOf(
    withIndex(async (_, response) => {
      for (const piece of full.match(/.{1,4}/g) ?? []) {
        response.write(piece)
        await new Promise((resolve) => setTimeout(resolve, limitMs / 10))
      }
      response.end()
    }),
    { timeoutMs: limitMs },
  )
  expect((await client.list('m/')).items).toHaveLength(1)
})

test('a server without any answer is not waited for', async () => {
  const client = await clientOf(() => undefined, { timeoutMs: shortMs })
  // In whole milliseconds: the same words for each call.
  const late = { code: 'unavailable', message: expect.stringMatching(/timed out \(\d+ms\)/) }
  await expect(client.list('m/', { patient: true })).rejects.toMatchObject(late)
  await expect(client.list('m/')).rejects.toMatchObject(late)
  await expect(client.createSession('x', 15_000)).rejects.toMatchObject(late)
})

test.each([
  ['is not there', undefined, /--kv-token-file=\S+ cannot be read: ENOENT/],
  ['has more than the token', 'SecretID: a\n', /the file of --kv-token-file=\S+ has more than one word/],
])('a token file that %s is waited for, with the reason', async (_, content, words) => {
  const tokenFile = inFolder('token')
  if (content !== undefined) writeFileSync(tokenFile, content)
  const open = clientOf(
    withIndex((_, response) => response.end(full)),
    { tokenFile },
  )
  await expect(open).rejects.toMatchObject({ code: 'unavailable', message: expect.stringMatching(words) })
  writeFileSync(tokenFile, 'secret\n')
  expect(
    (
      await (
        await clientOf(
          withIndex((_, response) => response.end(full)),
          { tokenFile },
        )
      ).list('m/')
    ).items,
  ).toHaveLength(1)
})

test('an empty token file is no token, with a warning; it is read again when Consul refuses', async () => {
  const tokenFile = inFolder('token')
  writeFileSync(tokenFile, '\n')
  let hasAcls = false
  const asked: unknown[] = []
  const warn = vi.fn<Log['warn']>()
  const client = await clientOf(
    withIndex((request, response) => {
      const token = request.headers['x-consul-token']
      asked.push(token)
      if (hasAcls && token !== 'secret') response.writeHead(403).end('Permission denied')
      else response.end(full)
    }),
    { tokenFile, log: { ...silentLog, warn } },
  )
  expect((await client.list('m/')).items).toHaveLength(1)
  expect(warn).toHaveBeenCalledExactlyOnceWith({}, expect.stringMatching(/--kv-token-file=\S+ is empty/))
  hasAcls = true
  await expect(client.list('m/')).rejects.toMatchObject({
    code: 'unavailable',
    message: expect.stringMatching(
      /refuses: Permission denied \(the file of --kv-token-file=\S+ is empty\)$/,
    ),
  })
  writeFileSync(tokenFile, 'secret\n')
  expect((await client.list('m/')).items).toHaveLength(1)
  expect(asked).toEqual([undefined, undefined, undefined, 'secret'])
  writeFileSync(tokenFile, '')
  expect((await client.list('m/')).items, 'a token that is not there any more stays').toHaveLength(1)
})

test('a token that Consul does not know any more is read again, and the call is made with the new one', async () => {
  const tokenFile = inFolder('token')
  writeFileSync(tokenFile, 'old\n')
  let valid = 'old'
  const asked: string[] = []
  const client = await clientOf(
    withIndex((request, response) => {
      const token = request.headers['x-consul-token']
      asked.push(`${request.method} ${token}`)
      if (token !== valid) response.writeHead(403).end('ACL not found')
      else if (request.method === 'GET') response.end(full)
      else response.setHeader('content-type', 'application/json').end('{"ID":"1","Results":[]}')
    }),
    { tokenFile },
  )
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
  expect(await client.createSession('a', 10_000)).toMatchObject({ id: '1' })
  expect(asked.slice(-4)).toEqual(['GET old', 'GET new', 'PUT new', 'PUT newer'])
})

/** A server whose folder is shown to one token; another one gets a list without what it may not read. */
async function serverOf(token: string, refuses: Answer): Promise<number> {
  const other = createServer(
    withIndex((request, response) => {
      if (request.headers['x-consul-token'] === token) response.end(full)
      else refuses(request, response)
    }),
  )
  onTestFinished(() => other.closeAllConnections())
  await once(other.listen(0, '127.0.0.1').unref(), 'listening')
  return (other.address() as AddressInfo).port
}

test.each<[string, Answer]>([
  ['filters', (_, response) => response.setHeader('x-consul-results-filtered-by-acls', 'true').end('[]')],
  ['refuses', (_, response) => response.writeHead(403).end('ACL not found')],
])('another server that %s is asked with a renewed token, and is no other cluster’s', async (_, answer) => {
  const tokenFile = inFolder('token')
  writeFileSync(tokenFile, 'old\n')
  const ports = [await serverOf('old', answer), await serverOf('new', answer)]
  const hosts = ports.map((port) => `127.0.0.1:${port}`).join(',')
  const client = createClient({ address: parseStoreUrl(`consul://${hosts}/m`), timeoutMs, tokenFile })
  const move = () => client.moveTo('m/vnis/256', ({ items }) => items.length === 1)
  expect(await move()).toMatchObject({
    is: 'silent',
    failure: { message: expect.stringContaining('refuses: '), hint: expect.stringContaining('token') },
  })
  writeFileSync(tokenFile, 'new\n')
  expect(await move()).toEqual({ is: 'moved' })
  client.close()
})

const sessionId = 'adf4238a-882b-9ddc-4a9d-5b6758e4159e'

/** A Consul that answers every call of the driver, and wants a TTL of at least 30 s. */
const strict: Answer = withIndex(async (request, response) => {
  const chunks = await request.toArray()
  if (request.url?.startsWith('/v1/kv/')) response.end(full)
  else if (request.url === '/v1/txn') json(response, { Results: [{ KV: { ModifyIndex: 7 } }] })
  else if (request.url === `/v1/session/info/${sessionId}?consistent`) json(response, [{ ID: sessionId }])
  else if (request.url === '/v1/session/renew/s1') json(response, [{ ID: 's1' }])
  else if (request.url === '/v1/session/destroy/s1') json(response, true)
  else if (JSON.parse(chunks.join('')).TTL === '30s') json(response, { ID: 's1' })
  else {
    const says = "Invalid Session TTL '15000000000', must be between [30s=24h0m0s]"
    response.writeHead(500, { 'content-type': 'text/plain' }).end(says)
  }
})

test('every call reaches a server that is named by its IPv6 address', async () => {
  const client = await clientOf(strict, { host: '[::1]' })
  expect((await client.list('m/')).items).toHaveLength(1)
  expect(await client.transact([{ Verb: 'get', Key: 'm/vnis/256' }])).toEqual({ index: 7 })
  expect((await client.createSession('x', 30_000)).id).toBe('s1')
  expect(await client.renewSession('s1')).toBe(true)
  expect(await client.hasSession(sessionId)).toBe(true)
  await client.destroySession('s1')
})

test('each call is heard with what a token must allow for it', async () => {
  const heard: string[] = []
  const client = await clientOf(strict, { heard: (failure, sort) => heard.push(failure?.message ?? sort) })
  await client.list('m/')
  await client.transact([{ Verb: 'get', Key: 'm/vnis/256' }])
  await client.transact([{ Verb: 'cas', Key: 'm/vnis/256', Value: '', Index: 7 }])
  await client.createSession('x', 30_000)
  await client.renewSession('s1')
  expect(heard).toEqual(['read', 'read', 'write', 'session', 'session'])
})

test.each<[string, string, Record<string, string>, boolean | undefined]>([
  ['that is there', sessionId, { body: JSON.stringify([{ ID: sessionId }]) }, true],
  ['that has ended', sessionId, { body: '[]' }, false],
  [
    'that the token may not see',
    sessionId,
    { body: '[]', 'x-consul-results-filtered-by-acls': 'true' },
    undefined,
  ],
  // Consul refuses it: "UUID must be 36 characters".
  ['that a person has written', 's1', { status: '500', body: 'failed session lookup' }, false],
])('a session %s', async (_, id, { body, status = '200', ...headers }, is) => {
  const client = await clientOf(
    withIndex((_, response) => response.writeHead(Number(status), headers).end(body)),
  )
  expect(await client.hasSession(id)).toBe(is)
})

test('an answer about a session that lacks Consul’s index does not show that it has ended', async () => {
  for (const status of [200, 404]) {
    const client = await clientOf((_, response) => response.writeHead(status).end('[]'))
    await expect(client.hasSession(sessionId)).rejects.toMatchObject({ code: 'unavailable' })
  }
})

test('a session gets the least TTL that Consul allows, where that is more than the wanted one', async () => {
  const client = await clientOf(strict)
  expect(await client.createSession('x', 15_000)).toEqual({ id: 's1', ttlMs: 30_000 })
})

test.each([
  ['without the index', {}],
  ['with index 0', { 'x-consul-index': '0' }],
])('a list %s cannot be followed: a proxy has changed the answer', async (_, headers) => {
  const client = await clientOf((_request, response) => response.writeHead(200, headers).end(full))
  await expect(client.list('m/')).rejects.toMatchObject({
    code: 'unavailable',
    message: expect.stringMatching(/Consul at .* has no X-Consul-Index above 0: a proxy removes it$/),
  })
})

const page = '<html><body>Request blocked. Permission denied.</body></html>'

test.each<[string, Answer]>([
  ['a page', (_, response) => response.setHeader('content-type', 'text/html').end(page)],
  [
    'a page that says JSON',
    (_, response) => response.setHeader('content-type', 'application/json').end(page),
  ],
  ['JSON of another program', (_, response) => json(response, { status: 'ok' })],
  ['nothing', (_, response) => response.end()],
])('%s with status 200 is not Consul’s answer', async (_, answer) => {
  const client = await clientOf(withIndex(answer))
  const foreign = { code: 'unavailable', message: expect.stringContaining('is not Consul') }
  const step = { Verb: 'cas', Key: 'm/x', Value: '', Index: 0 } as const
  await expect(client.transact([step])).rejects.toMatchObject(foreign)
  await expect(client.createSession('x', 15_000)).rejects.toMatchObject(foreign)
  await expect(client.renewSession('s1')).rejects.toMatchObject(foreign)
  await expect(client.hasSession(sessionId)).rejects.toMatchObject(foreign)
})

test('a commit needs the index that Consul gave it', async () => {
  const client = await clientOf((_, response) => json(response, { Results: [], Errors: null }))
  const step = { Verb: 'cas', Key: 'm/x', Value: '', Index: 0 } as const
  await expect(client.transact([step])).rejects.toMatchObject({ code: 'unavailable' })
  expect(await client.transact([{ Verb: 'delete', Key: 'm/x' }]), 'a deletion has none').toEqual({ index: 0 })
})

test.each([
  ['without errors', { Results: null, Errors: null }],
  ['with errors that name no operation', { Errors: [{ What: 'failed' }] }],
])('a conflict %s is not Consul’s answer', async (_, answer) => {
  const client = await clientOf((_, response) => {
    response.statusCode = 409
    json(response, answer)
  })
  const step = { Verb: 'cas', Key: 'm/x', Value: '', Index: 0 } as const
  await expect(client.transact([step])).rejects.toMatchObject({
    code: 'unavailable',
    message: expect.stringContaining(`is not Consul: ${JSON.stringify(answer)}`),
  })
})

test('a list that is no list of keys is not Consul’s answer', async () => {
  const client = await clientOf(withIndex((_, response) => response.end(page)))
  await expect(client.list('m/')).rejects.toMatchObject({
    code: 'unavailable',
    message: expect.stringContaining('is not Consul: <html><body>Request blocked.'),
  })
})

/** PEM files of 127.0.0.1, made by openssl(1) in a folder that goes with the test. */
async function certificates() {
  const folder = inFolder('')
  const file = (name: string) => join(folder, name)
  return {
    file,
    /** NAME.pem and NAME.key. Signed by `by`, or by itself. */
    async make(name: string, days: number, by?: string): Promise<void> {
      const names = ['-addext', by === undefined || name === 'server' ? address : 'basicConstraints=CA:TRUE']
      const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj', `/CN=${name}`]
      const files = ['-keyout', file(`${name}.key`), '-out', file(`${name}.pem`)]
      const signer = by === undefined ? [] : ['-CA', file(`${by}.pem`), '-CAkey', file(`${by}.key`)]
      await promisify(execFile)('openssl', [
        ...['req', '-x509', '-days', `${days}`],
        ...[...kind, ...files, ...names, ...signer],
      ])
    },
  }
}
const address = 'subjectAltName=IP:127.0.0.1'

/** What a client with that authority is told by a server with that certificate and key. */
async function answerByTls(options: { cert: string; key: string }, caFile: string) {
  const secure = createSecureServer(options, (_, response) => response.end('"127.0.0.1:8300"'))
  await once(secure.listen(0, '127.0.0.1').unref(), 'listening')
  onTestFinished(() => void secure.close())
  const { port } = secure.address() as AddressInfo
  const url = parseStoreUrl(`https://127.0.0.1:${port}`)
  const [answer] = await askLeaders({ address: url, timeoutMs: 4000, tls: { caFile } })
  return answer
}

test('the leader’s answer by TLS says when the certificate ends', async () => {
  const { make, file } = await certificates()
  await make('server', 20)
  const [cert, key] = ['server.pem', 'server.key'].map((name) => readFileSync(file(name), 'utf8'))
  const answer = await answerByTls({ cert: cert ?? '', key: key ?? '' }, file('server.pem'))
  const endsAt = answer?.status === 'fulfilled' ? (answer.value.certificateEndsAt ?? 0) : 0
  expect(Math.round((endsAt - Date.now()) / 86_400_000)).toBe(20)
})

test('--kv-ca-file may be an authority that another one has signed; a stranger’s is refused', async () => {
  const { make, file } = await certificates()
  await make('root', 20)
  await make('between', 20, 'root')
  await make('server', 20, 'between')
  await make('stranger', 20)
  const text = (name: string) => readFileSync(file(name), 'utf8')
  // The server sends the chain up to the authority that signed it, as Vault and step-ca give it.
  const served = { cert: `${text('server.pem')}${text('between.pem')}`, key: text('server.key') }
  for (const authority of ['root.pem', 'between.pem']) {
    expect(await answerByTls(served, file(authority)), authority).toMatchObject({ status: 'fulfilled' })
  }
  expect(await answerByTls(served, file('stranger.pem'))).toMatchObject({
    reason: { message: expect.stringContaining('cannot be trusted') },
  })
})

/** A server that takes certificates of its authority alone, and clients with the files `ca` and `own`. */
async function mutualTls() {
  const { make, file } = await certificates()
  for (const name of ['root', 'stranger']) await make(name, 20)
  for (const name of ['server', 'fresh']) await make(name, 20, 'root')
  const text = (name: string) => readFileSync(file(name), 'utf8')
  const served = { cert: text('server.pem'), key: text('server.key'), ca: text('root.pem') }
  const how = { ...served, requestCert: true, rejectUnauthorized: true }
  const secure = createSecureServer(how, (request, response) => {
    response.setHeader('x-consul-index', 9)
    if (request.method === 'PUT') json(response, { Results: [{ KV: { ModifyIndex: 7 } }] })
    else response.end(full)
  })
  await once(secure.listen(0, '127.0.0.1').unref(), 'listening')
  onTestFinished(() => secure.closeAllConnections())
  const { port } = secure.address() as AddressInfo
  const put = (from: string, to: string) => copyFileSync(file(from), file(to))
  put('root.pem', 'ca')
  put('fresh.pem', 'own.pem')
  put('fresh.key', 'own.key')
  const open = () => {
    const tls = { caFile: file('ca'), certFile: file('own.pem'), keyFile: file('own.key') }
    return createClient({ address: parseStoreUrl(`https://127.0.0.1:${port}`), timeoutMs, tls })
  }
  return { put, open }
}

test('an authority that is renewed while the driver runs is trusted', async () => {
  const { put, open } = await mutualTls()
  put('stranger.pem', 'ca')
  const client = open()
  await expect(client.list('m/')).rejects.toThrow('cannot be trusted')
  put('root.pem', 'ca')
  const step = { Verb: 'cas', Key: 'm/a', Index: 0 } as const
  const answers = await Promise.all([client.list('m/'), client.transact([step]), client.list('m/')])
  expect(answers).toMatchObject([{ index: 9 }, { index: 7 }, { index: 9 }])
  client.close()
})

test('a certificate of this host that is renewed while the driver runs is shown to Consul', async () => {
  const { put, open } = await mutualTls()
  put('stranger.pem', 'own.pem')
  put('stranger.key', 'own.key')
  const client = open()
  await expect(client.list('m/')).rejects.toMatchObject({ code: 'unavailable' })
  put('fresh.pem', 'own.pem')
  // The key comes a moment later.
  await expect(client.list('m/')).rejects.toMatchObject({ code: 'unavailable' })
  put('fresh.key', 'own.key')
  await client.list('m/').catch(() => 'the connection may end without a word')
  expect(await client.list('m/')).toMatchObject({ index: 9 })
  client.close()
})
