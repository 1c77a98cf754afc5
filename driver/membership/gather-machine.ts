/**
 * Gathers the facts of this machine. Trials leave nothing: links are made in network namespaces that end with
 * their process, and the socket on UDP 4789 is closed again.
 */
import { execFile } from 'node:child_process'
import { constants } from 'node:fs'
import { access, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import * as z from 'zod'
import { DriverError } from '../core/errors.ts'
import type { Ip } from '../core/records.ts'
import { probeDevice } from '../core/tunnels/packet.ts'
import type { EngineClient } from '../engine/client.ts'
import { openTunnelSocket } from '../kernel/tunnel-socket.ts'
import { daemonJson, parseDaemonJson } from './daemon-json.ts'
import {
  asked,
  type DockerOptions,
  type EngineFacts,
  type Facts,
  type KernelPart,
  type PortFacts,
  type StandIn,
} from './facts.ts'
import { optionsFile, wordsIn } from './options-file.ts'
import { refusesFiles, textOf, unitProperties } from './unit.ts'

const run = promisify(execFile)

/** What the driver, its tunnel probes and its unit start. */
const programs = [
  'ip',
  'bridge',
  'nft',
  'nsenter',
  'unshare',
  'setpriv',
  'mount',
  'umount',
  'sh',
  'systemctl',
  'systemd-notify',
]

const trials: Record<KernelPart, string> = {
  namespaces: 'true',
  vxlan: `ip link add mh0 type vxlan id 1 dstport ${probeDevice.port} nolearning`,
  bridge: 'ip link add mh0 type bridge',
  veth: 'ip link add mh0 type veth peer name mh1',
  // With what the filter of tunnel packets is made of (kernel/tunnel-filter.ts).
  nf_tables: [
    'nft add table inet doctor ;',
    'add chain inet doctor c { type filter hook prerouting priority -300 ; } ;',
    'add rule inet doctor c udp dport 4789 @th,96,24 { 1 } fib saddr . iif oif != 0 counter accept',
  ].join(' '),
}

export async function kernelFacts(): Promise<Facts['kernel']> {
  const outcomes = await Promise.all(
    Object.entries(trials).map(async ([part, command]) => {
      return [part, await refusal(['unshare', '--net', ...command.split(' ')])]
    }),
  )
  return Object.fromEntries(outcomes)
}

/** Undefined where the kernel does not say: outside of the first network namespace. */
export async function neighbourLimit(): Promise<number | undefined> {
  const paths = ['ipv4', 'ipv6'].map((family) => `/proc/sys/net/${family}/neigh/default/gc_thresh3`)
  const texts = await Promise.all(paths.map((path) => readFile(path, 'utf8').catch(() => undefined)))
  const limits = texts.flatMap((text) => (text === undefined ? [] : [Number(text)]))
  return limits.length === 0 ? undefined : Math.min(...limits)
}

export async function loadsNoModules(): Promise<boolean> {
  return (await textOf('/proc/sys/kernel/modules_disabled')).trim() === '1'
}

/**
 * The options file, and a link to the unit for its start at boot. Another user than root is told by the
 * kernel's check.
 */
export async function readOnlyPlaces(): Promise<Facts['readOnly']> {
  const paths = [optionsFile, '/etc/systemd/system/multihost.service']
  const asked = paths.map(async (path) => ({ path, why: await refusesFiles(path) }))
  return (await Promise.all(asked)).flatMap(({ path, why }) =>
    why === undefined || why === 'EACCES' ? [] : [{ path, why }],
  )
}

/** The line of a command's error that says what is wrong: of nft the first, else the last. */
async function refusal([program = '', ...args]: string[]): Promise<string | undefined> {
  try {
    await run(program, args, { timeout: 10_000 })
    return undefined
  } catch (error) {
    const { stderr = '', message } = error as Error & { stderr?: string }
    const lines = stderr.trim().split('\n')
    return lines.find((line) => line.startsWith('Error: Could not process rule')) || lines.at(-1) || message
  }
}

export async function missingTools(): Promise<string[]> {
  const folders = (process.env.PATH ?? '').split(':')
  const found = await Promise.all(programs.map((program) => isIn(folders, program)))
  return programs.filter((_, i) => !found[i])
}

async function isIn(folders: readonly string[], program: string): Promise<boolean> {
  const tries = folders.map((folder) => access(join(folder, program), constants.X_OK))
  return Promise.any(tries).then(
    () => true,
    () => false,
  )
}

const infoSchema = z.object({
  ServerVersion: z.string(),
  LiveRestoreEnabled: z.boolean().default(false),
  SecurityOptions: z.array(z.string()).nullish(),
  Swarm: z.object({ LocalNodeState: z.string().default('inactive') }).nullish(),
  FirewallBackend: z.object({ Driver: z.string() }).nullish(),
  IPv4Forwarding: z.boolean().default(true),
  DockerRootDir: z.string().nullish(),
  OperatingSystem: z.string().nullish(),
  /** Podman's own addition to Docker's answer (containers/podman, pkg/api/handlers/compat/info.go). */
  BuildahVersion: z.string().nullish(),
})

type Info = z.infer<typeof infoSchema>

function standInOf({ BuildahVersion, DockerRootDir, OperatingSystem }: Info): StandIn | undefined {
  if (BuildahVersion !== undefined && BuildahVersion !== null) return 'podman'
  if (DockerRootDir?.startsWith('/var/snap/')) return 'snap'
  return OperatingSystem === 'Docker Desktop' ? 'desktop' : undefined
}

export async function engineFacts(client: EngineClient): Promise<EngineFacts> {
  const info = await client.call('GET', '/info', infoSchema)
  // Like `name=seccomp,profile=builtin`.
  const isSecuredBy = (name: string): boolean =>
    (info.SecurityOptions ?? []).some((option) => option.split(',')[0] === `name=${name}`)
  return {
    version: info.ServerVersion,
    standIn: standInOf(info),
    firewall: info.FirewallBackend?.Driver ?? 'iptables',
    inSwarm: !['', 'inactive'].includes(info.Swarm?.LocalNodeState ?? ''),
    hasUserns: isSecuredBy('userns'),
    isRootless: isSecuredBy('rootless'),
    isLiveRestore: info.LiveRestoreEnabled,
    isForwarding: info.IPv4Forwarding,
  }
}

/** Of the dockerd that runs, and of its next start. */
export async function dockerOptions(): Promise<DockerOptions> {
  const unit = await unitProperties(['ExecStart', 'MainPID'], 'docker.service').catch(() => ({}))
  const flags = await flagsOf(unit)
  const file = valuesOf(flags, 'config-file').at(-1) ?? daemonJson
  return dockerOptionsIn(await textOf(file), flags, file)
}

/**
 * The command line of the process, which has what a drop-in of a person adds. DOCKER_OPTS in
 * /etc/default/docker counts where the unit reads it: docker-ce's does not.
 */
export async function flagsOf(
  { ExecStart = '', MainPID = '0' }: Record<string, string>,
  { proc = '/proc', options = optionsFile } = {},
): Promise<string[]> {
  const running = MainPID === '0' ? '' : await textOf(`${proc}/${MainPID}/cmdline`)
  const ofProcess = running.split('\0').slice(1, -1)
  const isRead = ExecStart === '' || /\$\{?DOCKER_OPTS\b/.test(ExecStart)
  const ofFile = isRead ? (wordsIn(await textOf(options), 'DOCKER_OPTS') ?? []) : []
  return [...ofProcess, ...ofFile]
}

const jsonSchema = z.looseObject({
  dns: z.array(z.string()).nullish(),
  'data-root': z.string().nullish(),
  'default-address-pools': z.array(z.object({ base: z.string() })).nullish(),
})
/** moby's daemon/libnetwork/ipamutils. */
const builtInPools = ['172.17.0.0/16', '172.18.0.0/15', '172.20.0.0/14', '172.24.0.0/13', '192.168.0.0/16']

/** dockerd does not start with an option in both places. Throws `invalid` for a file that dockerd cannot read. */
export function dockerOptionsIn(json: string, flags: readonly string[], file = daemonJson): DockerOptions {
  const config = configIn(json, file)
  const flagPools = valuesOf(flags, 'default-address-pool').flatMap(
    (it) => /\bbase=([^,]+)/.exec(it)?.[1] ?? [],
  )
  const pools = [...(config['default-address-pools'] ?? []).map(({ base }) => base), ...flagPools]
  return {
    dns: [...new Set([...(config.dns ?? []), ...valuesOf(flags, 'dns')])],
    dataRoot: config['data-root'] ?? valuesOf(flags, 'data-root').at(-1),
    addressPools: pools.length === 0 ? builtInPools : [...new Set(pools)],
  }
}

function valuesOf(flags: readonly string[], name: string): string[] {
  return flags.flatMap((word, i) => {
    if (word.startsWith(`--${name}=`)) return [word.slice(name.length + 3)]
    return word === `--${name}` ? [flags[i + 1] ?? ''] : []
  })
}

function configIn(json: string, file: string): z.infer<typeof jsonSchema> {
  const found = jsonSchema.safeParse(parsedJson(json, file))
  if (found.success) return found.data
  const [first] = found.error.issues
  throw new DriverError('invalid', `${file} has a wrong "${first?.path.join('.')}": ${first?.message}`)
}

function parsedJson(json: string, file: string): unknown {
  try {
    return parseDaemonJson(json)
  } catch (cause) {
    throw new DriverError('invalid', `${file} is not JSON: ${(cause as Error).message}`, { cause })
  }
}

/** `isRunning`: a driver has the port already. */
export async function portFacts(vtep: Ip, isRunning: boolean): Promise<PortFacts> {
  const trial = isRunning ? { found: undefined } : await asked(() => tryPort(vtep))
  const sockets = await Promise.all(['/proc/net/udp', '/proc/net/udp6'].map(textOf))
  return {
    trial: 'failed' in trial ? trial.failed : undefined,
    devices: await vxlanDevices(),
    hasProcess: sockets.some(hasProcessSocket),
  }
}

async function tryPort(vtep: Ip): Promise<void> {
  const socket = await openTunnelSocket(vtep)
  socket.close()
}

/**
 * proc_net_udp(5): local address and port in hex, the inode as tenth column; a socket of the kernel's has
 * inode 0.
 */
export function hasProcessSocket(text: string): boolean {
  const port = probeDevice.port.toString(16).toUpperCase().padStart(4, '0')
  return text
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .some((columns) => columns[1]?.endsWith(`:${port}`) && columns[9] !== '0')
}

const linkSchema = z.array(
  z.object({
    ifname: z.string().optional(),
    linkinfo: z.object({ info_data: z.object({ port: z.number().optional() }).optional() }).optional(),
  }),
)

async function vxlanDevices(): Promise<string[]> {
  const { stdout } = await run('ip', ['-j', '-d', 'link', 'show', 'type', 'vxlan'])
  const links = linkSchema.parse(JSON.parse(stdout || '[]'))
  return links
    .filter(({ linkinfo }) => linkinfo?.info_data?.port === probeDevice.port)
    .flatMap(({ ifname }) => ifname ?? [])
}
