/**
 * CreateEndpoint, Join, Leave and DeleteEndpoint: the record that the datapath of every host follows.
 *
 * They write to this host's journal (store/journal.ts), which commits endpoint and leases in one transaction.
 * Join answers when this host's kernel has the veth and the way to all others, and when the store has the
 * endpoint. While the store does not answer, the kernel alone counts. Leave and DeleteEndpoint never fail.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { containerEndName, endpointsHere } from '../core/datapath/desired.ts'
import { isGroup } from '../core/datapath/plan.ts'
import { defined } from '../core/defined.ts'
import { createEndpoint } from '../core/endpoints/creation.ts'
import { chooseMac } from '../core/endpoints/macs.ts'
import { DriverError, isCode } from '../core/errors.ts'
import { macOf, withoutLength } from '../core/ip.ts'
import type {
  Endpoint,
  EndpointId,
  HostName,
  Ip,
  Mac,
  Network,
  Snapshot,
  Versioned,
} from '../core/records.ts'
import {
  addressesOf,
  keyIn,
  localIdsOf,
  networkIdOnHost,
  networkOnHost,
  serviceAt,
} from '../core/snapshot.ts'
import { unreadableKeys } from '../store/lookup.ts'
import type { StoreStatus } from '../store/store.ts'
import { within } from '../within.ts'
import type { VerbContext } from './context.ts'
import type { InFlight } from './in-flight.ts'
import { optimisticTransaction, type Proposal } from './optimistic-transaction.ts'
import type { EndpointAsk, EndpointRef, Verbs } from './verbs.ts'

export function endpointVerbs(
  context: VerbContext,
): Pick<Verbs, 'createEndpoint' | 'join' | 'leave' | 'deleteEndpoint'> {
  const { store, host, inFlight } = context
  const { journal } = store
  return {
    async createEndpoint(ask, signal) {
      inFlight.called(ask.endpoint, 'create')
      await checkEngine(context, ask.network)
      const { changes, answer: value } = await checked(context, (snapshot) => create(snapshot, ask, context))
      signal.throwIfAborted()
      if (changes.length === 0) return value.mac
      const key = keyIn(value.network, value.id)
      try {
        const mac = await record(context, ask, value, signal)
        signal.throwIfAborted()
        return mac
      } catch (error) {
        if (isCode(error, 'unavailable') || signal.aborted) forget(context, key, ask.endpoint)
        throw error
      }
    },
    async join(ask) {
      inFlight.called(ask.endpoint, 'join')
      const { network, value, isJoined } = await checked(context, (snapshot) => join(snapshot, ask, context))
      const key = keyIn(network.id, ask.endpoint)
      await Promise.all([
        isJoined ? undefined : journal.write(key, value),
        committedSoon(context, key),
        context.settled(network.id, ask.endpoint),
      ])
      inFlight.answered(ask.endpoint)
      const device = containerEndName(ask.endpoint)
      return defined({ device, internal: network.internal, interfaceName: value.interfaceName })
    },
    async leave(ask) {
      inFlight.called(ask.endpoint, 'leave')
      const endpoint = endpointHere(store.snapshot(), host, ask)
      if (endpoint?.joined) journal.note(keyIn(endpoint.network, endpoint.id), { ...endpoint, joined: false })
    },
    async deleteEndpoint(ask) {
      inFlight.called(ask.endpoint, 'leave')
      const endpoint = endpointHere(store.snapshot(), host, ask)
      if (endpoint === undefined) return
      const key = keyIn(endpoint.network, endpoint.id)
      journal.note(key, undefined)
      if (!journal.waiting().includes(key)) return
      // The next write of the journal has it as well.
      if (!(await committedSoon(context, key).catch(() => true))) await journal.write(key, undefined)
    },
  }
}

/**
 * A network gets its name when this driver's engine shows it. One without a name that the engine does not
 * have was made by another engine of this host, and so may be one of several replicas of a network. The loops
 * see nothing of such an engine: they would take its containers' links for unused.
 */
