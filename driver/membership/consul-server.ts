/**
 * A Consul server on this host, for a cluster that has none: its certificates, its configuration, its ACL
 * tokens.
 *
 * The hosts of the cluster reach its API by TLS on one port. It is alone, so that the ports by which servers
 * reach each other are on loopback, and there too they take members with the authority's certificate and the
 * gossip key alone. Every step looks first at what there is, and can be taken again.
 */
import { execFile } from 'node:child_process'
import { randomBytes, randomUUID, X509Certificate } from 'node:crypto'
import { chmod, chown, copyFile, mkdir, readdir, rename, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { DriverError } from '../core/errors.ts'
import type { HostName } from '../core/records.ts'
import { exchange, type Method } from '../unix-http.ts'
import { hostOfPolicy, policy, policyOf, rulesFor } from './token-policies.ts'
import { replaceFile, succeeds, textOf } from './unit.ts'

const run = promisify(execFile)

export interface ConsulServer {
  /** Where the hosts reach the API; in the certificate. */
  address: string
  /** Of this host; in the certificate, and Consul's name for the server. */
  name: string
  /** Consul's program. */
  program: string
  /** Root's alone: the authority with its key, the management token. */
  folder: string
  /** The server's user's alone: configuration, certificate, data. */
  home: string
  /** Unix socket of the API, for this host's root. */
  socket: string
  /** PEM of the authority; the cluster's hosts need it. */
  caFile: string
  /** The driver's token; the cluster's hosts need it. */
  tokenFile: string
}

const datacenter = 'multihost'
const domain = 'multihost'
export const ports = { https: 8501, server: 8300, serf_lan: 8301 }
const oldest = [1, 8] as const

export const configFolder = ({ home }: Pick<ConsulServer, 'home'>): string => join(home, 'config')
const authorityOf = ({ folder }: ConsulServer) => ({
  certificate: join(folder, `${domain}-agent-ca.pem`),
  key: join(folder, `${domain}-agent-ca-key.pem`),
})

/** Consul's version, `1.8.7`. Throws `invalid` for a program that is not Consul, or too old. */
export async function versionOf(program: string): Promise<string> {
  const said = await run(program, ['version']).catch((cause: Error) => {
    const last = cause.message.trim().split('\n').at(-1)
    const hint =
      'name the program itself, not its zip file; it must be for this processor, executable (chmod +x), and in a folder that is not mounted noexec'
    throw new DriverError('invalid', `${program} does not run: ${last}`, { hint, cause })
  })
  const [, version, major, minor] = /^Consul v?((\d+)\.(\d+)\S*)/.exec(said.stdout) ?? []
  if (version === undefined)
    throw new DriverError(
      'invalid',
      `${program} is not Consul: it says '${said.stdout.trim().split('\n')[0]}'`,
    )
  const isOld = Number(major) < oldest[0] || (Number(major) === oldest[0] && Number(minor) < oldest[1])
  if (isOld)
    throw new DriverError(
      'invalid',
      `${program} is Consul ${version}, and the driver needs ${oldest.join('.')} or newer`,
    )
  return version
}

/** Throws `taken` when a port of the server's is another program's. */
export async function checkPorts({ address }: Pick<ConsulServer, 'address'>): Promise<void> {
  for (const [host, port] of [
    [address, ports.https],
    ['127.0.0.1', ports.server],
    ['127.0.0.1', ports.serf_lan],
  ] as const) {
    const listener = createServer()
    const failure = await new Promise<NodeJS.ErrnoException | undefined>((resolve) => {
      listener.once('error', resolve).listen(port, host, () => resolve(undefined))
    })
    listener.close()
    if (failure === undefined) continue
    throw new DriverError('taken', `port ${port} of ${host} is not free for Consul: ${failure.message}`, {
      hint: 'if a Consul runs on this host already, join it: multihost join consul://HOST:8500',
      cause: failure,
    })
  }
}

/** Throws `taken` where the files for the cluster's hosts are another cluster's. Changes nothing. */
export async function checkFiles(server: ConsulServer): Promise<void> {
  const { caFile, tokenFile, folder } = server
  const hint = 'move the file away, and keep it: a host of that cluster needs it'
  const own = await textOf(authorityOf(server).certificate)
  if (![own, ''].includes(await textOf(caFile)))
    throw new DriverError('taken', `${caFile} is another authority's certificate`, { hint })
  const isOwn = (await textOf(join(folder, 'management-token'))) !== ''
  if (!isOwn && (await textOf(tokenFile)) !== '')
    throw new DriverError('taken', `${tokenFile} is another cluster's token`, { hint })
}

/** Consul's configuration. Keys that Consul 1.8 knows, and later ones. */
export function configOf(server: ConsulServer): string {
  const { address, name, home, socket } = server
  const at = (file: string) => join(configFolder(server), file)
  const config = {
    server: true,
    bootstrap_expect: 1,
    node_name: name,
    datacenter,
    domain,
    data_dir: join(home, 'data'),
    bind_addr: '127.0.0.1',
    client_addr: '127.0.0.1',
    addresses: { http: `unix://${socket}`, https: address },
    ports: { ...ports, dns: -1, serf_wan: -1 },
    unix_sockets: { mode: '0600' },
    ca_file: at('ca.pem'),
    cert_file: at('server.pem'),
    key_file: at('server.key'),
    // ACLs do not cover Raft: any process of this machine could send the server a log.
    verify_incoming_rpc: true,
    verify_outgoing: true,
    verify_server_hostname: true,
    acl: { enabled: true, default_policy: 'deny', enable_token_persistence: true },
    // Elections of a lone server in one second instead of five.
    performance: { raft_multiplier: 1 },
    disable_update_check: true,
  }
  return `${JSON.stringify(config, null, 2)}\n`
}

/** An authority, whose key stays in the folder, and the server's certificate for its address and its name. */
export async function makeCertificates(server: ConsulServer): Promise<void> {
  const { folder, caFile } = server
  const authority = authorityOf(server)
  for (const path of [folder, configFolder(server)]) {
    await mkdir(path, { recursive: true, mode: 0o700 })
    await chmod(path, 0o700)
  }
  if ((await textOf(authority.certificate)) === '') {
    // A key whose certificate was not written has signed nothing.
    await rm(authority.key, { force: true })
    await run(server.program, ['tls', 'ca', 'create', `-domain=${domain}`, '-days=3650'], { cwd: folder })
  }
  const ca = await textOf(authority.certificate)
  await replaceFile(caFile, ca)
  await chmod(caFile, 0o644)
  await replaceFile(join(configFolder(server), 'ca.pem'), ca)
  if (!(await hasCertificate(server, ca))) await makeCertificate(server)
}

async function hasCertificate(server: ConsulServer, ca: string): Promise<boolean> {
  const [pem, key] = await Promise.all(
    ['server.pem', 'server.key'].map((file) => textOf(join(configFolder(server), file))),
  )
  if (!pem || !key) return false
  const certificate = new X509Certificate(pem)
  const fits = certificate.checkIP(server.address) ?? undefined
  return (
    fits !== undefined &&
    certificate.checkHost(server.name) !== undefined &&
    certificate.checkIssued(new X509Certificate(ca))
  )
}

async function makeCertificate(server: ConsulServer): Promise<void> {
  const { program, folder, address, name } = server
  const authority = authorityOf(server)
  if ((await textOf(authority.key)) === '') {
    throw new DriverError(
      'unavailable',
      `the server needs a certificate for ${address} and ${name}, and ${authority.key} is not there`,
      {
        hint: 'put the authority’s key back, and repeat the command',
      },
    )
  }
  const made = join(folder, `${datacenter}-server-${domain}`)
  for (const file of await readdir(folder))
    if (join(folder, file).startsWith(made)) await rm(join(folder, file))
  await run(
    program,
    [
      ...['tls', 'cert', 'create', '-server', `-dc=${datacenter}`, `-domain=${domain}`, '-days=3650'],
      ...[`-additional-ipaddress=${address}`, `-additional-dnsname=${name}`],
      ...[`-ca=${authority.certificate}`, `-key=${authority.key}`],
    ],
    { cwd: folder },
  )
  await rename(`${made}-0-key.pem`, join(configFolder(server), 'server.key'))
  await rename(`${made}-0.pem`, join(configFolder(server), 'server.pem'))
}

export interface Owner {
  uid: number
  gid: number
}

/** Writes the configuration; its files and folders belong to the server's user. */
export async function writeConfiguration(server: ConsulServer, { uid, gid }: Owner): Promise<void> {
  const folder = configFolder(server)
  await replaceFile(join(folder, 'consul.json'), configOf(server), 0o600)
  if ((await textOf(join(folder, 'gossip.json'))) === '') {
    const encrypt = randomBytes(32).toString('base64')
    await replaceFile(join(folder, 'gossip.json'), `${JSON.stringify({ encrypt })}\n`, 0o600)
  }
  for (const file of await readdir(folder)) {
    await chmod(join(folder, file), 0o600)
    await chown(join(folder, file), uid, gid)
  }
  for (const path of [folder, server.home]) {
    await chmod(path, 0o700)
    await chown(path, uid, gid)
  }
}

/** A program that another user runs, from wherever it is. The same program again is left as it is. */
export async function installProgram(from: string, to: string): Promise<void> {
  if (await succeeds('cmp', ['-s', from, to])) return
  await mkdir(dirname(to), { recursive: true })
  await chmod(dirname(to), 0o755)
  await copyFile(from, `${to}.new`)
  await chmod(`${to}.new`, 0o755)
  await rename(`${to}.new`, to)
}

/**
 * Resolves when the server leads, has replayed its log and knows its ACLs: it refuses a consistent read
 * without a token. Throws `unavailable` after `withinMs`.
 */
export async function untilItLeads({ socket }: ConsulServer, withinMs: number): Promise<void> {
  const end = performance.now() + withinMs
  let last = ''
  while (performance.now() < end) {
    try {
      const { status, text } = await call(socket, 'GET', 'kv/multihost/cluster?consistent')
      if (status === 403) return
      last = `${status} ${text.trim()}`
    } catch (error) {
      last = (error as Error).message
    }
    await delay(200)
  }
  throw new DriverError('unavailable', `it has elected no leader within ${withinMs / 1000} s: ${last}`)
}

/** The management token, for root on this host, and the driver's token with what the driver needs and no more. */
export async function makeTokens(server: ConsulServer): Promise<void> {
  const ask = await asManager(server)
  await putPolicy(ask, policy, rulesFor([server.name]))
  // They name the server, too.
  const listed = JSON.parse(succeeded(await ask('GET', 'acl/policies'))) as { Name: string }[]
  for (const { Name } of listed) {
    const host = hostOfPolicy(Name)
    if (host !== undefined) await putPolicy(ask, Name, rulesFor([server.name], host))
  }
  await keepToken(server, ask, server.tokenFile, policy)
}

/** A token with which a host can claim no name but this one. Its file; one that is there keeps its token. */
export async function makeHostToken(server: TokenServer, host: HostName): Promise<string> {
  const ask = await asManager(server)
  const own = policyOf(host)
  await putPolicy(ask, own, rulesFor([server.name], host))
  const file = join(server.folder, 'tokens', host)
  await mkdir(dirname(file), { recursive: true, mode: 0o700 })
  await keepToken(server, ask, file, own)
  return file
}

type TokenServer = Pick<ConsulServer, 'socket' | 'folder' | 'home' | 'name'>
type Ask = (method: Method, path: string, body?: object) => Promise<Answer>

async function asManager(server: TokenServer): Promise<Ask> {
  const management = await managementToken(server)
  return (method, path, body) => call(server.socket, method, path, management, body)
}

async function putPolicy(ask: Ask, name: string, rules: string): Promise<void> {
  const before = await ask('GET', `acl/policy/name/${name}`)
  const id = before.status === 200 ? `/${(JSON.parse(before.text) as { ID: string }).ID}` : ''
  succeeded(await ask('PUT', `acl/policy${id}`, { Name: name, Rules: rules }))
}

/** Throws `taken` where the file has a token without the policy. */
async function keepToken({ socket }: TokenServer, ask: Ask, file: string, policyName: string): Promise<void> {
  const token = (await textOf(file)).trim()
  if (token === '') {
    const SecretID = randomUUID()
    const Policies = [{ Name: policyName }]
    succeeded(await ask('PUT', 'acl/token', { SecretID, Description: 'multihost', Policies }))
    await replaceFile(file, `${SecretID}\n`, 0o600)
  } else if (!(await hasPolicy(await call(socket, 'GET', 'acl/token/self', token), policyName))) {
    throw new DriverError('taken', `${file} is not the driver's token of this host's Consul`, {
      hint: 'move it away, and repeat the command',
    })
  }
  await chmod(file, 0o600)
}

async function hasPolicy({ status, text }: Answer, policyName: string): Promise<boolean> {
  if (status !== 200) return false
  const { Policies } = JSON.parse(text) as { Policies?: { Name: string }[] }
  return Policies?.some(({ Name }) => Name === policyName) === true
}

async function managementToken({ socket, folder, home }: TokenServer): Promise<string> {
  const file = join(folder, 'management-token')
  const known = (await textOf(file)).trim()
  if (known !== '' && (await call(socket, 'GET', 'acl/token/self', known)).status === 200) return known
  let answer = await call(socket, 'PUT', 'acl/bootstrap')
  // An earlier run was interrupted before it had kept the token: Consul's own way to make another one.
  const [, index] = /reset index: (\d+)/.exec(answer.text) ?? []
  if (index !== undefined) {
    const reset = join(home, 'data', 'acl-bootstrap-reset')
    await replaceFile(reset, index)
    await chmod(reset, 0o644)
    answer = await call(socket, 'PUT', 'acl/bootstrap')
  }
  const { SecretID } = JSON.parse(succeeded(answer)) as { SecretID: string }
  await replaceFile(file, `${SecretID}\n`, 0o600)
  return SecretID
}

interface Answer {
  status: number
  text: string
}

function call(socket: string, method: Method, path: string, token?: string, body?: object): Promise<Answer> {
  const headers = token === undefined ? {} : { 'x-consul-token': token }
  return exchange(socket, { method, path: `/v1/${path}`, headers, body, timeoutMs: 10_000 })
}

function succeeded({ status, text }: Answer): string {
  if (status === 200) return text
  throw new DriverError('unavailable', `it answers ${status}: ${text.trim()}`)
}
