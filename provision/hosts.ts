/**
 * The lab's hosts, from lab.json: the one list that the scripts, the scenarios and the Vagrantfile read.
 */
import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { LabError, unknown } from './errors.ts'

const hostSchema = z.strictObject({
  /** A DNS label of at most 13 characters, so that it can also name a network interface. */
  name: z.string().regex(/^[a-z][a-z0-9-]{0,12}$/),
  address: z.ipv4(),
  role: z.enum(['consul', 'docker']),
})
const labSchema = z.strictObject({ network: z.cidrv4(), hosts: z.array(hostSchema).min(1) })

export type LabHost = z.infer<typeof hostSchema>

const file = new URL('lab.json', import.meta.url)
const lab = read()

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

function read(): z.infer<typeof labSchema> {
  const parsed = labSchema.safeParse(JSON.parse(readFileSync(file, 'utf8')))
  if (parsed.success) return parsed.data
  throw new LabError(`provision/lab.json is not valid: ${z.prettifyError(parsed.error)}`)
}
