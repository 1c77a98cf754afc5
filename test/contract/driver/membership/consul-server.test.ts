/** The server that `multihost init` makes, with a real Consul: certificates, tokens, and what they allow. */
import { type ChildProcess, spawn } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  type ConsulServer,
  checkFiles,
  checkPorts,
  configFolder,
  configOf,
  installProgram,
  makeCertificates,
  makeHostToken,
  makeTokens,
  ports,
  untilItLeads,
  versionOf,
  writeConfiguration,
} from '../../../../driver/membership/consul-server.ts'
import { storeFacts } from '../../../../driver/membership/gather-store.ts'
import { rulesFor } from '../../../../driver/membership/token-policies.ts'
import { openConsulStore } from '../../../../driver/store/consul/store.ts'
import { consulBinary } from '../../../../provision/images/consul.ts'
import { freePort } from '../../../fixtures/consul.ts'
import { createNetwork } from '../../../fixtures/store-records.ts'
import { temporaryFolder } from '../../../fixtures/temporary-folder.ts'
import { until } from '../../../fixtures/until.ts'

const base = temporaryFolder(afterAll)
const at = (name: string) => join(base, name)
let server: ConsulServer
let agent: ChildProcess
/** Of this test: the usual ones are the machine's. */
let own: typeof ports

beforeAll(async () => {
  server = {
    ...{ address: '127.0.0.1', name: 'net-1', program: await consulBinary(), folder: at('root') },
    ...{
      home: at('home'),
      socket: at('http.sock'),
      caFile: at('consul-ca.pem'),
      tokenFile: at('consul-token'),
    },
  }
  const [https, rpc, serf] = await Promise.all([freePort(), freePort(), freePort()])
  own = { https, server: rpc, serf_lan: serf }
  await checkFiles(server)
  await make()
  agent = spawn(server.program, ['agent', `-config-dir=${configFolder(server)}`], { stdio: 'ignore' })
  await untilItLeads(server, 20_000)
  await makeTokens(server)
})
afterAll(async () => {
  agent.kill('SIGKILL')
  await once(agent, 'exit')
})

async function make(): Promise<void> {
  await makeCertificates(server)
  await writeConfiguration(server, { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 })
  const config = JSON.parse(configOf(server))
  Object.assign(config.ports, own)
  writeFileSync(join(configFolder(server), 'consul.json'), JSON.stringify(config))
}

const url = () => `https://127.0.0.1:${own.https}`

const token = () => readFileSync(server.tokenFile, 'utf8').trim()
const management = () => readFileSync(at('root/management-token'), 'utf8').trim()

test('the driver uses the store with the token and the authority', async () => {
  const options = { url: url(), tokenFile: server.tokenFile, tls: { caFile: server.caFile } }
  const store = await openConsulStore({ ...options, host: 'net-1' })
  await until('it is fresh', () => store.status().fresh)
  await store.commit([createNetwork('n1')])
  await store.close()
})

test('doctor finds all rights', async () => {
  const question = {
    kvStore: url(),
    tokenFile: server.tokenFile,
    tls: { caFile: server.caFile },
    stateDir: base,
  }
  const facts = await storeFacts({ ...question, name: 'net-2', id: undefined })
  expect(facts).toMatchObject({
    silent: [],
    rights: { session: undefined, write: undefined, list: undefined, claim: undefined },
    cluster: { found: expect.stringContaining('"format":1') },
  })
})

test('the token allows what the driver does, and nothing else; without a token nothing is allowed', async () => {
  const consul = async (...args: string[]) => {
    const { stderr, exitCode } = await execa(server.program, args, {
      env: { CONSUL_HTTP_ADDR: `unix://${server.socket}` },
      reject: false,
    })
    return exitCode === 0 ? 'done' : stderr
  }
  const denied = expect.stringMatching(/permission denied/i)
  expect(await consul('kv', 'put', `-token=${token()}`, 'elsewhere/a', '1')).toEqual(denied)
  expect(await consul('acl', 'token', 'list', `-token=${token()}`)).toEqual(denied)
  expect(await consul('kv', 'put', 'multihost/a', '1')).toEqual(denied)
  expect(await consul('kv', 'put', `-token=${token()}`, 'multihost/a', '1')).toBe('done')
  expect(await consul('kv', 'put', `-token=${management()}`, 'elsewhere/a', '1')).toBe('done')
})

