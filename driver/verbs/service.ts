/**
 * Publish, unpublish, attach and detach: changes of a service's record and of the address that it keeps.
 *
 * A published service holds its address by a lease that names the service, so the address outlives every
 * container of the service. `attach` gives the lease and the service to this host; the engine then requests
 * that address (`--ip`), and CreateEndpoint connects the three. Two hosts that attach at once change the same
 * two keys: one of them wins. Why `--ip`: docs/decisions/service-addresses.md.
 */
import { randomBytes } from 'node:crypto'
import { defined } from '../core/defined.ts'
import { recordedContainer } from '../core/endpoints/description.ts'
import { DriverError, isCode } from '../core/errors.ts'
import type {
  Change,
  Cidr,
  HostName,
  Ip,
  Lease,
  Network,
  Service,
  ServiceHolder,
  Snapshot,
  Versioned,
} from '../core/records.ts'
import { ended, isAttaching, lastEnded } from '../core/service-holder.ts'
import {
  checkServiceName,
  describeBackend,
  findService,
  listServices,
  namedIn,
  type ServiceRef,
  type ServiceView,
  serviceNetwork,
  serviceRef,
} from '../core/services.ts'
import { addressesOf, keyIn, localIdOf } from '../core/snapshot.ts'
import type { Store } from '../store/store.ts'
import { explainIfAway, hostConflict } from './host-conflicts.ts'
import { optimisticTransaction, type Proposal } from './optimistic-transaction.ts'
import type { Verbs } from './verbs.ts'

export interface ServiceContext {
  store: Store
  host: HostName
  /** The network of references without one. */
  defaultNetwork: string
  now(): Date
}

export type Container = NonNullable<ServiceHolder['container']>

/** What the command line needs to have the engine connect the container with this address. */
export interface Attachment {
  service: ServiceView
  /** The network's id on this host. */
  localId: string
}

export interface ServiceVerbs {
  list(network?: string): ServiceView[]
  /** Reads the store anew before it throws `not-found`. */
  find(name: string): Promise<ServiceView>
  /** `existing`: a service that is already published is no error. */
  publish(name: string, options?: { existing?: boolean }, signal?: AbortSignal): Promise<ServiceView>
  unpublish(name: string): Promise<void>
  /** The container is absent when it does not exist yet. */
  attach(name: string, container?: Container): Promise<Attachment>
  /** The attach failed: the earlier holder has the service again, and other hosts may begin an attach. */
  giveUp(name: string): Promise<void>
  /** The engine has taken the attach, also where the container does not run: the earlier holder is out. */
  finished(name: string): Promise<void>
  /** The endpoint that must be disconnected; changes nothing. */
  attached(name: string, container: string): Promise<Attachment & { container: string }>
  /** After the disconnect: the service has no holder any more. */
  detached(name: string): Promise<void>
}

export function serviceVerbs(context: ServiceContext, addresses: Addresses): ServiceVerbs {
  const { store, defaultNetwork } = context
  const find = (snapshot: Snapshot, name: string): ServiceView => findService(snapshot, name, defaultNetwork)
  const onRecord = <T>(name: string, change: (found: Found) => Proposal<T>): Promise<T> =>
    explainIfAway(store, () =>
      optimisticTransaction(store, (snapshot) => change(published(snapshot, find(snapshot, name)))),
    )
  return {
    list(network) {
      const snapshot = store.snapshot()
      const only = network && serviceNetwork(snapshot, { service: '', network }, defaultNetwork).value.id
      return listServices(snapshot, only || undefined)
    },
    find: (name) =>
      optimisticTransaction(store, (snapshot) => ({ changes: [], answer: find(snapshot, name) })),
    publish: (name, options = {}, signal = AbortSignal.timeout(8000)) =>
      publish(context, addresses, name, options, signal),
    unpublish: (name) => onRecord(name, unpublish),
    attach: (name, container) => onRecord(name, (found) => attach(found, context, container)),
    giveUp: (name) => onRecord(name, (found) => giveUp(found, context)),
    finished: (name) => onRecord(name, (found) => finished(found, context)),
    attached: (name, container) =>
      explainIfAway(store, () =>
        attached(store.snapshot(), find(store.snapshot(), name), container, context),
      ),
    detached: (name) => onRecord(name, (found) => letGo(found, context)),
  }
}

