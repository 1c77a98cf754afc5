/**
 * CreateEndpoint, Join, Leave and DeleteEndpoint: the record that the datapath of every host follows.
 *
 * Join is the one verb that waits for something else than the store: when it answers, this host's kernel has the
 * veth and the way to all others. Leave and DeleteEndpoint wait for nothing.
 */
import { withoutLength } from '../core/addresses.ts'
import { containerEndName } from '../core/datapath/desired.ts'
import { claimMac } from '../core/endpoints/macs.ts'
import { DriverError } from '../core/errors.ts'
import { bindService, removeEndpoint } from '../core/record-changes.ts'
import type {
  Change,
  Endpoint,
  HostName,
  Ip,
  Mac,
  Network,
  NetworkId,
  Service,
  Snapshot,
  Versioned,
} from '../core/records.ts'
import { keyIn, networkIdOnHost, networkOnHost } from '../core/snapshot.ts'
import type { VerbContext } from './context.ts'
import { optimisticTransaction, type Proposal } from './optimistic-transaction.ts'
import type { EndpointAsk, EndpointRef, Verbs } from './verbs.ts'

export function endpointVerbs(
  context: VerbContext,
): Pick<Verbs, 'createEndpoint' | 'join' | 'leave' | 'deleteEndpoint'> {
  const { store, host, inFlight } = context
  return {
    createEndpoint(ask, signal) {
      inFlight.called(ask.endpoint, 'create')
      return optimisticTransaction(store, (snapshot) => create(snapshot, ask, context), { signal })
    },
    async join(ask, signal) {
      inFlight.called(ask.endpoint, 'join')
      const network = await optimisticTransaction(store, (snapshot) => join(snapshot, ask, context), {
        signal,
      })
      await context.settled(network.id, ask.endpoint)
      inFlight.answered(ask.endpoint)
      return { device: containerEndName(ask.endpoint), internal: network.internal }
    },
    leave(ask) {
      inFlight.called(ask.endpoint, 'leave')
      return inFlight.deferred.do(`leave ${ask.endpoint.slice(0, 12)}`, () =>
        optimisticTransaction(store, (snapshot) => leave(snapshot, host, ask)),
      )
    },
    deleteEndpoint(ask) {
      inFlight.called(ask.endpoint, 'leave')
      return inFlight.deferred.do(`delete endpoint ${ask.endpoint.slice(0, 12)}`, () =>
        optimisticTransaction(store, (snapshot) => remove(snapshot, context, ask)),
      )
    },
  }
}

function create(snapshot: Snapshot, ask: EndpointAsk, context: VerbContext): Proposal<Mac> {
  const { host, underlay } = context
  const network = networkHere(snapshot, host, ask.network)
  const id = network.value.id
  if (ask.v4 === undefined) throw new DriverError('invalid', 'an endpoint needs an IPv4 address')
  const v4 = withoutLength(ask.v4)
  const v6 = ask.v6 === undefined ? undefined : withoutLength(ask.v6)
  const existing = snapshot.endpoints.get(keyIn(id, ask.endpoint))?.value
  if (existing !== undefined) {
    checkSame(existing, { v4, v6, host })
    return { changes: [], answer: existing.mac }
  }
  const asked = ask.mac === undefined ? undefined : checkMac(ask.mac)
  const mac = claimMac(snapshot, network.value, { id: ask.endpoint, v4, asked })
  const endpoint: Endpoint = {
    network: id,
    id: ask.endpoint,
    v4,
    ...(v6 === undefined ? {} : { v6 }),
    mac: mac.mac,
    host,
    vtep: underlay().address,
    joined: false,
    aliases: [],
  }
  const service = serviceAt(snapshot, id, v4)
  const value: Endpoint = service === undefined ? endpoint : { ...endpoint, service: service.value.name }
  const changes: Change[] = [
    { op: 'expect', table: 'networks', key: id, index: network.index },
    { op: 'create', table: 'endpoints', key: keyIn(id, ask.endpoint), value },
    ...mac.changes,
    ...[v4, v6].filter((ip) => ip !== undefined).map((ip) => takeLease(snapshot, endpoint, ip, context)),
    ...(service === undefined ? [] : [bindService(service, ask.endpoint)]),
  ]
  return { changes, answer: endpoint.mac }
}

