/**
 * A Consul server on this host, for a cluster that has none: its certificates, its unit, and its ACL tokens.
 *
 * The server is alone, so that the ports by which Consul's servers reach each other are on loopback. The cluster's hosts
 * reach its API by TLS on port 8501. Every step looks first at what there is, and can be taken again.
 */
import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { chmod, chown, copyFile, mkdir, readdir, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { DriverError } from '../core/errors.ts'
import { exchange, type Method } from '../unix-http.ts'
import { replaceFile, textOf } from './unit.ts'

const run = promisify(execFile)

export interface ConsulServer {
  /** Where the hosts reach the API; in the certificate. */
  address: string
  /** Of this host; in the certificate, and Consul's name for the server. */
  name: string
  /** Consul's program. */
  program: string
  /** Certificates, configuration, management token. */
  folder: string
  dataFolder: string
  /** Unix socket of the API, for this host's root. */
  socket: string
  /** PEM of the authority; the cluster's hosts need it. */
  caFile: string
  /** The driver's token; the cluster's hosts need it. */
  tokenFile: string
}

export const port = 8501
const oldest = [1, 8] as const

/** Consul's version, `1.8.7`. Throws `invalid` for a program that is no Consul, or too old. */
export async function versionOf(program: string): Promise<string> {
  const said = await run(program, ['version']).catch((cause: Error) => {
    throw new DriverError('invalid', `${program} does not run: ${cause.message.trim().split('\n').at(-1)}`, {
      cause,
    })
  })
  const [, version, major, minor] = /^Consul v?((\d+)\.(\d+)\S*)/.exec(said.stdout) ?? []
  if (version === undefined)
    throw new DriverError(
      'invalid',
      `${program} is no Consul: it says '${said.stdout.trim().split('\n')[0]}'`,
    )
  const isOld = Number(major) < oldest[0] || (Number(major) === oldest[0] && Number(minor) < oldest[1])
  if (isOld)
    throw new DriverError(
      'invalid',
      `${program} is Consul ${version}, and the driver needs ${oldest.join('.')} or newer`,
    )
  return version
}

/** Consul's configuration. Keys that Consul 1.8 knows, and later ones. */
export function configOf({ address, name, folder, dataFolder, socket }: ConsulServer): string {
  const config = {
    server: true,
    bootstrap_expect: 1,
    node_name: name,
    datacenter: 'multihost',
    data_dir: dataFolder,
    bind_addr: '127.0.0.1',
    client_addr: '127.0.0.1',
    addresses: { http: `unix://${socket}`, https: address },
    ports: { https: port, dns: -1, serf_wan: -1 },
    unix_sockets: { mode: '0600' },
    cert_file: join(folder, 'server.pem'),
    key_file: join(folder, 'server.key'),
    acl: { enabled: true, default_policy: 'deny', enable_token_persistence: true },
    // Elections of a lone server in one second instead of five.
    performance: { raft_multiplier: 1 },
    disable_update_check: true,
  }
  return `${JSON.stringify(config, null, 2)}\n`
}

/**
 * An authority, whose key stays in the folder, and the server's certificate for the address and the name. Throws `taken`
 * where `caFile` is another authority's.
 */
export async function makeCertificates({
  program,
  folder,
  caFile,
  address,
  name,
}: ConsulServer): Promise<void> {
  const consul = (...args: string[]) => run(program, args, { cwd: folder })
  const authority = ['multihost-agent-ca.pem', 'multihost-agent-ca-key.pem'] as const
  const has = new Set(await readdir(folder))
  if (!authority.every((file) => has.has(file))) {
    await Promise.all(authority.map((file) => rm(join(folder, file), { force: true })))
    await consul('tls', 'ca', 'create', '-domain=multihost', '-days=3650')
  }
  const own = await textOf(join(folder, authority[0]))
  if (![own, ''].includes(await textOf(caFile))) {
    throw new DriverError('taken', `${caFile} is of another authority`, {
      hint: 'move it and its token file away; hosts of its cluster need them',
    })
  }
  await replaceFile(caFile, own)
  if (has.has('server.pem') && has.has('server.key')) return
  const made = 'multihost-server-multihost-0'
  await Promise.all([`${made}.pem`, `${made}-key.pem`].map((file) => rm(join(folder, file), { force: true })))
  await consul(
    ...['tls', 'cert', 'create', '-server', '-dc=multihost', '-domain=multihost', '-days=3650'],
    ...[`-additional-ipaddress=${address}`, `-additional-dnsname=${name}`],
    ...[`-ca=${authority[0]}`, `-key=${authority[1]}`],
  )
  await rename(join(folder, `${made}.pem`), join(folder, 'server.pem'))
  await rename(join(folder, `${made}-key.pem`), join(folder, 'server.key'))
}

export interface Owner {
  uid: number
  gid: number
}

/** The configuration, and the files that the server's user reads. */
export async function writeServerFiles(server: ConsulServer, { uid, gid }: Owner): Promise<void> {
  const { folder } = server
  await replaceFile(join(folder, 'consul.json'), configOf(server))
  await chown(join(folder, 'server.key'), uid, gid)
  for (const [file, mode] of [
    ['server.key', 0o400],
    ['multihost-agent-ca-key.pem', 0o600],
    ['server.pem', 0o644],
    ['consul.json', 0o644],
  ] as const)
    await chmod(join(folder, file), mode)
}

/** A program that another user runs, from wherever it is. */
export async function installProgram(from: string, to: string): Promise<void> {
  await mkdir(dirname(to), { recursive: true })
  await copyFile(from, `${to}.new`)
  await chmod(`${to}.new`, 0o755)
  await rename(`${to}.new`, to)
}

/** Resolves when the server leads. Throws `unavailable` after `withinMs`. */
export async function untilItLeads({ socket }: ConsulServer, withinMs: number): Promise<void> {
  const end = performance.now() + withinMs
  let last = ''
  while (performance.now() < end) {
    const answer = await call(socket, 'GET', 'status/leader').catch((error: Error) => ({
      text: error.message,
    }))
    if (answer.text.includes(':') && 'status' in answer && answer.status === 200) return
    last = answer.text.trim()
    await delay(200)
  }
  throw new DriverError(
    'unavailable',
    `the Consul of this host does not lead within ${withinMs / 1000} s: ${last}`,
    {
      hint: 'see: journalctl -u multihost-consul; then repeat the command',
    },
  )
}

/** The management token, for root on this host, and the driver's token with what the driver needs and no more. */
export async function makeTokens(server: ConsulServer): Promise<void> {
  const { socket, tokenFile, name } = server
  const management = await managementToken(server)
  const ask = (method: Method, path: string, body?: object) => call(socket, method, path, management, body)
  if ((await ask('GET', `acl/policy/name/${policy}`)).status !== 200) {
    const Rules = `key_prefix "multihost/" { policy = "write" }\nsession "${name}" { policy = "write" }\n`
    succeeded(await ask('PUT', 'acl/policy', { Name: policy, Rules }))
  }
  const token = (await textOf(tokenFile)).trim() || randomUUID()
  await replaceFile(tokenFile, `${token}\n`, 0o600)
  if ((await call(socket, 'GET', 'acl/token/self', token)).status === 200) return
  const wanted = { SecretID: token, Description: 'multihost', Policies: [{ Name: policy }] }
  succeeded(await ask('PUT', 'acl/token', wanted))
}

const policy = 'multihost-driver'

async function managementToken({ socket, folder, dataFolder }: ConsulServer): Promise<string> {
  const file = join(folder, 'management-token')
  const known = (await textOf(file)).trim()
  if (known !== '' && (await call(socket, 'GET', 'acl/token/self', known)).status === 200) return known
  let answer = await call(socket, 'PUT', 'acl/bootstrap')
  // An earlier run was interrupted before it had kept the token: Consul's own way to make another one.
  const [, index] = /reset index: (\d+)/.exec(answer.text) ?? []
  if (index !== undefined) {
    await replaceFile(join(dataFolder, 'acl-bootstrap-reset'), index)
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
  throw new DriverError('unavailable', `the Consul of this host answers ${status}: ${text.trim()}`, {
    hint: 'see: journalctl -u multihost-consul; then repeat the command',
  })
}
