/**
 * The lab's hosts, from lab.json: the one list that the scripts, the scenarios and the Vagrantfile read.
 */
import { readFileSync } from 'node:fs'
import { isIPv4 } from 'node:net'
import { LabError, unknown } from '../process/errors.ts'

export interface LabHost {
  /** A DNS label of at most 13 characters, so that it can also name a network interface. */
  name: string
  address: string
  role: 'consul' | 'docker'
}

interface Lab {
  /** With its prefix's length: 192.168.33.0/24. */
  network: string
  hosts: LabHost[]
}

const lab = parseLab(readFileSync(new URL('../lab.json', import.meta.url), 'utf8'))

export const hosts: readonly LabHost[] = lab.hosts
export const network: string = lab.network
/** The walkthrough's container image: Debian 13, pulled, or imported under the name of what it is. */
export const imageName = 'debian:13'
/** Length of the lab network's prefix: 24. */
export const prefixLength: string = network.split('/')[1] ?? '24'
/** Where Consul answers. */
export const consulAddress: string = address('consul')

export function hostNamed(name: string): LabHost {
  const host = hosts.find((each) => each.name === name)
  if (!host)
    throw unknown(
      'host',
      name,
      hosts.map((each) => each.name),
    )
  return host
}

function address(role: LabHost['role']): string {
  const host = lab.hosts.find((each) => each.role === role)
  if (!host) throw new LabError(`provision/lab.json names no host of role ${role}`)
  return host.address
}

/** By hand, since a schema's library takes longer to load than all else that `lab exec` needs. */
export function parseLab(text: string): Lab {
  const { network, hosts } = json(text)
  if (typeof network !== 'string' || !Array.isArray(hosts)) {
    throw new LabError('provision/lab.json has not both, "network" and the list "hosts"')
  }
  const [, base = '', prefix] = /^(.+)\/(\d\d?)$/.exec(network) ?? []
  if (!isIPv4(base) || Number(prefix) > 32)
    throw wrong('network', network, 'an IPv4 address and the length of its prefix')
  for (const host of hosts) {
    const { name = '', address = '', role = '' } = Object(host) as Partial<LabHost>
    if (!/^[a-z][a-z0-9-]{0,12}$/.test(name))
      throw wrong('name', name, 'at most 13 lower-case letters, digits and dashes, a letter first')
    if (!isIPv4(address)) throw wrong('address', address, 'an IPv4 address')
    if (role !== 'consul' && role !== 'docker') throw wrong('role', role, 'consul or docker')
  }
  return { network, hosts }
}

function json(text: string): Partial<Lab> {
  try {
    return JSON.parse(text) ?? {}
  } catch (cause) {
    throw new LabError(`provision/lab.json is no JSON: ${(cause as Error).message}`, { cause })
  }
}

function wrong(key: keyof Lab | keyof LabHost, value: string, wanted: string): LabError {
  return new LabError(`provision/lab.json: ${key} "${value}" is not ${wanted}`)
}