async function checkEngine({ store, host, engineHas }: VerbContext, localId: string): Promise<void> {
  const snapshot = store.snapshot()
  const network = networkOnHost(snapshot, host, localId)?.value
  const isOnlyReplica = network !== undefined && localIdsOf(snapshot, host, network.id).length < 2
  if ((network?.name !== undefined && isOnlyReplica) || !snapshot.hosts.has(host)) return
  if ((await engineHas(localId)) !== false) return
  const short = localId.slice(0, 12)
  throw new DriverError('invalid', `network ${short} was made by another Docker engine on host ${host}`, {
    hint: 'this driver serves one engine, that of --docker-socket; remove the network, and make it with that engine',
  })
}

/** Writes a new endpoint. Resolves with its MAC. */
async function record(
  context: VerbContext,
  ask: EndpointAsk,
  value: Endpoint,
  signal: AbortSignal,
): Promise<Mac> {
  const { store, inFlight } = context
  // Of two hosts that attach a service or choose a MAC at once one wins, so the store has the last word.
  const isChosen = value.service !== undefined || value.mac !== macOf(value.v4)
  if (isChosen && (store.status().fresh || value.service !== undefined)) {
    const { mac } = await optimisticTransaction(store, (snapshot) => create(snapshot, ask, context), {
      signal,
    })
    return mac
  }
  await store.journal.write(keyIn(value.network, value.id), value, { asked: askedOf(value, inFlight) })
  return value.mac
}

/**
 * Docker was told of an error: it releases the address, and does not delete the endpoint. The commit can be
 * in the store all the same, or come later.
 */
function forget({ store, inFlight }: VerbContext, key: string, endpoint: EndpointId): void {
  inFlight.refused(endpoint)
  store.journal.note(key, undefined)
}

/** How long a call waits for a store that is thought to answer. */
const committedWithinMs = 1000
/** A store that did not take the endpoint is asked again after this pause. */
const commitPauseMs = 50

/**
 * Resolves when the store has the endpoint: true. When it does not answer, false: after a second, or at once
 * while it is known to be away. Rejects with the reason when the store cannot have it.
 */
async function committedSoon({ store }: VerbContext, key: string): Promise<boolean> {
  const stop = new AbortController()
  try {
    return (await within(committed(store, key, stop.signal), committedWithinMs)) ?? false
  } finally {
    stop.abort()
  }
}

/**
 * False when the store is known to be away. The store of a driver that has just started is not: it has not
 * answered yet, or this host has not claimed its name.
 */
async function committed(store: VerbContext['store'], key: string, signal: AbortSignal): Promise<boolean> {
  while (!isAway(store.status())) {
    try {
      await store.journal.committed(key)
      return true
    } catch (error) {
      if (!isCode(error, 'unavailable')) throw error
    }
    await delay(commitPauseMs, undefined, { signal })
  }
  return false
}

function isAway({ fresh, lastError }: StoreStatus): boolean {
  return !fresh && lastError !== undefined
}

/** An error may be due to an old snapshot: then the store is read, and the second result counts. */
async function checked<T>({ store }: VerbContext, work: (snapshot: Snapshot) => T): Promise<T> {
  try {
    return work(store.snapshot())
  } catch (error) {
    if (!isCode(error, 'not-found', 'taken') || !store.status().fresh) throw error
    return work(await store.read())
  }
}

/** The endpoint's addresses that a person requested (`--ip`). */
function askedOf(endpoint: Endpoint, { addresses }: InFlight): Ip[] {
  return addressesOf(endpoint).filter((ip) => addresses.isAsked(keyIn(endpoint.network, ip)))
}

function endpointHere(snapshot: Snapshot, host: HostName, ask: EndpointRef): Endpoint | undefined {
  return ownEndpoint(snapshot, host, networkIdOnHost(snapshot, host, ask.network), ask.endpoint)?.value
}

