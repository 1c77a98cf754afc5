/**
 * `multihost init`: a Consul server on this host, for a cluster that has none; then this host joins it.
 *
 * A host whose `init` was interrupted runs it again: each step looks at what there is.
 */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdir, readdir, realpath, stat } from 'node:fs/promises'
import { hostname } from 'node:os'
import { delimiter, join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { asDriverError, DriverError } from '../core/errors.ts'
import type { HostName } from '../core/records.ts'
import { isHostName, optionWords } from '../daemon/options.ts'
import type { Underlay } from '../kernel/kernel.ts'
import {
  type ConsulServer,
  checkFiles,
  checkPorts,
  configFolder,
  installProgram,
  makeCertificates,
  makeHostToken,
  makeTokens,
  type Owner,
  ports,
  untilItLeads,
  versionOf,
  writeConfiguration,
} from './consul-server.ts'
import { withDriver } from './options-file.ts'
import { differInStoreAlone, shareStore, storeIn } from './settings.ts'
import { isThere, replaceFile, succeeds, textOf } from './unit.ts'

const run = promisify(execFile)

const user = 'multihost-consul'
const unit = 'multihost-consul.service'
const unitFile = `/etc/systemd/system/${unit}`
const settings = '/etc/multihost'
/** Where the program of `--consul-from` is copied to. */
const ownProgram = '/usr/local/lib/multihost-consul/consul'
const leadsWithinMs = 60_000

export interface InitWords {
  /** An absolute path. */
  consulFrom: string | undefined
  bindInterface: string | undefined
  /** A token for this host is wanted, and nothing else. */
  tokenFor: HostName | undefined
  /** Of the driver. */
  others: string[]
}

/** Throws `invalid`. */
export function parseInitWords(args: string[]): InitWords {
  const consul = taken(args, '--consul-from', "the path of Consul's program")
  const host = taken(consul.others, '--token-for', 'the name of a host')
  const words = optionWords(host.others)
  const named = words.find((word) => word.startsWith('--kv-'))
  if (named !== undefined) {
    throw new DriverError('invalid', `multihost init makes the store, and takes no '${named}'`, {
      hint: 'to use a Consul that runs already: multihost join consul://HOST:8500',
    })
  }
  if (host.value !== undefined && (args.length > host.count || !isHostName(host.value))) {
    throw new DriverError('invalid', `--token-for takes the name of one host, and no other option`, {
      hint: 'write it like: multihost init --token-for=net-2, with the name as in multihost host ls',
    })
  }
  const bind = '--bind-interface='
  return {
    consulFrom: consul.value === undefined ? undefined : resolve(consul.value),
    bindInterface: words.find((word) => word.startsWith(bind))?.slice(bind.length),
    tokenFor: host.value,
    others: words.filter((word) => !word.startsWith(bind)),
  }
}

/** The value of an option of `init`, in one word or two; `count` of them. */
function taken(
  args: readonly string[],
  option: string,
  what: string,
): { value: string | undefined; count: number; others: string[] } {
  const at = args.findIndex((word) => word === option || word.startsWith(`${option}=`))
  if (at < 0) return { value: undefined, count: 0, others: [...args] }
  const count = args[at] === option ? 2 : 1
  const value = count === 2 ? (args[at + 1] ?? '') : (args[at] ?? '').slice(option.length + 1)
  if (value === '' || value.startsWith('-'))
    throw new DriverError('invalid', `${option} needs a value`, { hint: what })
  return { value, count, others: args.toSpliced(at, count) }
}

/** Interface of the default route, of IPv4 where there is one. Throws `invalid` without one, and for several. */
export async function defaultInterface(): Promise<string> {
  const shown = async (family: string): Promise<string> =>
    (await run('ip', [family, '-json', 'route', 'show', 'default'])).stdout
  const device = defaultDeviceIn(await shown('-4')) ?? defaultDeviceIn(await shown('-6').catch(() => ''))
  if (device !== undefined) return device
  throw new DriverError('invalid', 'this host has no default route', { hint: nameInterface('eth1') })
}

const nameInterface = (device: string): string =>
  `name the interface that leads to the other hosts: multihost init --bind-interface=${device}`

interface DefaultRoute {
  /** `unreachable`, `blackhole`; absent for a route that leads somewhere. */
  type?: string
  dev?: string
  /** Of a route over several ways at once, in the place of `dev`. */
  nexthops?: { dev?: string }[]
}

/** Of what `ip -json route show default` prints: the routes with the lowest metric come first. */
export function defaultDeviceIn(shown: string): string | undefined {
  const routes = JSON.parse(shown.trim() || '[]') as DefaultRoute[]
  const first = routes.find(({ type = 'unicast' }) => type === 'unicast')
  const [device, ...others] = new Set(
    [first?.dev, ...(first?.nexthops ?? []).map(({ dev }) => dev)].flatMap((dev) => dev ?? []),
  )
  if (device === undefined || others.length === 0) return device
  const all = [device, ...others].join(' and ')
  throw new DriverError('invalid', `the default route of this host leads over ${all}`, {
    hint: nameInterface(device),
  })
}

/**
 * `before`: the words of a driver that this host has. `runsConsul`: this host has the Consul of an earlier
 * `init`, whose address may change. Throws `taken` on a member of another cluster, `invalid` for a word that
 * the options file cannot have.
 */
export function checkBegin(before: readonly string[], words: readonly string[], runsConsul: boolean): void {
  withDriver('', words)
  const is = storeIn(before)
  const isMoved = runsConsul && differInStoreAlone(before, words)
  if (is === undefined || isMoved || shareStore(before, words)) return
  throw new DriverError('taken', `this host is a member of the cluster at ${is}`, {
    hint: "to begin another cluster, run 'multihost leave' first",
  })
}

interface Program {
  /** Where the server has it. */
  path: string
  version: string
}

/** Consul's program: `from`, else that of an earlier `--consul-from`, else the host's. Throws `invalid`. */
export async function consulProgram(from: string | undefined): Promise<Program> {
  if (from !== undefined) return { path: ownProgram, version: await versionOf(from) }
  const path = (await isThere(ownProgram)) ? ownProgram : await inPath('consul')
  if (path !== undefined) return { path, version: await versionOf(path) }
  throw new DriverError('invalid', 'this host has no program consul', {
    hint: 'get Consul (Debian 12 and later have no package of it: see https://developer.hashicorp.com/consul/install), and name its program: multihost init --consul-from=FILE',
  })
}

async function inPath(program: string): Promise<string | undefined> {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    const path = await realpath(join(folder, program)).catch(() => undefined)
    if (path !== undefined) return path
  }
  return undefined
}

