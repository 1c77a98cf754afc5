/**
 * `--driver`: another driver for the same hosts, and how they are made ready for it.
 *
 * `swarm` is the engine's own overlay. A path is somebody's plugin: an executable file that is copied to every
 * Docker host, started there as a service, and listens on the unix socket that its environment names. Our own driver
 * is stopped and the lab's `docker` taken away meanwhile, so that nothing passes by their doing.
 */
import { accessSync, constants, existsSync, readFileSync, statSync } from 'node:fs'
import { basename, extname, resolve } from 'node:path'
import { consulAddress } from '../../provision/lab/hosts.ts'
import { LabError, unknown } from '../../provision/process/errors.ts'
import type { Connection } from '../../provision/ssh/connection.ts'
import { ScenarioFailure } from '../kit/failure.ts'
import type { Host } from '../kit/host.ts'
import { type Driver, swarm } from './driver.ts'
import { joinSwarm } from './swarm.ts'

export interface OtherDriver {
  name: string
  /** Whether a check that it fails is a failure of the run: its maker wants to know. Swarm is there to compare. */
  mustPass: boolean
  /** Before ours is run, so that one that does not start is told at once. */
  install(machines: Machines): Promise<Driver>
  /** From here on the hosts are its own. */
  enter(machines: Machines): Promise<void>
}

export interface Machine {
  host: Host
  upload: Connection['upload']
}
export type Machines = readonly [Machine, Machine]

export function otherDriver(word: string): OtherDriver {
  if (word === 'swarm') {
    return { name: 'swarm', mustPass: false, install: async () => swarm, enter: enterSwarm }
  }
  const { path, name } = pluginNamed(word)
  const install = (machines: Machines) => installPlugin(path, name, machines)
  return { name, mustPass: true, install, enter: stepAside }
}

/** Names of the engine's own drivers, and of ours. */
const taken = ['bridge', 'host', 'ipvlan', 'macvlan', 'none', 'null', 'overlay', 'default', 'swarm', 'vxlan']

function pluginNamed(word: string): { path: string; name: string } {
  const [, given = '', as] = /^(.*?)(?::([^/]*))?$/.exec(word) ?? []
  const path = resolve(given)
  if (!existsSync(path)) {
    if (!given.includes('/')) throw unknown('driver', word, ['swarm', 'PATH[:NAME] of a plugin'])
    throw new LabError(`--driver ${word}: there is no file ${path}`)
  }
  if (!statSync(path).isFile()) throw new LabError(`--driver ${word}: ${path} is not a file`)
  if (!executable(path)) {
    throw new LabError(`--driver ${word}: ${path} is not executable`, { hint: `chmod +x ${path}` })
  }
  const name = as ?? basename(path, extname(path))
  const hint = `give it another: --driver ${given}:NAME`
  if (!/^[a-z0-9][a-z0-9_.-]{0,63}$/.test(name)) {
    throw new LabError(`"${name}" cannot name a driver: lower-case letters, digits, "_", "." and "-"`, {
      hint,
    })
  }
  if (taken.includes(name)) throw new LabError(`the name ${name} is taken: ${taken.join(', ')} are`, { hint })
  return { path, name }
}

function executable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

async function enterSwarm(machines: Machines): Promise<void> {
  await stepAside(machines)
  await joinSwarm([machines[0].host, machines[1].host])
}

async function stepAside(machines: Machines): Promise<void> {
  for (const { host } of machines) {
    await host.succeed`systemctl stop multihost; rm -f /usr/local/bin/docker`
  }
}

const unit = 'multihost-other-driver'
const program = '/usr/local/lib/multihost-other-driver'
const startsWithinMs = 10_000

async function installPlugin(path: string, name: string, machines: Machines): Promise<Driver> {
  const socket = `/run/docker/plugins/${name}.sock`
  const content = readFileSync(path)
  const addresses = machines.map(({ host }) => host.address)
  const roles: string[][] = []
  for (const { host, upload } of machines) {
    await upload(program, content, '0755')
    const environment = [
      `PLUGIN_NAME=${name}`,
      `PLUGIN_SOCKET=${socket}`,
      `HOST_ADDRESS=${host.address}`,
      `PEER_ADDRESSES=${addresses.filter((each) => each !== host.address).join(' ')}`,
      `CONSUL_HTTP_ADDR=${consulAddress}:8500`,
    ].map((each) => `--setenv=${each}`)
    await host.succeed`mkdir -p /run/docker/plugins; systemd-run -q --unit ${unit} ${environment} ${program}`
    roles.push(await rolesOf(host, name, socket))
  }
  const ipam = roles.every((each) => each.includes('IpamDriver')) ? ['--ipam-driver', name] : []
  return { name, create: ['-d', name, ...ipam], spreads: 'perhaps', lacks: {} }
}

/** What the plugin says that it is, once it answers. */
async function rolesOf(host: Host, name: string, socket: string): Promise<string[]> {
  const activate = [
    'curl',
    '-sf',
    '--max-time',
    '5',
    '--unix-socket',
    socket,
    '-d',
    '',
    'http://plugin/Plugin.Activate',
  ]
  try {
    // A plugin that has ended is not waited for.
    await host.within(startsWithinMs)
      .waitUntilSucceeds`${activate} > /dev/null || ! systemctl -q is-active ${unit}`
    const answer = JSON.parse(await host.succeed`${activate}`)
    if (answer.Implements?.includes('NetworkDriver')) return answer.Implements
    throw new LabError(
      `${name} on ${host.name} is no network driver: Plugin.Activate answers ${JSON.stringify(answer)}`,
    )
  } catch (error) {
    if (!(error instanceof ScenarioFailure)) throw error
    const log = await host.succeed`journalctl -u ${unit} -n 20 --no-pager -o cat`
    const seconds = startsWithinMs / 1000
    throw new LabError(
      `${name} does not answer on ${socket} of ${host.name} within ${seconds} s; its log:\n${log}`,
    )
  }
}