interface Found {
  snapshot: Snapshot
  view: ServiceView
  record: Versioned<Service>
  network: Versioned<Network>
}

/** Throws `in-use` for a service that is only a container's name. */
function published(snapshot: Snapshot, view: ServiceView): Found {
  const record = snapshot.services.get(keyIn(view.network.id, view.name))
  const network = snapshot.networks.get(view.network.id)
  if (view.published && record !== undefined && network !== undefined)
    return { snapshot, view, record, network }
  const container = view.backend === undefined ? 'a container' : describeBackend(view.backend)
  throw new DriverError(
    'in-use',
    `service ${named(view)} is the name of ${container}, not a published service`,
    {
      hint: 'it ends when the container leaves the network; publish the service under another name',
    },
  )
}

type Addresses = Pick<Verbs, 'requestAddress' | 'releaseAddress'>

async function publish(
  context: ServiceContext,
  addresses: Addresses,
  text: string,
  options: { existing?: boolean },
  signal: AbortSignal,
): Promise<ServiceView> {
  const { store, host, defaultNetwork } = context
  const refIn = (snapshot: Snapshot): ServiceRef => {
    const ref = serviceRef(snapshot, text)
    checkServiceName(ref.service)
    return ref
  }
  const there = await optimisticTransaction(
    store,
    (snapshot) => holderOf(snapshot, refIn(snapshot), context),
    { signal },
  )
  const ref = refIn(store.snapshot())
  if (there?.published && there.name === ref.service && options.existing) return there
  if (there !== undefined) throw nameTaken(there, ref)
  const { value: network } = serviceNetwork(store.snapshot(), ref, defaultNetwork)
  const leased = await leaseFor(network, addresses, signal)
  try {
    await optimisticTransaction(store, (snapshot) => {
      const { answer } = holderOf(snapshot, ref, context)
      if (answer !== undefined) throw nameTaken(answer, ref)
      return create(snapshot, serviceNetwork(snapshot, ref, defaultNetwork), ref.service, leased, host)
    })
  } catch (error) {
    // The commit can still come: nothing else gets the addresses meanwhile. Such a hold ends by itself.
    if (!isCode(error, 'unavailable')) await release(leased, addresses, signal)
    // Another host has published it meanwhile, which is what the caller wants.
    if (options.existing && isCode(error, 'taken')) return publish(context, addresses, text, options, signal)
    throw error
  }
  await release(leased, addresses, signal) // the service keeps them
  return findService(store.snapshot(), text, defaultNetwork)
}

/** The service with that name on the network, or one whose name differs in case alone: for DNS they are one. */
function holderOf(
  snapshot: Snapshot,
  ref: ServiceRef,
  { defaultNetwork }: ServiceContext,
): Proposal<ServiceView | undefined> {
  const network = serviceNetwork(snapshot, ref, defaultNetwork).value.id
  const lower = ref.service.toLowerCase()
  const [exact] = namedIn(snapshot, network, ref.service)
  const similar = listServices(snapshot, network).find(({ name }) => name.toLowerCase() === lower)
  return { changes: [], answer: exact ?? similar }
}

interface Leased {
  pool: Cidr
  ip: Ip
}

async function leaseFor({ v4, v6 }: Network, addresses: Addresses, signal: AbortSignal): Promise<Leased[]> {
  const leased: Leased[] = []
  try {
    for (const { cidr } of v6 === undefined ? [v4] : [v4, v6]) {
      const address = await addresses.requestAddress({ pool: cidr, gateway: false }, signal)
      leased.push({ pool: cidr, ip: address.split('/')[0] ?? '' })
    }
  } catch (error) {
    await release(leased, addresses, signal)
    throw error
  }
  return leased
}

async function release(leased: readonly Leased[], { releaseAddress }: Addresses, signal: AbortSignal) {
  for (const { pool, ip } of leased) await releaseAddress({ pool, address: ip }, signal)
}