/** The answer is the endpoint as it exists, or as the changes create it. */
function create(snapshot: Snapshot, ask: EndpointAsk, context: VerbContext): Proposal<Endpoint> {
  const { host, underlay } = context
  const network = networkHere(snapshot, host, ask.network)
  const id = network.value.id
  if (ask.v4 === undefined) throw new DriverError('invalid', 'an endpoint needs an IPv4 address')
  const v4 = withoutLength(ask.v4)
  const v6 = ask.v6 === undefined ? undefined : withoutLength(ask.v6)
  const existing = snapshot.endpoints.get(keyIn(id, ask.endpoint))?.value
  if (existing !== undefined) {
    checkSame(existing, { v4, v6, host })
    return { changes: [], answer: existing }
  }
  checkPorts(snapshot, network.value, host)
  const asked = ask.mac === undefined ? undefined : checkMac(ask.mac)
  if (ask.interfaceName !== undefined) checkInterfaceName(ask.interfaceName)
  const unreadable = unreadableKeys(context.store.status(), 'endpoints')
  const value: Endpoint = defined({
    network: id,
    id: ask.endpoint,
    v4,
    v6,
    mac: chooseMac(snapshot, network.value, { id: ask.endpoint, v4, asked, unreadable }),
    host,
    vtep: underlay().address,
    joined: false,
    aliases: [],
    service: serviceAt(snapshot, id, v4)?.value.name,
    interfaceName: ask.interfaceName,
  })
  return {
    changes: createEndpoint(snapshot, value, { asked: askedOf(value, context.inFlight) }),
    answer: value,
  }
}

function checkSame(existing: Endpoint, asked: { v4: Ip; v6: Ip | undefined; host: HostName }): void {
  if (existing.v4 === asked.v4 && existing.v6 === asked.v6 && existing.host === asked.host) return
  throw new DriverError(
    'taken',
    `endpoint ${existing.id.slice(0, 12)} exists with the address ${existing.v4}`,
  )
}

interface Joined {
  network: Network
  value: Endpoint
  /** The record says so already. */
  isJoined: boolean
}

function join(snapshot: Snapshot, ask: EndpointRef, { host, underlay }: VerbContext): Joined {
  const { value: network } = networkHere(snapshot, host, ask.network)
  const endpoint = ownEndpoint(snapshot, host, network.id, ask.endpoint)
  if (endpoint === undefined) {
    throw new DriverError(
      'not-found',
      `network ${named(network)} has no endpoint ${ask.endpoint.slice(0, 12)}`,
    )
  }
  const vtep = underlay().address
  const { value } = endpoint
  return { network, value: { ...value, joined: true, vtep }, isJoined: value.joined && value.vtep === vtep }
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

/** A bridge has 1023 ports (BR_PORT_BITS, the kernel's net/bridge/br_private.h), and vxlan1 is one of br0's. */
const mostOnBridge = 1022

function checkPorts(snapshot: Snapshot, network: Network, host: HostName): void {
  const { datapath = 'bridge', id } = network
  if (datapath !== 'bridge' || endpointsHere(snapshot, host, id).length < mostOnBridge) return
  const says = `host ${host} has ${mostOnBridge} containers on network ${named(network)}, and a bridge of Linux takes no more`
  throw new DriverError('exhausted', says, {
    hint: 'connect further ones to another network, start them on another host, or make the network with -o datapath=macvlan',
  })
}

function checkMac(mac: string): Mac {
  const lower = mac.toLowerCase()
  if (!/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/.test(lower)) {
    throw new DriverError('invalid', `'${mac}' is not a MAC address`, {
      hint: 'write it like 02:42:0a:09:00:02',
    })
  }
  // The kernel's is_valid_ether_addr (include/linux/etherdevice.h).
  if (isGroup(lower)) {
    throw new DriverError('invalid', `'${mac}' is not the address of one interface`, {
      hint: 'the first byte must be even, and not all zero',
    })
  }
  return lower
}

/** The kernel's dev_valid_name (net/core/dev.c), without the patterns with % that it fills in. */
function checkInterfaceName(name: string): void {
  if (/^[^\s/:%]+$/.test(name) && Buffer.byteLength(name) < 16 && !['.', '..'].includes(name)) return
  throw new DriverError('invalid', `'${name}' is not a name for an interface`, {
    hint: 'com.docker.network.endpoint.ifname takes 1 to 15 characters without blanks, /, : and %, like lan0',
  })
}

function named({ name, id }: Network): string {
  return name ?? id.slice(0, 12)
}