test('with a token of its own a host cannot take another host’s name', async () => {
  const tokenFile = await makeHostToken(server, 'net-1.example')
  expect(statSync(tokenFile).mode & 0o777).toBe(0o600)
  const open = (host: string, file: string) =>
    openConsulStore({ url: url(), tokenFile: file, tls: { caFile: server.caFile }, host })
  await using other = closing(await open('net-2', server.tokenFile))
  await using own = closing(await open('net-1.example', tokenFile))
  await using thief = closing(await open('net-2', tokenFile))
  for (const { store } of [own, other, thief]) await until('it is fresh', () => store.status().fresh)
  expect(await other.store.announce({ id: 'b', vtep: '192.168.33.12' })).toMatchObject({ held: true })
  expect(await own.store.announce({ id: 'a', vtep: '192.168.33.11' })).toMatchObject({ held: true })
  await own.store.commit([createNetwork('n2')])
  expect([...(await own.store.liveness()).keys.keys()].sort(), 'it sees all').toEqual([
    'net-1.example',
    'net-2',
  ])
  await expect(thief.store.announce({ id: 'a', vtep: '192.168.33.12' })).rejects.toThrow(/Permission denied/)

  const kv = async (verb: string, ...args: string[]) =>
    (
      await execa(server.program, ['kv', verb, `-token-file=${tokenFile}`, ...args], {
        env: { CONSUL_HTTP_ADDR: `unix://${server.socket}` },
        reject: false,
      })
    ).exitCode
  expect(await kv('put', 'multihost/alive/net-2', '{}')).toBe(1)
  expect(await kv('delete', 'multihost/alive/net-2')).toBe(1)
  expect(await kv('delete', '-recurse', 'multihost/')).toBe(1)
  expect(await kv('put', 'multihost/hosts/net-9', '{}'), 'docs/security.md: the rest is not by name').toBe(0)
  expect(await kv('delete', 'multihost/hosts/net-9')).toBe(0)

  const rightsOf = async (name: string) =>
    (
      await storeFacts({
        ...{ kvStore: url(), tokenFile, tls: { caFile: server.caFile }, stateDir: base },
        ...{ name, id: undefined },
      })
    ).rights
  expect(await rightsOf('net-1.example')).toMatchObject({ write: undefined, claim: undefined })
  expect(await rightsOf('net-2')).toMatchObject({
    write: undefined,
    claim: expect.stringContaining('refuses'),
  })
  expect(await makeHostToken(server, 'net-1.example'), 'it is kept').toBe(tokenFile)
})

function closing(store: Awaited<ReturnType<typeof openConsulStore>>) {
  return { store, [Symbol.asyncDispose]: () => store.close() }
}

test('a process of this machine cannot speak Raft or gossip with the server', async () => {
  const said = async (port: number, bytes: number[]): Promise<string> => {
    const socket = connect(port, '127.0.0.1')
    const chunks: Buffer[] = []
    socket.on('data', (chunk) => chunks.push(chunk)).on('error', () => undefined)
    socket.write(Buffer.from(bytes))
    await once(socket, 'close')
    return Buffer.concat(chunks).toString()
  }
  // consul/agent/pool/conn.go: the first byte names the protocol; 1 is Raft, 0 is RPC.
  expect(await said(own.server, [1, 0, 0])).toBe('')
  expect(await said(own.server, [0, 0, 0])).toBe('')
  const stranger = spawn(
    server.program,
    [
      ...[
        'agent',
        '-server',
        `-data-dir=${at('stranger')}`,
        '-bind=127.0.0.1',
        `-retry-join=127.0.0.1:${own.serf_lan}`,
      ],
      ...[
        '-node=stranger',
        '-datacenter=multihost',
        `-http-port=${await freePort()}`,
        '-dns-port=-1',
        '-grpc-port=-1',
      ],
      ...[`-server-port=${await freePort()}`, `-serf-lan-port=${await freePort()}`, '-serf-wan-port=-1'],
    ],
    { stdio: ['ignore', 'pipe', 'ignore'] },
  )
  let log = ''
  stranger.stdout?.on('data', (chunk) => {
    log += chunk
  })
  try {
    await until('it is refused', () => /Join.* failed|failed to join/i.test(log), 15_000)
    const members = await execa(server.program, ['members', `-token=${management()}`], {
      env: { CONSUL_HTTP_ADDR: `unix://${server.socket}` },
    })
    expect(members.stdout).toContain('net-1')
    expect(members.stdout).not.toContain('stranger')
  } finally {
    stranger.kill('SIGKILL')
    await once(stranger, 'exit')
  }
})

