/**
 * A lab's definition: its network and its hosts with their roles. Read once, checked, and passed on as a
 * value.
 *
 * It comes from provision/lab.json, from a file of the same form (`--lab-file`), or from a number
 * (`--hosts`). Validated by hand: loading a schema library takes longer than all else that `lab exec` needs.
 */
import { readFileSync } from 'node:fs'
import { isIPv4 } from 'node:net'
import { LabError, unknown } from '../process/errors.ts'
import { parseJson } from '../process/json.ts'

/** What a host is for; steps/procedure.ts has the steps of each. `bare`: packages and names alone. */
export const roles = ['consul', 'docker', 'bare'] as const
export type Role = (typeof roles)[number]

export interface LabHost {
  /** A DNS label of at most 13 characters, so that it can also name a network interface. */
  name: string
  /** IPv4, in the lab's network. */
  address: string
  role: Role
}

export interface Lab {
  /** With the length of its prefix: 192.168.33.0/24. */
  network: string
  hosts: readonly LabHost[]
  /** Where the definition comes from, for messages: `provision/lab.json`. */
  source: string
}

/** The walkthrough's container image: Debian 13 with the commands that the page types in containers. */
export const imageName = 'debian:13'

const defaultSource = 'provision/lab.json'

/** The three hosts of the walkthrough. */
export function defaultLab(): Lab {
  return parseLab(readFileSync(new URL('../lab.json', import.meta.url), 'utf8'), defaultSource)
}

export function readLab(file: string): Lab {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (cause) {
    throw new LabError(`--lab-file ${file} cannot be read: ${(cause as Error).message}`, { cause })
  }
  return parseLab(text, file)
}

const mostHosts = 200
const consulCounts = [1, 3, 5]
const mostInAll = mostHosts + Math.max(...consulCounts)

/** What the flags take, for messages. */
export const allowedCounts = { hosts: `a whole number from 1 to ${mostHosts}`, consul: '1, 3 or 5' } as const

/** Docker hosts net-1 … net-N from 192.168.33.11 on, and one, three or five Consul servers. */
export function generateLab(dockerHosts: number, consulServers = 1): Lab {
  if (!Number.isInteger(dockerHosts) || dockerHosts < 1 || dockerHosts > mostHosts)
    throw new LabError(`--hosts ${dockerHosts}: ${allowedCounts.hosts}`)
  if (!consulCounts.includes(consulServers))
    throw new LabError(`--consul ${consulServers}: ${allowedCounts.consul}`)
  const numbered = (count: number, prefix: string, first: number, role: Role): LabHost[] =>
    Array.from({ length: count }, (_, i) => ({
      name: `${prefix}-${i + 1}`,
      address: `192.168.33.${first + i}`,
      role,
    }))
  const consul: LabHost[] =
    consulServers === 1
      ? [{ name: 'consul-server', address: '192.168.33.10', role: 'consul' }]
      : numbered(consulServers, 'consul', 6, 'consul')
  return {
    network: '192.168.33.0/24',
    hosts: [...consul, ...numbered(dockerHosts, 'net', 11, 'docker')],
    source: `--hosts ${dockerHosts} --consul ${consulServers}`,
  }
}

export function hostNamed(lab: Lab, name: string): LabHost {
  const host = lab.hosts.find((each) => each.name === name)
  if (host) return host
  throw unknown('host', name, namesOf(lab))
}

export function namesOf(lab: Lab): string[] {
  return lab.hosts.map((host) => host.name)
}

export function hostsOfRole(lab: Lab, role: Role): LabHost[] {
  return lab.hosts.filter((host) => host.role === role)
}

/** The Consul server that a Docker host asks first. Several servers are shared out among the Docker hosts. */
export function consulFor(lab: Lab, host: LabHost): LabHost {
  const servers = hostsOfRole(lab, 'consul')
  const at = Math.max(
    0,
    hostsOfRole(lab, 'docker').findIndex((each) => each.name === host.name),
  )
  const server = servers[at % servers.length]
  if (server) return server
  throw new LabError(`${lab.source} names no host of role consul`)
}

/** Length of the network's prefix: `24`. */
export function prefixLength(lab: Lab): string {
  return lab.network.split('/')[1] ?? ''
}

/** Lines of /etc/hosts. */
export function hostsFileLines(lab: Lab): string[] {
  return lab.hosts.map((each) => `${each.address}\t${each.name}`)
}

/** How `theirs` differs from `ours`, one phrase per difference; empty when they are the same. */
export function differences(ours: Lab, theirs: Lab): string[] {
  const text = (host: LabHost) => `${host.name} ${host.address} (${host.role})`
  const [have, want] = [ours.hosts.map(text), theirs.hosts.map(text)]
  return [
    ...(ours.network === theirs.network ? [] : [`network ${ours.network} is now ${theirs.network}`]),
    ...want.filter((each) => !have.includes(each)).map((each) => `new: ${each}`),
    ...have.filter((each) => !want.includes(each)).map((each) => `gone: ${each}`),
  ]
}

/**
 * How an asked list differs from the one of a lab that is up. A lab made of another list is used as it is,
 * unless this list was asked for.
 */
export function edits(up: Lab, asked: { lab: Lab; explicit: boolean }): string[] {
  return asked.explicit || asked.lab.source === up.source ? differences(up, asked.lab) : []
}