function create(
  snapshot: Snapshot,
  { value: network, index }: Versioned<Network>,
  name: string,
  leased: readonly Leased[],
  host: HostName,
): Proposal<void> {
  const [v4, v6] = leased.map(({ ip }) => ip)
  if (v4 === undefined) throw new DriverError('internal', 'the service has no address')
  const id = randomBytes(32).toString('hex')
  const value: Service = { id, network: network.id, name, v4, ...(v6 === undefined ? {} : { v6 }) }
  const changes: Change[] = [
    { op: 'expect', table: 'networks', key: network.id, index },
    { op: 'create', table: 'services', key: keyIn(network.id, name), value },
    ...changeLeases(snapshot, value, (lease) => ({ ...lease, host, service: name })),
  ]
  return { changes, answer: undefined }
}

function unpublish({ snapshot, view, record, network }: Found): Proposal<void> {
  if (view.backend !== undefined) {
    const { host, container } = view.backend
    const hint = `first run: multihost service detach ${container?.name ?? 'CONTAINER'} ${named(view)}`
    throw hostConflict(host, 'in-use', attachedTo(view, view.backend), hint)
  }
  const addresses = addressesOf(record.value).flatMap((ip): Change[] => {
    const key = keyIn(network.value.id, ip)
    const lease = snapshot.addresses.get(key)
    return lease?.value.service === view.name
      ? [{ op: 'remove', table: 'addresses', key, index: lease.index }]
      : []
  })
  const key = keyIn(network.value.id, view.name)
  const changes: Change[] = [{ op: 'remove', table: 'services', key, index: record.index }, ...addresses]
  return { changes, answer: undefined }
}

function attach(
  found: Found,
  context: ServiceContext,
  container: Container | undefined,
): Proposal<Attachment> {
  const { snapshot, view, record, network } = found
  const { host, now } = context
  const localId = localIdHere(snapshot, network.value, host)
  checkFree(found, now(), { host, container })
  checkFixedAddresses(snapshot, network.value, host, localId)
  const last = record.value.holder
  const holder: ServiceHolder = defined({
    host,
    container: container && recordedContainer(container),
    attachingSince: now().toISOString(),
    before: last && (lastEnded(last) ?? ended(last)),
  })
  const changes: Change[] = [
    { op: 'expect', table: 'networks', key: network.value.id, index: network.index },
    changeRecord(record, (service) => ({ ...service, holder })),
    ...changeLeases(snapshot, record.value, (lease) => ({ ...lease, host })),
  ]
  return { changes, answer: { service: view, localId } }
}

function checkFree(
  { view, record }: Found,
  now: Date,
  asking: { host: HostName; container: Container | undefined },
): void {
  if (view.backend !== undefined) {
    const hint = 'a service has one container in the whole cluster; detach that one first'
    throw hostConflict(view.backend.host, 'taken', attachedTo(view, view.backend), hint)
  }
  const { holder } = record.value
  if (holder === undefined || !isAttaching(holder, now)) return
  const { host, container } = holder
  // The same attach again: the driver stopped before it answered, or the user gave up.
  if (container !== undefined && host === asking.host && container.id === asking.container?.id) return
  const what = container === undefined ? 'a container' : `container ${container.name}`
  throw new DriverError('taken', `service ${named(view)} is being attached to ${what} on ${host}`, {
    hint: 'a service has one container in the whole cluster; if that attach failed, try again in half a minute',
  })
}

/**
 * moby accepts `--ip` only on networks that were created with `--subnet`. All replicas are; on its creator's
 * host the network may be without.
 */
function checkFixedAddresses(snapshot: Snapshot, network: Network, host: HostName, localId: string): void {
  if (localId !== network.id || !snapshot.pools.get(network.v4.cidr)?.value.chosen) return
  const name = network.name ?? network.id.slice(0, 12)
  throw new DriverError(
    'invalid',
    `network ${name} was created on ${host} without --subnet, so Docker on ${host} assigns no fixed addresses on it`,
    {
      hint: `attach on another host, or create the network again with --subnet ${network.v4.cidr}`,
    },
  )
}