type Place = Omit<ConsulServer, 'program'>

/** The server's place on this host. */
export function placeAt({ address }: Pick<Underlay, 'address'>): Place {
  return {
    address,
    name: hostname(),
    folder: `${settings}/consul`,
    home: '/var/lib/multihost-consul',
    socket: '/run/multihost-consul/http.sock',
    caFile: `${settings}/consul-ca.pem`,
    tokenFile: `${settings}/consul-token`,
  }
}

/** The words of `multihost join` for every host of the cluster. */
export function joinWords({ address, caFile, tokenFile }: Place): string[] {
  return [
    `https://${inUrl(address)}:${ports.https}`,
    `--kv-ca-file=${caFile}`,
    `--kv-token-file=${tokenFile}`,
  ]
}

function inUrl(address: string): string {
  return address.includes(':') ? `[${address}]` : address
}

/**
 * Makes the server, or what it lacks; resolves when it leads and has the tokens. Throws `taken` before
 * anything is changed, `unavailable` when the server does not start: a new one is stopped then, and its files
 * stay for the next run.
 */
export async function startServer(server: ConsulServer, consulFrom: string | undefined): Promise<void> {
  const wasActive = await succeeds('systemctl', ['-q', 'is-active', unit])
  await checkFiles(server)
  if (!wasActive) await checkPorts(server)
  try {
    if (consulFrom !== undefined) await installProgram(consulFrom, server.program)
    await mkdir(settings, { recursive: true })
    await makeCertificates(server)
    await writeConfiguration(server, await owner())
    await replaceFile(unitFile, unitText(server))
    await startUnit(server, wasActive)
    await untilItLeads(server, leadsWithinMs)
    await makeTokens(server)
  } catch (error) {
    const log = await run('journalctl', ['-u', unit, '-n', '2', '-o', 'cat', '--no-pager']).catch(
      () => undefined,
    )
    if (!wasActive) await run('systemctl', ['-q', 'disable', '--now', unit]).catch(() => 'it is not there')
    const { code, message, hint } = asDriverError(error)
    const said =
      code === 'unavailable' && log?.stdout ? `; its log: ${log.stdout.trim().replaceAll('\n', ' ')}` : ''
    throw new DriverError(code, `Consul on this host: ${message}${said}`, {
      hint: hint ?? `see: journalctl -u ${unit}; then repeat the command`,
      cause: error,
    })
  }
}

