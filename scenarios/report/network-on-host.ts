/**
 * One network on one host: what the store, the host's kernel and its Docker show, and where they differ.
 */
import type { ContainerView, HostView, StoredEndpoint, StoreView, Tunnel } from '../record/snapshot.ts'

export interface NetworkOnHost {
  /** The host's Docker has the network. */
  inDocker: boolean
  tunnel: Tunnel | undefined
  containers: DrawnContainer[]
  paths: FdbPath[]
}

export interface DrawnContainer {
  name: string
  ips: string[]
  mac: string
  state: 'agreed' | 'only in the store' | 'only in Docker' | 'differs'
}

/** An FDB entry: frames for the MAC of `to` go to the VTEP `dst`. */
export interface FdbPath {
  to: string
  dst: string
  state: 'agreed' | 'missing' | 'stray'
}

/** Takes one sentence per difference. */
export type AddProblem = (problem: string) => void

interface Place {
  /** In the cluster. */
  id: string
  name: string
  record: StoreView['networks'][number] | undefined
  store: StoreView | undefined
  host: HostView
  addProblem: AddProblem
}

export function networkOnHost(place: Place): NetworkOnHost {
  const { id, name, record, store, host, addProblem } = place
  const docker = host.networks.find((network) => clusterId(host, network.id, store) === id)
  const tunnel = host.tunnels.find((each) => docker !== undefined && isNamespaceOf(each, docker.id))
  if (store && host.silent === undefined) {
    if (docker && !record) addProblem(`${host.name}: network ${name} is in Docker, not in the store`)
    if (!docker && record) addProblem(`${host.name}: network ${name} is in the store, not in Docker`)
    if (tunnel && record && tunnel.vni !== record.vni)
      addProblem(
        `${host.name}: the VNI of ${name} is ${tunnel.vni} in the kernel, ${record.vni} in the store`,
      )
  }
  const containers = containersOf(place, docker?.id, tunnel)
  return { inDocker: docker !== undefined, tunnel, containers, paths: tunnel ? pathsOf(place, tunnel) : [] }
}

function containersOf(
  place: Place,
  localId: string | undefined,
  tunnel: Tunnel | undefined,
): DrawnContainer[] {
  const { id, store, host, addProblem } = place
  const running = host.containers.filter(({ state }) => state === 'running' || state === 'paused')
  const attached = running.flatMap((container) =>
    container.networks.filter((on) => on.id === localId).map((on) => ({ container, on })),
  )
  const stored = (store?.endpoints ?? []).filter((each) => each.network === id && each.host === host.name)
  const alone = stored.filter((each) => each.joined && !attached.some(({ on }) => on.endpoint === each.id))
  const notInDocker = host.silent === undefined ? alone : []
  for (const each of notInDocker)
    addProblem(`${host.name}: ${nameOf(each)} is in the store, but no container with that endpoint runs`)
  return [
    ...attached.map(({ container, on }) => drawn(place, container, on, stored, tunnel)),
    ...notInDocker.map(
      (each): DrawnContainer => ({
        name: nameOf(each),
        ips: each.ips,
        mac: each.mac,
        state: 'only in the store',
      }),
    ),
  ]
}

function drawn(
  { host, store, addProblem }: Place,
  { name }: ContainerView,
  on: ContainerView['networks'][number],
  stored: StoredEndpoint[],
  tunnel: Tunnel | undefined,
): DrawnContainer {
  const endpoint = stored.find((each) => each.id === on.endpoint)
  const shown = { name, ips: endpoint?.ips ?? [on.ip], mac: endpoint?.mac ?? on.mac }
  if (!store) return { ...shown, state: 'agreed' }
  if (!endpoint) {
    addProblem(`${host.name}: ${name} is on the network in Docker, not in the store`)
    return { ...shown, state: 'only in Docker' }
  }
  const found = differences(on, endpoint, host, tunnel)
  for (const each of found) addProblem(`${host.name}: ${name} ${each}`)
  return { ...shown, state: found.length > 0 ? 'differs' : 'agreed' }
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
  const found: (string | false | undefined)[] = [
    on.ip !== ip && `has ${on.ip || 'no address'} in Docker, ${ip} in the store`,
    on.mac !== endpoint.mac && `has MAC ${on.mac || 'none'} in Docker, ${endpoint.mac} in the store`,
    !inKernel && `has no interface with ${endpoint.mac} in the kernel`,
    inKernel &&
      !inKernel.includes(ip) &&
      `has ${inKernel.join(', ') || 'no address'} in the kernel, ${ip} in the store`,
    !tunnel && 'is on a network that the kernel does not have',
    tunnel?.bridged && !tunnel.ports.includes(port) && `has no port ${port} on the bridge`,
  ]
  return found.filter((each) => typeof each === 'string')
}

function pathsOf({ id, name, store, host, addProblem }: Place, tunnel: Tunnel): FdbPath[] {
  if (!store) return tunnel.fdb.map(({ mac, dst }) => ({ to: mac, dst, state: 'agreed' }))
  const vtep = store.hosts.find((each) => each.name === host.name)?.vtep
  if (tunnel.local !== undefined && vtep !== undefined && tunnel.local !== vtep)
    addProblem(`${host.name}: the VTEP of ${name} is ${tunnel.local} in the kernel, ${vtep} in the store`)
  const remote = store.endpoints.filter(
    (each) => each.network === id && each.joined && each.host !== host.name,
  )
  const expected = remote.map((each) => pathTo(each, host, tunnel, addProblem))
  const stray = tunnel.fdb.filter(
    ({ mac, dst }) => !remote.some((each) => each.mac === mac && each.vtep === dst),
  )
  for (const { mac, dst } of stray)
    addProblem(`${host.name}: FDB entry ${mac} → ${dst} on ${name}, where the store has no endpoint`)
  return [...expected, ...stray.map(({ mac, dst }): FdbPath => ({ to: mac, dst, state: 'stray' }))]
}

function pathTo(remote: StoredEndpoint, host: HostView, tunnel: Tunnel, addProblem: AddProblem): FdbPath {
  const { mac, vtep, ips } = remote
  const hasEntry = tunnel.fdb.some((entry) => entry.mac === mac && entry.dst === vtep)
  if (!hasEntry) addProblem(`${host.name}: no FDB entry ${mac} → ${vtep} for ${nameOf(remote)}`)
  for (const ip of ips) {
    if (tunnel.neighbours.some((entry) => entry.ip === ip && entry.mac === mac)) continue
    addProblem(`${host.name}: no neighbour entry ${ip} → ${mac} for ${nameOf(remote)}`)
  }
  return { to: nameOf(remote), dst: vtep, state: hasEntry ? 'agreed' : 'missing' }
}

/** A network's namespace is named after the network's id on that host; Swarm adds `1-` in front. */
export function isNamespaceOf({ namespace }: Tunnel, localId: string): boolean {
  return localId.startsWith(namespace.replace(/^\d-/, ''))
}

export function clusterId(host: HostView, localId: string, store: StoreView | undefined): string {
  return store?.hosts.find(({ name }) => name === host.name)?.networks[localId] ?? localId
}

function nameOf({ name, id }: StoredEndpoint): string {
  return name ?? `endpoint ${id.slice(0, 8)}`
}
