/**
 * Docker ⇔ store: this host's networks and the endpoints of its containers, as the engine and as the store have them.
 *
 * An endpoint that only the store has is a container that ended without a word; one that only the engine has lost its
 * record, and gets it back when nobody else has its address. The engine's own words are translated before they
 * come here, since core knows nothing of its API.
 */

import { removeEndpointAndLeases } from './changes.ts'
import { endpointLabel } from './check-store.ts'
import { compareFacts, type Difference, repairHint } from './difference.ts'
import type { Change, Cidr, Endpoint, EndpointId, HostName, Ip, Mac, NetworkId, Snapshot } from './model.ts'
import { endpoint, endpointsOnHost, keyIn } from './snapshot.ts'

/** A network of our driver in this host's engine. */
export interface DockerNetwork {
  /** The cluster's id of it; absent when it is not one of the cluster's. */
  network?: NetworkId
  localId: string
  name: string
  pools: readonly Cidr[]
  endpoints: readonly DockerEndpoint[]
}

export interface DockerEndpoint {
  id: EndpointId
  v4: Ip
  v6?: Ip
  mac: Mac
  /** Absent while the endpoint is in no container. */
  container?: { id: string; name: string }
}

export interface DockerState {
  snapshot: Snapshot
  host: HostName
  vtep: Ip
  networks: readonly DockerNetwork[]
  /** ISO 8601, for records that are made again. */
  now: string
}

/** Of all endpoints that are in a container here and not in the store, but for those that are just leaving it. */
export function adoptions(state: DockerState, leaving: ReadonlySet<EndpointId>): Change[][] {
  return endpointsIn(state)
    .filter(([, { id }]) => !leaving.has(id))
    .map(([network, found]) => adoption(state, network, found))
    .filter((changes) => changes !== undefined)
}

export function checkDocker(state: DockerState): Difference[] {
  return [...compareNetworks(state), ...compareEndpoints(state)]
}

function compareNetworks({ snapshot, host, networks }: DockerState): Difference[] {
  const wanted = [...snapshot.networks.values()].filter(({ value }) => !value.removing && value.name)
  const mapped = snapshot.hosts.get(host)?.value.networks ?? {}
  const want = wanted.map(({ value: { id, name, v4, v6 } }) => {
    const pools = [v4.cidr, ...(v6 === undefined ? [] : [v6.cidr])]
    const localIds = Object.keys(mapped).filter((local) => mapped[local] === id)
    return [`network ${name}`, networkText(localIds, pools)] as const
  })
  const have = new Map<string, string>()
  for (const { localId, name, pools } of networks) {
    const object = `network ${name}`
    const before = have.get(object)
    const text = networkText([localId], pools)
    have.set(object, before === undefined ? text : `${before} and ${text}`)
  }
  const strangers = new Set(
    networks.filter((it) => it.network === undefined).map(({ name }) => `network ${name}`),
  )
  const more = (object: string) => ({ hint: strangers.has(object) ? strangerHint : networkHint })
  return compareFacts({ plane: 'docker', want: new Map(want), have, more })
}

const networkHint = `${repairHint}; if it stays, multihost status tells why`
const strangerHint = 'it is not in the store; remove it and make it again'

function networkText(localIds: readonly string[], pools: readonly Cidr[]): string {
  const ids = localIds.map((id) => id.slice(0, 12)).join(' and ')
  return `${ids || 'one'} with ${[...pools].sort().join(', ')}`
}

function compareEndpoints(state: DockerState): Difference[] {
  const { snapshot, host } = state
  const want = new Map<string, string>()
  const have = new Map<string, string>()
  const repairs = new Map<string, Change[] | undefined>()
  for (const at of endpointsOnHost(snapshot, host)) {
    const object = nameOf(snapshot, at.value)
    want.set(object, endpointText(at.value, at.value.joined ? at.value.container : undefined))
    repairs.set(object, removeEndpointAndLeases(snapshot, at))
  }
  for (const [network, found] of endpointsIn(state)) {
    const object = nameOf(snapshot, { id: found.id, network })
    have.set(object, endpointText(found, found.container))
    repairs.set(object, want.has(object) ? undefined : adoption(state, network, found))
  }
  return compareFacts({
    plane: 'docker',
    want,
    have,
    more: (object) => withRepair(repairs.get(object), want.has(object)),
  })
}

function nameOf(snapshot: Snapshot, at: Pick<Endpoint, 'id' | 'network'>): string {
  return endpointLabel(snapshot, { id: at.id, network: at.network })
}

const takenHint = 'disconnect its container from the network and connect it again: its address is not free'

function withRepair(repair: Change[] | undefined, isWanted: boolean): { repair?: Change[]; hint?: string } {
  if (repair !== undefined) return { repair }
  return isWanted ? {} : { hint: takenHint }
}

function endpointText({ v4, mac }: Pick<Endpoint, 'v4' | 'mac'>, container: Endpoint['container']): string {
  return `${v4} ${mac} ${container === undefined ? 'in no container' : `in container ${container.name}`}`
}

export function endpointsIn({ networks }: DockerState): [NetworkId, DockerEndpoint][] {
  return networks.flatMap(({ network, endpoints }) =>
    network === undefined ? [] : endpoints.map((it) => [network, it] as [NetworkId, DockerEndpoint]),
  )
}

/**
 * The records of an endpoint that is in a container and not in the store; undefined when it is in none, or somebody
 * else has its address: then the container must go.
 */
function adoption(
  { snapshot, host, vtep, now }: Omit<DockerState, 'networks'>,
  network: NetworkId,
  { id, v4, v6, mac, container }: DockerEndpoint,
): Change[] | undefined {
  const record = snapshot.networks.get(network)
  if (container === undefined || v4 === '' || mac === '' || record === undefined || record.value.removing)
    return undefined
  if (endpoint(snapshot, network, id) !== undefined) return undefined
  const ips = [v4, v6].filter((ip) => ip !== undefined)
  const leases = ips.map((ip) =>
    leaseAgain(snapshot, keyIn(network, ip), { host, endpoint: id, leasedAt: now }),
  )
  if (leases.includes(undefined)) return undefined
  const value: Endpoint = {
    ...{ network, id, v4, mac, host, vtep, joined: true, container, aliases: [] },
    ...(v6 === undefined ? {} : { v6 }),
  }
  return [
    { op: 'expect', table: 'networks', key: network, index: record.index },
    { op: 'create', table: 'endpoints', key: keyIn(network, id), value },
    ...leases.filter((change) => change !== undefined),
  ]
}

function leaseAgain(
  snapshot: Snapshot,
  key: string,
  value: { host: HostName; endpoint: EndpointId; leasedAt: string },
): Change | undefined {
  const lease = snapshot.addresses.get(key)
  if (lease === undefined) return { op: 'create', table: 'addresses', key, value }
  const ours = lease.value.host === value.host && lease.value.service === undefined
  const free = lease.value.endpoint === undefined || lease.value.endpoint === value.endpoint
  return ours && free ? { op: 'update', table: 'addresses', key, value, index: lease.index } : undefined
}
