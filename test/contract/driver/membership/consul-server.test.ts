/** The server that `multihost init` makes, with a real Consul: certificates, tokens, and what they allow. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  type ConsulServer,
  configOf,
  makeCertificates,
  makeTokens,
  untilItLeads,
  versionOf,
  writeServerFiles,
} from '../../../../driver/membership/consul-server.ts'
import { storeFacts } from '../../../../driver/membership/gather-store.ts'
import { openConsulStore } from '../../../../driver/store/consul/store.ts'
import { consulBinary } from '../../../../provision/images/consul.ts'
import { createNetwork } from '../../../fixtures/store-records.ts'
import { until } from '../../../fixtures/until.ts'

const base = mkdtempSync(join(tmpdir(), 'multihost-init-'))
let server: ConsulServer
let agent: ChildProcess
let url: string

beforeAll(async () => {
  const folder = join(base, 'consul')
  const at = (name: string) => join(base, name)
  mkdirSync(folder)
  server = {
    ...{ address: '127.0.0.1', name: 'net-1', program: await consulBinary(), folder },
    ...{ dataFolder: at('data'), socket: at('http.sock'), caFile: at('consul-ca.pem') },
    tokenFile: at('consul-token'),
  }
  await make()
  const [https, rpc, serf] = await Promise.all([freePort(), freePort(), freePort()])
  const config = JSON.parse(configOf(server))
  Object.assign(config.ports, { https, server: rpc, serf_lan: serf, grpc: -1 })
  writeFileSync(join(folder, 'consul.json'), JSON.stringify(config))
  url = `https://127.0.0.1:${https}`
  agent = spawn(server.program, ['agent', `-config-file=${join(folder, 'consul.json')}`], { stdio: 'ignore' })
  await untilItLeads(server, 20_000)
  await makeTokens(server)
})
afterAll(async () => {
  agent.kill('SIGKILL')
  await once(agent, 'exit')
  rmSync(base, { recursive: true })
})

async function make(): Promise<void> {
  await makeCertificates(server)
  await writeServerFiles(server, { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 })
}

async function freePort(): Promise<number> {
  const listener = createServer().listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const address = listener.address()
  listener.close()
  await once(listener, 'close')
  return typeof address === 'object' && address !== null ? address.port : 0
}

const token = () => readFileSync(server.tokenFile, 'utf8').trim()
const management = () => readFileSync(join(server.folder, 'management-token'), 'utf8').trim()

test('the driver uses the store with the token and the authority', async () => {
  const options = { url, token: token(), tls: { caFile: server.caFile } }
  const store = await openConsulStore({ ...options, host: 'net-1' })
  await until('it is fresh', () => store.status().fresh)
  await store.commit([createNetwork('n1')])
  await store.close()
})

test('doctor finds all rights', async () => {
  const question = { kvStore: url, token: token(), tls: { caFile: server.caFile }, stateDir: base }
  const facts = await storeFacts({ ...question, name: 'net-2', id: undefined })
  expect(facts).toMatchObject({
    silent: [],
    rights: { session: undefined, write: undefined, list: undefined },
    cluster: { found: expect.stringContaining('"format":1') },
  })
})

test('the token allows what the driver does, and nothing else; without a token nothing is allowed', async () => {
  const consul = (...args: string[]) =>
    spawn(server.program, args, { env: { CONSUL_HTTP_ADDR: `unix://${server.socket}` } })
  const code = async (...args: string[]) => (await once(consul(...args), 'exit'))[0]
  expect(await code('kv', 'put', `-token=${token()}`, 'elsewhere/a', '1')).toBe(1)
  expect(await code('kv', 'get', 'multihost/cluster')).toBe(1)
  expect(await code('acl', 'token', 'list', `-token=${token()}`)).toBe(1)
  expect(await code('kv', 'put', `-token=${management()}`, 'elsewhere/a', '1')).toBe(0)
})

test('secrets are readable by root alone', () => {
  for (const path of [server.tokenFile, join(server.folder, 'management-token')])
    expect(statSync(path).mode & 0o777, path).toBe(0o600)
  expect(statSync(join(server.folder, 'server.key')).mode & 0o777).toBe(0o400)
  expect(statSync(join(server.folder, 'multihost-agent-ca-key.pem')).mode & 0o777).toBe(0o600)
})

test('a second time changes nothing', async () => {
  const texts = () =>
    [server.caFile, server.tokenFile, join(server.folder, 'server.pem')].map((path) =>
      readFileSync(path, 'utf8'),
    )
  const before = [...texts(), management()]
  const config = readFileSync(join(server.folder, 'consul.json'))
  await make()
  writeFileSync(join(server.folder, 'consul.json'), config)
  await makeTokens(server)
  expect([...texts(), management()]).toEqual(before)
})

test('the authority of another cluster is not overwritten', async () => {
  const caFile = join(base, 'other.pem')
  writeFileSync(caFile, 'of another')
  await expect(makeCertificates({ ...server, caFile })).rejects.toThrow(/other.pem is of another authority/)
  expect(readFileSync(caFile, 'utf8')).toBe('of another')
})

test('a management token that was lost is made again, and the driver’s stays', async () => {
  const [driver, lost] = [token(), management()]
  rmSync(join(server.folder, 'management-token'))
  await makeTokens(server)
  expect(management()).not.toBe(lost)
  expect(token()).toBe(driver)
})

test.each([
  ['another program', '/bin/true', /is no Consul/],
  ['a file that is not there', '/nowhere/consul', /\/nowhere\/consul does not run/],
])('%s is refused', async (_, program, why) => {
  await expect(versionOf(program)).rejects.toThrow(why)
})
