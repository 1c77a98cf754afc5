/**
 * `multihost init`: a Consul server on this host, for a cluster that has none; then this host joins it.
 *
 * A host whose `init` was interrupted runs it again: each step looks at what there is.
 */
import { execFile } from 'node:child_process'
import { mkdir, realpath } from 'node:fs/promises'
import { hostname } from 'node:os'
import { delimiter, join } from 'node:path'
import { isDeepStrictEqual, parseArgs, promisify } from 'node:util'
import { DriverError } from '../core/errors.ts'
import type { Underlay } from '../kernel/kernel.ts'
import {
  type ConsulServer,
  installProgram,
  makeCertificates,
  makeTokens,
  type Owner,
  port,
  untilItLeads,
  versionOf,
  writeServerFiles,
} from './consul-server.ts'
import { replaceFile, textOf } from './unit.ts'

const run = promisify(execFile)

const user = 'multihost-consul'
const unit = 'multihost-consul.service'
const unitFile = `/etc/systemd/system/${unit}`
const settings = '/etc/multihost'
const leadsWithinMs = 60_000
/** Where the program of `--consul-from` is copied to. */
export const ownProgram = '/usr/local/lib/multihost-consul/consul'

export interface InitWords {
  consulFrom: string | undefined
  bindInterface: string | undefined
  /** Of the driver. */
  others: string[]
}

/** Throws `invalid`. */
export function parseInitWords(args: string[]): InitWords {
  const named = args.find((word) => word.startsWith('--kv-') || !word.startsWith('-'))
  if (named !== undefined) {
    throw new DriverError('invalid', `multihost init makes the store, and takes no '${named}'`, {
      hint: 'to name a store that there is: multihost join consul://HOST:8500',
    })
  }
  const own = { 'consul-from': { type: 'string' }, 'bind-interface': { type: 'string' } } as const
  const { values, tokens } = parseArgs({ args, options: own, strict: false, tokens: true })
  const others = tokens.flatMap((token) =>
    token.kind === 'option' && !(token.name in own) ? [args[token.index] ?? ''] : [],
  )
  const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined)
  return { consulFrom: text(values['consul-from']), bindInterface: text(values['bind-interface']), others }
}

/** Interface of the default route. Throws `invalid` without one. */
export async function defaultInterface(): Promise<string> {
  const routes: { dev: string }[] = JSON.parse(
    (await run('ip', ['-json', 'route', 'show', 'default'])).stdout || '[]',
  )
  const [first] = routes
  if (first !== undefined) return first.dev
  throw new DriverError('invalid', 'this host has no default route', {
    hint: 'name the interface that leads to the other hosts: multihost init --bind-interface=eth1',
  })
}

/** Path and version of Consul's program. Throws `invalid`. */
export async function consulProgram(from: string | undefined): Promise<{ path: string; version: string }> {
  const path = from ?? (await inPath('consul'))
  if (path !== undefined) return { path, version: await versionOf(path) }
  throw new DriverError('invalid', 'this host has no program consul', {
    hint: "install Consul's package, or name its program: multihost init --consul-from=FILE",
  })
}

async function inPath(program: string): Promise<string | undefined> {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    const path = await realpath(join(folder, program)).catch(() => undefined)
    if (path !== undefined) return path
  }
  return undefined
}

/** The server's place on this host. */
export function serverAt({ address }: Underlay, program: string): ConsulServer {
  return {
    address,
    name: hostname(),
    program,
    folder: `${settings}/consul`,
    dataFolder: '/var/lib/multihost-consul',
    socket: '/run/multihost-consul/http.sock',
    caFile: `${settings}/consul-ca.pem`,
    tokenFile: `${settings}/consul-token`,
  }
}

/** `https://192.168.33.11:8501`. */
export function urlOf({ address }: ConsulServer): string {
  return `https://${address.includes(':') ? `[${address}]` : address}:${port}`
}

/** The words of `multihost join` for every host of the cluster. */
export function joinWords(server: ConsulServer): string[] {
  return [urlOf(server), `--kv-ca-file=${server.caFile}`, `--kv-token-file=${server.tokenFile}`]
}

/** Makes the server, or what it lacks; resolves when it leads and has the tokens. Throws `unavailable`, `invalid`. */
export async function startServer(server: ConsulServer, consulFrom: string | undefined): Promise<void> {
  const used = [unitFile, ...['consul.json', 'server.pem'].map((file) => join(server.folder, file))]
  const before = await Promise.all(used.map(textOf))
  if (consulFrom !== undefined) await installProgram(consulFrom, server.program)
  await mkdir(server.folder, { recursive: true, mode: 0o755 })
  await makeCertificates(server)
  await writeServerFiles(server, await owner())
  await replaceFile(unitFile, unitText(server))
  const isSame = isDeepStrictEqual(await Promise.all(used.map(textOf)), before)
  await run('systemctl', ['daemon-reload'])
  await run('systemctl', ['-q', 'enable', unit])
  // The hosts of a cluster that is there do not lose its store for a while.
  await run('systemctl', [isSame ? 'start' : 'restart', unit]).catch(notStarted)
  await untilItLeads(server, leadsWithinMs)
  await makeTokens(server)
}

/** The server's user; made on the first run. */
async function owner(): Promise<Owner> {
  const id = async (flag: string) => Number((await run('id', [flag, user])).stdout)
  const isThere = await run('id', ['-u', user]).then(
    () => true,
    () => false,
  )
  if (!isThere)
    await run('useradd', [
      '--system',
      '--user-group',
      '--home-dir=/var/lib/multihost-consul',
      '--shell=/usr/sbin/nologin',
      user,
    ])
  return { uid: await id('-u'), gid: await id('-g') }
}

async function notStarted(cause: Error): Promise<never> {
  const said = await run('journalctl', ['-u', unit, '-n', '3', '-o', 'cat', '--no-pager']).catch(
    () => undefined,
  )
  throw new DriverError(
    'unavailable',
    `the unit ${unit} does not start: ${said?.stdout.trim() || cause.message}`,
    {
      hint: `see: journalctl -u ${unit}; then repeat the command`,
      cause,
    },
  )
}

export function unitText({ program, folder }: ConsulServer): string {
  return `[Unit]
Description=Consul, the store of the multihost cluster
Documentation=man:multihost(8)
Wants=network-online.target
After=network-online.target
Before=multihost.service
StartLimitIntervalSec=0

[Service]
User=${user}
ExecStart=${program} agent -config-file=${join(folder, 'consul.json')}
Restart=always
RestartSec=1
KillSignal=SIGINT
StateDirectory=multihost-consul
StateDirectoryMode=0700
RuntimeDirectory=multihost-consul
RuntimeDirectoryMode=0700
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
  const { address } = server
  return `Consul runs on this host: ${urlOf(server)}, ${unit}. Its data is in ${server.dataFolder}.

On each further host, as root:
  mkdir -p ${settings} && scp 'root@${address}:${settings}/consul-*' ${settings}/
  multihost join ${joinWords(server).join(' ')}

${server.tokenFile} gives all rights in the cluster's store: keep it secret.`
}
