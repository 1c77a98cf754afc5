/**
 * One network on one host, as the store, the host's kernel and its engine tell of it, and what they do not agree on.
 */
import type { ContainerView, HostView, StoredEndpoint, StoreView, Tunnel } from '../record/snapshot.ts'

/** A network on a host. */
export interface Cell {
  /** The engine has it. */
  known: boolean
  tunnel: Tunnel | undefined
  boxes: Box[]
  ways: Way[]
}

/** A container. */
export interface Box {
  name: string
  ips: string[]
  mac: string
  state: 'agreed' | 'only in the store' | 'only in Docker' | 'differs'
}

/** An entry of the FDB: frames for that MAC go to that host. */
export interface Way {
  to: string
  dst: string
  state: 'agreed' | 'missing' | 'stray'
}

/** Told one sentence per disagreement. */
export type Say = (problem: string) => void

interface Place {
  id: string
  name: string
  record: StoreView['networks'][number] | undefined
  store: StoreView | undefined
  host: HostView
  say: Say
}

export function cellOf(place: Place): Cell {
  const { id, name, record, store, host, say } = place
  const docker = host.networks.find((network) => clusterId(host, network.id, store) === id)
  const tunnel = host.tunnels.find((each) => docker !== undefined && isNamespaceOf(each, docker.id))
  if (store && host.silent === undefined) {
    if (docker && !record) say(`${host.name}: Docker has network ${name}, the store has not`)
    if (!docker && record) say(`${host.name}: network ${name} is in the store, not in Docker`)
    if (tunnel && record && tunnel.vni !== record.vni)
      say(`${host.name}: the VNI of ${name} is ${tunnel.vni} in the kernel, ${record.vni} in the store`)
  }
  const boxes = boxesOf(place, docker?.id, tunnel)
  return { known: docker !== undefined, tunnel, boxes, ways: tunnel ? waysOf(place, tunnel) : [] }
}

function boxesOf(place: Place, localId: string | undefined, tunnel: Tunnel | undefined): Box[] {
  const { id, store, host, say } = place
  const running = host.containers.filter(({ state }) => state === 'running' || state === 'paused')
  const attached = running.flatMap((container) =>
    container.networks.filter((on) => on.id === localId).map((on) => ({ container, on })),
  )
  const stored = (store?.endpoints ?? []).filter((each) => each.network === id && each.host === host.name)
  const alone = stored.filter((each) => each.joined && !attached.some(({ on }) => on.endpoint === each.id))
  const ghosts = host.silent === undefined ? alone : []
  for (const each of ghosts)
    say(`${host.name}: ${nameOf(each)} is in the store, no container of that endpoint runs`)
  return [
    ...attached.map(({ container, on }) => box(place, container, on, stored, tunnel)),
    ...ghosts.map((each) => ({
      name: nameOf(each),
      ips: each.ips,
      mac: each.mac,
      state: 'only in the store' as const,
    })),
  ]
}

function box(
  { host, store, say }: Place,
  { name }: ContainerView,
  on: ContainerView['networks'][number],
  stored: StoredEndpoint[],
  tunnel: Tunnel | undefined,
): Box {
  const endpoint = stored.find((each) => each.id === on.endpoint)
  const seen = { name, ips: endpoint?.ips ?? [on.ip], mac: endpoint?.mac ?? on.mac }
  if (!store) return { ...seen, state: 'agreed' }
  if (!endpoint) {
    say(`${host.name}: ${name} is on the network in Docker, not in the store`)
    return { ...seen, state: 'only in Docker' }
  }
  const wrong = differences(on, endpoint, host, tunnel)
  for (const each of wrong) say(`${host.name}: ${name} ${each}`)
  return { ...seen, state: wrong.length > 0 ? 'differs' : 'agreed' }
}

function differences(
  on: ContainerView['networks'][number],
  endpoint: StoredEndpoint,
  host: HostView,
  tunnel: Tunnel | undefined,
): string[] {
  const [ip = ''] = endpoint.ips
  const inKernel = host.interfaces[endpoint.mac]
  const port = `veth${endpoint.id.slice(0, 8)}`
  return [
    ...(on.ip === ip ? [] : [`has ${on.ip || 'no address'} in Docker, ${ip} in the store`]),
    ...(on.mac === endpoint.mac
      ? []
      : [`has MAC ${on.mac || 'none'} in Docker, ${endpoint.mac} in the store`]),
    ...(inKernel ? [] : [`has no interface with ${endpoint.mac} in the kernel`]),
    ...(inKernel && !inKernel.includes(ip)
      ? [`has ${inKernel.join(', ') || 'no address'} in the kernel, ${ip} in the store`]
      : []),
    ...(tunnel ? [] : ['is on a network of which the kernel has nothing']),
    ...(tunnel?.bridged && !tunnel.ports.includes(port) ? [`has no port ${port} on the bridge`] : []),
  ]
}

function waysOf({ id, name, store, host, say }: Place, tunnel: Tunnel): Way[] {
  if (!store) return tunnel.fdb.map(({ mac, dst }) => ({ to: mac, dst, state: 'agreed' }))
  const vtep = store.hosts.find((each) => each.name === host.name)?.vtep
  if (tunnel.local !== undefined && vtep !== undefined && tunnel.local !== vtep)
    say(`${host.name}: the tunnel of ${name} ends at ${tunnel.local}, the store says ${vtep}`)
  const remote = store.endpoints.filter(
    (each) => each.network === id && each.joined && each.host !== host.name,
  )
  const leadsTo = (each: StoredEndpoint) =>
    tunnel.fdb.some(({ mac, dst }) => mac === each.mac && dst === each.vtep)
  const expected = remote.map((each): Way => {
    if (!leadsTo(each)) say(`${host.name}: no FDB entry ${each.mac} → ${each.vtep}, where ${nameOf(each)} is`)
    for (const ip of each.ips.filter(
      (ip) => !tunnel.neighbours.some((entry) => entry.ip === ip && entry.mac === each.mac),
    ))
      say(`${host.name}: no neighbour entry ${ip} → ${each.mac} for ${nameOf(each)}`)
    return { to: nameOf(each), dst: each.vtep, state: leadsTo(each) ? 'agreed' : 'missing' }
  })
  const stray = tunnel.fdb.filter(
    ({ mac, dst }) => !remote.some((each) => each.mac === mac && each.vtep === dst),
  )
  for (const { mac, dst } of stray)
    say(`${host.name}: FDB entry ${mac} → ${dst} on ${name}, where the store has no endpoint`)
  return [...expected, ...stray.map(({ mac, dst }): Way => ({ to: mac, dst, state: 'stray' }))]
}

/** A network's namespace is named after its id on that host; Swarm puts `1-` before it. */
export function isNamespaceOf({ namespace }: Tunnel, localId: string): boolean {
  return localId.startsWith(namespace.replace(/^\d-/, ''))
}

export function clusterId(host: HostView, localId: string, store: StoreView | undefined): string {
  return store?.hosts.find(({ name }) => name === host.name)?.networks[localId] ?? localId
}

function nameOf({ name, id }: StoredEndpoint): string {
  return name ?? `endpoint ${id.slice(0, 8)}`
}
