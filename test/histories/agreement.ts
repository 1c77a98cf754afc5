/**
 * Where the hosts, their kernels, their engines and the store agree. After quiet nothing is left over, and
 * nothing is missing.
 */
import { namespaceOf } from '../../driver/core/datapath/desired.ts'
import { jsonIn } from '../../driver/core/json.ts'
import type { Lease } from '../../driver/core/records.ts'
import { keyIn, recordName } from '../../driver/core/snapshot.ts'
import type { Attachment } from '../fixtures/dockerd.ts'
import { networks } from './steps.ts'
import type { World, WorldHost } from './world.ts'

const prefix = 'multihost'

export function disagreements(world: World): string[] {
  const wrong: string[] = []
  if (world.server !== world.consul) return ['the address is another cluster’s']
  const expected = new Set<string>()
  for (const { name, running, member, store } of world.hosts) {
    if (member === undefined) wrong.push(`${name} is stopped`)
    if (store.snapshot().hosts.size !== world.hosts.length) wrong.push(`${name} does not know every host`)
    const { fresh, doubt, corrupt } = store.status()
    if (!fresh || doubt !== undefined) wrong.push(`${name} does not trust the store: ${doubt?.why}`)
    if (corrupt.length > 0) wrong.push(`${name}: unreadable ${corrupt.map(recordName)}`)
    for (const at of running.values()) {
      const network = networkOf(world, at.network, name)
      expected.add(`${prefix}/endpoints/${keyIn(network, at.endpoint)}`)
      expected.add(`${prefix}/addresses/${keyIn(network, at.v4)}`)
    }
  }
  const keys = new Set(world.consul.keys())
  const recorded = new Set([...keys].filter((key) => key.startsWith(`${prefix}/endpoints/`)))
  for (const key of expected) if (!keys.has(key)) wrong.push(`missing in the store: ${key}`)
  for (const key of recorded) if (!expected.has(key)) wrong.push(`left in the store: ${key}`)
  if (wrong.length === 0) wrong.push(...unknownTo(world, recorded))
  for (const host of world.hosts) wrong.push(...otherNetworks(host), ...otherEntries(world, host))
  // Last, since a status is made of everything that the host knows.
  return wrong.length > 0 ? wrong : problems(world)
}

/**
 * A lease whose endpoint is gone, as after the restore of a backup: it counts as used for minutes
 * (loops/endpoints/leftovers.ts), so that the small network may be full.
 */
export function hasLeftoverLease({ consul }: World): boolean {
  const folder = `${prefix}/addresses/`
  return consul.keys().some((key) => {
    if (!key.startsWith(folder)) return false
    const { endpoint } = (jsonIn(consul.get(key) ?? '') ?? {}) as Partial<Lease>
    const network = key.slice(folder.length).split('/')[0]
    return endpoint !== undefined && consul.get(`${prefix}/endpoints/${network}/${endpoint}`) === undefined
  })
}

function unknownTo(world: World, recorded: ReadonlySet<string>): string[] {
  return world.hosts.flatMap(({ name, store }) => {
    const { endpoints } = store.snapshot()
    const same = endpoints.size === recorded.size && [...recorded].every((it) => endpoints.has(it.slice(20)))
    return same ? [] : [`${name} has other endpoints than the store`]
  })
}

function problems(world: World): string[] {
  return world.hosts.flatMap(({ name, member }) =>
    (member?.status().problems ?? []).map((it) => `${name}: ${it}`),
  )
}

/** The cluster's id of the network whose id is that in this host's Docker. */
function networkOf({ hosts }: World, local: string, host: string): string {
  const at = hosts.find(({ name }) => name === host)
  return at?.store.snapshot().replicas.get(`${host}/${local}`)?.value ?? local
}

function otherNetworks({ name, docker }: WorldHost): string[] {
  const have = docker.ls().join(', ')
  return have === Object.keys(networks).sort().join(', ') ? [] : [`${name} has the networks ${have}`]
}

/** The kernel has a link for each container of the host, and the way to each container of other hosts. */
function otherEntries(world: World, host: WorldHost): string[] {
  return Object.keys(networks).flatMap((network) => {
    const [own, others] = [containersOf(host, network), world.hosts.filter((it) => it !== host)]
    const peers = others.flatMap((it) => containersOf(it, network).map((at) => ({ ...at, vtep: it.vtep })))
    const wanted = [
      ...own.map(({ endpoint }) => `veth${endpoint.slice(0, 8)}`),
      ...peers.flatMap(({ mac, vtep, v4 }) => [`${mac} at ${vtep}`, `${v4} is ${mac}`]),
    ]
    const local = host.docker.idOf(network)
    const have = host.kernel.contents(namespaceOf(local ?? '', `/in-memory/${host.name}/netns`))
    const there = [
      ...(have?.ports ?? []).map(({ name }) => name),
      ...(have?.fdb ?? []).map(({ mac, vtep }) => `${mac} at ${vtep}`),
      ...(have?.neighbours ?? []).map(({ ip, mac }) => `${ip} is ${mac}`),
    ]
    const isSame = own.length === 0 ? have === undefined : there.sort().join() === wanted.sort().join()
    return isSame
      ? []
      : [
          `${host.name}: the kernel has for ${network}: ${there.join(', ') || have}, and not ${wanted.join(', ')}`,
        ]
  })
}

function containersOf({ docker, running }: WorldHost, network: string): Attachment[] {
  return [...running.values()].filter((at) => docker.nameOf(at.network) === network)
}