/**
 * Restarts Consul only when its unit, configuration or program has changed: a restart interrupts the store
 * for every host.
 */
async function startUnit(server: ConsulServer, wasActive: boolean): Promise<void> {
  const stampFile = join(server.folder, 'started-with')
  const stamp = await stampOf(server)
  const isSame = wasActive && (await textOf(stampFile)) === stamp
  await run('systemctl', ['daemon-reload'])
  await run('systemctl', ['-q', 'enable', unit])
  await run('systemctl', [isSame ? 'start' : 'restart', unit])
  await replaceFile(stampFile, stamp)
}

async function stampOf(server: ConsulServer): Promise<string> {
  const folder = configFolder(server)
  const files = (await readdir(folder)).sort().map((file) => join(folder, file))
  const texts = await Promise.all([unitFile, ...files].map(textOf))
  const { size, mtimeMs } = await stat(server.program)
  return createHash('sha256')
    .update(JSON.stringify([texts, size, mtimeMs]))
    .digest('hex')
}

/** The server's user; made on the first run. */
async function owner(): Promise<Owner> {
  const id = async (flag: string) => Number((await run('id', [flag, user])).stdout)
  const home = ['--home-dir=/var/lib/multihost-consul', '--no-create-home', '--shell=/usr/sbin/nologin']
  if (!(await succeeds('id', ['-u', user]))) await run('useradd', ['--system', '--user-group', ...home, user])
  return { uid: await id('-u'), gid: await id('-g') }
}

export function unitText(server: ConsulServer): string {
  return `[Unit]
Description=Consul, the store of the multihost cluster
Documentation=man:multihost(8)
Wants=network-online.target
After=network-online.target
Before=multihost.service
StartLimitIntervalSec=0

[Service]
User=${user}
ExecStart=${server.program} agent -config-dir=${configFolder(server)}
Restart=always
RestartSec=1
KillSignal=SIGINT
StateDirectory=multihost-consul
StateDirectoryMode=0700
RuntimeDirectory=multihost-consul
RuntimeDirectoryMode=0700
UMask=0077
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes

[Install]
WantedBy=multi-user.target
`
}

/** What the person does on each further host. */
export function furtherHosts(server: ConsulServer): string {
  const words = joinWords(server)
  return `Consul runs on this host: ${words[0]}, ${unit}. Its data is in ${server.home}.

On each further host, as root:
  mkdir -p ${settings} && scp 'root@${inUrl(server.address)}:${settings}/consul-*' ${settings}/
  multihost join ${words.join(' ')}

${server.tokenFile} gives all rights in the cluster's store: keep it secret.
A host has a token of its own, with which it can claim no other host's name, by
'multihost init --token-for=NAME' on this host.`
}

/** Makes the token, and says what to do on that host. Throws `invalid` where no `init` has made a Consul. */
export async function tokenFor(host: HostName): Promise<string> {
  const config = await textOf(join(configFolder(placeAt({ address: '' })), 'consul.json'))
  if (config === '')
    throw new DriverError('invalid', 'multihost init has made no Consul on this host', {
      hint: 'run it on the host where multihost init made Consul; for another Consul, docs/security.md lists the rules of the token',
    })
  const { addresses, node_name: name } = JSON.parse(config) as {
    addresses: { https: string }
    node_name: string
  }
  const server = { ...placeAt({ address: addresses.https }), name }
  const file = await makeHostToken(server, host)
  const from = `root@${inUrl(server.address)}`
  return `The token of host ${host} is in ${file}. On that host, as root:
  mkdir -p ${settings} && scp '${from}:${server.caFile}' ${settings}/ && scp '${from}:${file}' ${server.tokenFile}
  multihost join ${joinWords(server).join(' ')}

A member takes it by 'systemctl restart multihost' instead of the last line.`
}