/** The published service that keeps this address. */
function serviceAt(snapshot: Snapshot, network: NetworkId, v4: Ip): Versioned<Service> | undefined {
  const name = snapshot.addresses.get(keyIn(network, v4))?.value.service
  return name === undefined ? undefined : snapshot.services.get(keyIn(network, name))
}

function checkSame(existing: Endpoint, asked: { v4: Ip; v6: Ip | undefined; host: HostName }): void {
  if (existing.v4 === asked.v4 && existing.v6 === asked.v6 && existing.host === asked.host) return
  throw new DriverError(
    'taken',
    `endpoint ${existing.id.slice(0, 12)} exists with the address ${existing.v4}`,
  )
}

function takeLease(
  snapshot: Snapshot,
  { network, id, host }: Endpoint,
  ip: string,
  { inFlight }: VerbContext,
): Change {
  const key = keyIn(network, ip)
  const lease = snapshot.addresses.get(key)
  if (lease === undefined || lease.value.host !== host) {
    throw new DriverError('not-found', `the address ${ip} is not leased by this host`, { hint: 'try again' })
  }
  if (lease.value.endpoint !== undefined && lease.value.endpoint !== id) {
    throw new DriverError('taken', `the address ${ip} belongs to another endpoint of this host`)
  }
  return {
    op: 'update',
    table: 'addresses',
    key,
    value: { ...lease.value, endpoint: id, ...(inFlight.addresses.isAsked(key) && { asked: true }) },
    index: lease.index,
  }
}

function join(snapshot: Snapshot, ask: EndpointRef, { host, underlay }: VerbContext): Proposal<Network> {
  const network = networkHere(snapshot, host, ask.network)
  const endpoint = ownEndpoint(snapshot, host, network.value.id, ask.endpoint)
  if (endpoint === undefined) {
    throw new DriverError(
      'not-found',
      `network ${named(network.value)} has no endpoint ${ask.endpoint.slice(0, 12)}`,
    )
  }
  const vtep = underlay().address
  const { value, index } = endpoint
  const done = value.joined && value.vtep === vtep
  return { changes: done ? [] : [update({ ...value, joined: true, vtep }, index)], answer: network.value }
}

function leave(snapshot: Snapshot, host: HostName, ask: EndpointRef): Proposal<void> {
  const endpoint = ownEndpoint(snapshot, host, networkIdOnHost(snapshot, host, ask.network), ask.endpoint)
  if (endpoint === undefined || !endpoint.value.joined) return { changes: [], answer: undefined }
  return { changes: [update({ ...endpoint.value, joined: false }, endpoint.index)], answer: undefined }
}

function remove(snapshot: Snapshot, { host, now }: VerbContext, ask: EndpointRef): Proposal<void> {
  const endpoint = ownEndpoint(snapshot, host, networkIdOnHost(snapshot, host, ask.network), ask.endpoint)
  if (endpoint === undefined) return { changes: [], answer: undefined }
  return { changes: removeEndpoint(snapshot, endpoint, now().toISOString()), answer: undefined }
}

function update(value: Endpoint, index: number): Change {
  return { op: 'update', table: 'endpoints', key: keyIn(value.network, value.id), value, index }
}

function ownEndpoint(
  snapshot: Snapshot,
  host: HostName,
  network: string | undefined,
  id: string,
): Versioned<Endpoint> | undefined {
  const endpoint = snapshot.endpoints.get(keyIn(network ?? '', id))
  return endpoint?.value.host === host ? endpoint : undefined
}

function networkHere(snapshot: Snapshot, host: HostName, localId: string): Versioned<Network> {
  const network = networkOnHost(snapshot, host, localId)
  if (network !== undefined && !network.value.removing) return network
  if (!snapshot.hosts.has(host)) {
    throw new DriverError('not-found', `host ${host} was taken out of the cluster, and is joining it again`, {
      hint: 'try again in some seconds',
    })
  }
  const what = network === undefined ? 'is not in the store' : 'is being removed'
  throw new DriverError('not-found', `network ${localId.slice(0, 12)} ${what}`, {
    hint: "see 'multihost status' on this host, or make it again",
  })
}

function checkMac(mac: string): Mac {
  const lower = mac.toLowerCase()
  if (/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/.test(lower)) return lower
  throw new DriverError('invalid', `'${mac}' is not a MAC address`, {
    hint: 'write it like 02:42:0a:09:00:02',
  })
}

function named({ name, id }: Network): string {
  return name ?? id.slice(0, 12)
}