/** Throws with the source, the value and what is allowed. */
export function parseLab(text: string, source: string): Lab {
  const content: { network?: unknown; hosts?: unknown; source?: unknown } = parseJson(text, source) ?? {}
  const { network, hosts } = content
  if (typeof network !== 'string' || !Array.isArray(hosts))
    throw new LabError(`${source} needs both "network" and the list "hosts"`)
  if (hosts.length < 1 || hosts.length > mostInAll)
    throw new LabError(`${source} names ${hosts.length} hosts: from 1 to ${mostInAll} make a lab`)
  const wrong = (key: string, value: unknown, wanted: string) =>
    new LabError(`${source}: ${key} ${JSON.stringify(value === undefined ? '' : value)} is not ${wanted}`)
  const { source: _, ...words } = content // of a list that was recorded
  refuseSurplus(words, ['network', 'hosts'], source)
  const [, base = '', prefix] = /^(.+)\/([1-9]\d?)$/.exec(network) ?? []
  if (!isForHosts(base, Number(prefix)))
    throw wrong('network', network, 'a network of IPv4 hosts and the length of its prefix, from 8 to 30')
  const first = firstAddress(base, Number(prefix))
  if (first !== base) throw wrong('network', network, `a network: its first address is ${first}`)
  const checked = hosts.map((host) => checkedHost(host, wrong, source))
  for (const { name, address } of checked) {
    if (!isInside(address, base, Number(prefix))) throw wrong('address', address, `in the network ${network}`)
    const namesakes = checked.filter((each) => each.name === name).length
    if (namesakes > 1) throw new LabError(`${source}: the name "${name}" occurs ${namesakes} times`)
    const sharing = checked.filter((each) => each.address === address).map((each) => each.name)
    if (sharing.length > 1)
      throw new LabError(`${source}: ${sharing.join(' and ')} have one address, ${address}`)
  }
  checkRoles(checked, source)
  return { network, hosts: checked, source }
}

/**
 * The switch of nspawn hosts has `lo` and `br-lab`, and a namespace named `switch`. The kernel refuses
 * devices named `all` and `default`, and the last three are in every /etc/hosts.
 */
const reservedNames = [
  'lo',
  'br-lab',
  'switch',
  'all',
  'default',
  'localhost',
  'ip6-localhost',
  'ip6-loopback',
]

function checkedHost(
  host: unknown,
  wrong: (key: string, value: unknown, wanted: string) => LabError,
  source: string,
): LabHost {
  if (typeof host !== 'object' || host === null || Array.isArray(host))
    throw wrong('host', host, 'an object with name, address and role')
  const { name, address, role }: Partial<Record<keyof LabHost, unknown>> = host
  refuseSurplus(host, ['name', 'address', 'role'], `${source}: host ${JSON.stringify(name ?? '')}`)
  if (typeof name !== 'string' || !/^[a-z]([a-z0-9-]{0,11}[a-z0-9])?$/.test(name)) {
    const wanted = 'at most 13 lower-case letters, digits and dashes, a letter first and no dash last'
    throw wrong('name', name, wanted)
  }
  if (reservedNames.includes(name))
    throw wrong('name', name, `free: ${reservedNames.join(', ')} have a meaning of their own`)
  if (typeof address !== 'string' || !isIPv4(address)) throw wrong('address', address, 'an IPv4 address')
  const known = roles.find((each) => each === role)
  if (known === undefined) throw wrong('role', role, `one of ${roles.join(', ')}`)
  return { name, address, role: known }
}

/** A word that is ignored would be a mistake: an engine is chosen by a flag. */
function refuseSurplus(given: object, known: readonly string[], where: string): void {
  const surplus = Object.keys(given).find((word) => !known.includes(word))
  if (surplus === undefined) return
  throw new LabError(
    `${where} has an unknown word ${JSON.stringify(surplus)}: allowed are ${known.join(', ')}`,
  )
}

function checkRoles(hosts: readonly LabHost[], source: string): void {
  const of = (role: Role) => hosts.filter((host) => host.role === role).length
  if (of('docker') > mostHosts)
    throw new LabError(`${source} names ${of('docker')} Docker hosts: at most ${mostHosts} fit`)
  // A program of its own needs neither Docker nor Consul, and Consul may be the program.
  if (of('docker') === 0 && of('consul') === 0) return
  if (!consulCounts.includes(of('consul')))
    throw new LabError(`${source} names ${of('consul')} hosts of role consul: 1, 3 or 5 can elect a leader`)
}

/**
 * Not this machine's own (0.0.0.0/8, loopback), not link-local, where the driver's DNS answers, and not
 * multicast or reserved.
 */
function isForHosts(base: string, prefix: number): boolean {
  const first = Number(base.split('.')[0])
  const isOfHosts = first > 0 && first < 224 && first !== 127 && !base.startsWith('169.254.')
  return isIPv4(base) && prefix >= 8 && prefix <= 30 && isOfHosts
}

function firstAddress(base: string, prefix: number): string {
  const first = (number(base) & maskOf(prefix)) >>> 0
  return [24, 16, 8, 0].map((bits) => (first >>> bits) & 255).join('.')
}

function isInside(address: string, base: string, prefix: number): boolean {
  const mask = maskOf(prefix)
  const [network, host] = [(number(base) & mask) >>> 0, number(address)]
  return (host & mask) >>> 0 === network && host !== network && host !== (network | ~mask) >>> 0
}

function maskOf(prefix: number): number {
  return (-1 << (32 - prefix)) >>> 0
}

function number(address: string): number {
  return address.split('.').reduce((sum, byte) => sum * 256 + Number(byte), 0)
}