function giveUp({ snapshot, record }: Found, { host }: ServiceContext): Proposal<void> {
  const { holder } = record.value
  if (holder?.host !== host || holder.attachingSince === undefined) return { changes: [], answer: undefined }
  const { before } = holder
  if (before === undefined) return { changes: [changeRecord(record, withoutHolder)], answer: undefined }
  const changes = [
    changeRecord(record, (service) => ({ ...service, holder: before })),
    ...changeLeases(snapshot, record.value, (lease) => ({ ...lease, host: before.host })),
  ]
  return { changes, answer: undefined }
}

function finished({ record }: Found, { host }: ServiceContext): Proposal<void> {
  const { holder } = record.value
  if (holder?.host !== host || holder.attachingSince === undefined) return { changes: [], answer: undefined }
  return {
    changes: [changeRecord(record, (service) => ({ ...service, holder: ended(holder) }))],
    answer: undefined,
  }
}

function letGo({ record }: Found, { host }: ServiceContext): Proposal<void> {
  if (record.value.holder?.host !== host) return { changes: [], answer: undefined }
  return { changes: [changeRecord(record, withoutHolder)], answer: undefined }
}

function attached(
  snapshot: Snapshot,
  view: ServiceView,
  container: string,
  { host }: ServiceContext,
): Attachment & { container: string } {
  const { backend } = view
  if (backend === undefined) {
    throw new DriverError('not-found', `no container is attached to service ${named(view)}`)
  }
  if (backend.host !== host) {
    const hint = `detach it on ${backend.host}`
    throw hostConflict(backend.host, 'invalid', attachedTo(view, backend), hint)
  }
  const { id, name } = backend.container ?? { id: '', name: '' }
  if (container === '' || (name !== container && !id.startsWith(container))) {
    throw new DriverError('invalid', `${attachedTo(view, backend)}, not to ${container}`)
  }
  const localId = localIdOf(snapshot, host, view.network.id) ?? view.network.id
  return { service: view, localId, container: id }
}

function localIdHere(snapshot: Snapshot, network: Network, host: HostName): string {
  const localId = localIdOf(snapshot, host, network.id)
  if (localId !== undefined) return localId
  throw new DriverError(
    'not-found',
    `network ${network.name ?? network.id.slice(0, 12)} is not on ${host} yet`,
    {
      hint: "try again in a moment; if the error stays, 'multihost status' shows the reason",
    },
  )
}

function changeRecord({ value, index }: Versioned<Service>, change: (service: Service) => Service): Change {
  return {
    op: 'update',
    table: 'services',
    key: keyIn(value.network, value.name),
    value: change(value),
    index,
  }
}

function withoutHolder({ holder: _, ...service }: Service): Service {
  return service
}

/** Changes the leases of the service's addresses. A missing lease is a defect that people must see. */
function changeLeases(snapshot: Snapshot, service: Service, change: (lease: Lease) => Lease): Change[] {
  return addressesOf(service).map((ip): Change => {
    const key = keyIn(service.network, ip)
    const lease = snapshot.addresses.get(key)
    if (lease === undefined) {
      throw new DriverError('corrupt', `the address ${ip} of service ${service.name} is not leased`, {
        hint: 'unpublish the service and publish it again',
      })
    }
    return { op: 'update', table: 'addresses', key, value: change(lease.value), index: lease.index }
  })
}

function nameTaken(view: ServiceView, { service }: ServiceRef): DriverError {
  const by =
    view.published || view.backend === undefined
      ? 'is already published'
      : `is the name of ${describeBackend(view.backend)}`
  const why = view.name === service ? '' : ': the case of letters does not count'
  return new DriverError('taken', `service ${named(view)} ${by}`, { hint: `choose another name${why}` })
}

function attachedTo(view: ServiceView, backend: NonNullable<ServiceView['backend']>): string {
  return `service ${named(view)} is attached to ${describeBackend(backend)}`
}

function named({ name, network }: ServiceView): string {
  return `${name}.${network.name}`
}