test('secrets are readable by their owners alone', () => {
  const mode = (path: string) => (statSync(path).mode & 0o777).toString(8)
  for (const folder of ['root', 'home', 'home/config']) expect(mode(at(folder)), folder).toBe('700')
  for (const path of [at('consul-token'), at('root/management-token'), at('home/config/server.key')])
    expect(mode(path), path).toBe('600')
  expect(mode(at('consul-ca.pem'))).toBe('644')
})

test('a second time changes nothing', async () => {
  const files = [
    'consul-ca.pem',
    'consul-token',
    'root/management-token',
    'home/config/server.pem',
    'home/config/gossip.json',
  ]
  const texts = () => files.map((file) => readFileSync(at(file), 'utf8'))
  const before = texts()
  await checkFiles(server)
  await make()
  await makeTokens(server)
  expect(texts()).toEqual(before)
})

test('another address or name gets another certificate, and the policy follows the name', async () => {
  const certificate = () => new X509Certificate(readFileSync(at('home/config/server.pem')))
  const before = server
  server = { ...server, address: '127.0.0.2', name: 'net-9' }
  await make()
  expect(certificate().checkIP('127.0.0.2')).toBe('127.0.0.2')
  expect(certificate().checkHost('net-9')).toBe('net-9')
  expect(certificate().checkIssued(new X509Certificate(readFileSync(at('consul-ca.pem'))))).toBe(true)
  await makeTokens(server)
  const rulesOf = async (policy: string) => {
    const { stdout } = await execa(
      server.program,
      ['acl', 'policy', 'read', `-name=${policy}`, '-format=json', `-token=${management()}`],
      { env: { CONSUL_HTTP_ADDR: `unix://${server.socket}` } },
    )
    return JSON.parse(stdout).Rules
  }
  expect(await rulesOf('multihost-driver')).toBe(rulesFor(['net-9']))
  expect(await rulesOf('multihost-driver-net-1_example')).toBe(rulesFor(['net-9'], 'net-1.example'))
  server = before
  await make()
  await makeTokens(server)
})

test('the authority and the token of another cluster are not overwritten, and no port is taken', async () => {
  writeFileSync(at('other'), 'of another')
  await expect(checkFiles({ ...server, caFile: at('other') })).rejects.toThrow(
    /is another authority's certificate/,
  )
  const fresh = { ...server, folder: at('nowhere'), caFile: at('none') }
  await expect(checkFiles({ ...fresh, tokenFile: at('other') })).rejects.toThrow(/is another cluster's token/)
  await expect(makeTokens({ ...server, tokenFile: at('other') })).rejects.toThrow(/not the driver's token/)
  expect(readFileSync(at('other'), 'utf8')).toBe('of another')
  const listener = createServer().listen(ports.https, '127.0.0.3')
  await once(listener, 'listening')
  await expect(checkPorts({ address: '127.0.0.3' })).rejects.toThrow(
    /port 8501 of 127.0.0.3 is not free for Consul: .*EADDRINUSE/,
  )
  listener.close()
})

test('a management token that was lost is made again, and the driver’s stays', async () => {
  const [driver, lost] = [token(), management()]
  rmSync(at('root/management-token'))
  await makeTokens(server)
  expect(management()).not.toBe(lost)
  expect(token()).toBe(driver)
})

test('the same program again is left as it is', async () => {
  const to = at('bin/consul')
  await installProgram('/bin/true', to)
  const { mtimeMs, mode } = statSync(to)
  expect(mode & 0o777).toBe(0o755)
  await installProgram('/bin/true', to)
  expect(statSync(to).mtimeMs).toBe(mtimeMs)
  await installProgram('/bin/false', to)
  expect(readFileSync(to)).toEqual(readFileSync('/bin/false'))
})

test.each([
  ['another program', '/bin/true', /is not Consul/],
  ['a file that is not there', '/nowhere/consul', /\/nowhere\/consul does not run/],
])('%s is refused', async (_, program, why) => {
  await expect(versionOf(program)).rejects.toThrow(why)
})
