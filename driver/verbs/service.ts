/**
 * Publish, unpublish, attach and detach: changes of a service's record and of the address that it keeps.
 *
 * A published service holds its address by a lease that names it, so the address outlives every container behind it.
 * `attach` gives the lease and the service to this host; the engine then asks for that very address (`--ip`), and
 * CreateEndpoint binds the three together. Two hosts that attach at once change the same two keys: one wins.
 * Why `--ip`: docs/decisions/service-addresses.md.
 */
import { DriverError, isCode } from '../core/errors.ts'
import type { Change, HostName, Ip, Network, Service, ServiceHolder, Snapshot, Versioned } from '../core/model.ts'
import {
  checkServiceName,
  describeBackend,
  findService,
  listServices,
  parseServiceName,
  type ServiceView,
  serviceNetwork,
} from '../core/services.ts'
import { keyIn, leasesOf, localIdOf } from '../core/snapshot.ts'
import type { Store } from '../store/store.ts'
import { type Decision, decide } from './decide.ts'
import type { Verbs } from './verbs.ts'

export interface ServiceContext {
  store: Store
  host: HostName
  /** Of references without a network. */
  defaultNetwork: string
  now(): Date
}

export type Container = NonNullable<ServiceHolder['container']>

/** What the command line needs for the engine: connect the container there, with this address. */
export interface Attachment {
  service: ServiceView
  /** The network's id on this host. */
  localId: string
}

export interface ServiceVerbs {
  list(network?: string): ServiceView[]
  find(name: string): ServiceView
  /** `existing`: no error when it is published already. */
  publish(name: string, options?: { existing?: boolean }, signal?: AbortSignal): Promise<ServiceView>
  unpublish(name: string): Promise<void>
  /** The container is absent when it is still to be made. */
  attach(name: string, container?: Container): Promise<Attachment>
  /** The attach did not come about: others may begin one. */
  giveUp(name: string): Promise<void>
  /** What is to be disconnected; changes nothing. */
  attached(name: string, container: string): Attachment & { container: string }
  /** After the disconnect: nobody holds the service any more. */
  detached(name: string): Promise<void>
}

/** So long an attach that was begun keeps others away: longer than an engine takes to connect a container. */
const attachTakesMs = 30_000

export function serviceVerbs(
  context: ServiceContext,
  addresses: Pick<Verbs, 'requestAddress' | 'releaseAddress'>,
): ServiceVerbs {
  const { store, defaultNetwork } = context
  const find = (snapshot: Snapshot, name: string): ServiceView => findService(snapshot, name, defaultNetwork)
  const onRecord = <T>(name: string, change: (found: Found) => Decision<T>): Promise<T> =>
    decide(store, (snapshot) => change(published(snapshot, find(snapshot, name))))
  return {
    list(network) {
      const snapshot = store.snapshot()
      const only = network && serviceNetwork(snapshot, { service: '', network }, defaultNetwork).value.id
      return listServices(snapshot, only || undefined)
    },
    find: (name) => find(store.snapshot(), name),
    publish: (name, options = {}, signal = AbortSignal.timeout(8000)) =>
      publish(context, addresses, name, options, signal),
    unpublish: (name) => onRecord(name, unpublish),
    attach: (name, container) => onRecord(name, (found) => attach(found, context, container)),
    giveUp: (name) => onRecord(name, (found) => giveUp(found, context)),
    attached: (name, container) => attached(store.snapshot(), find(store.snapshot(), name), container, context),
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
  if (view.published && record !== undefined && network !== undefined) return { snapshot, view, record, network }
  const container = view.backend === undefined ? 'a container' : describeBackend(view.backend)
  throw new DriverError('in-use', `service ${named(view)} is the name of ${container} and not published`, {
    hint: 'it goes when the container leaves the network; to publish one, choose another name',
  })
}

async function publish(
  { store, host, defaultNetwork }: ServiceContext,
  { requestAddress, releaseAddress }: Pick<Verbs, 'requestAddress' | 'releaseAddress'>,
  text: string,
  { existing = false }: { existing?: boolean },
  signal: AbortSignal,
): Promise<ServiceView> {
  const ref = parseServiceName(text)
  const name = checkServiceName(ref.service)
  const nameIsFree = (snapshot: Snapshot): Decision<ServiceView | undefined> => {
    const network = serviceNetwork(snapshot, ref, defaultNetwork)
    const taken = listServices(snapshot, network.value.id).find((view) => view.name === name)
    if (taken !== undefined && !(existing && taken.published)) throw nameTaken(taken)
    return { changes: [], answer: taken }
  }
  const there = await decide(store, nameIsFree, { signal })
  if (there !== undefined) return there
  const { v4, v6 } = serviceNetwork(store.snapshot(), ref, defaultNetwork).value
  const leased: { pool: string; address: Ip }[] = []
  try {
    for (const { cidr } of v6 === undefined ? [v4] : [v4, v6]) {
      const address = await requestAddress({ pool: cidr, gateway: false }, signal)
      leased.push({ pool: cidr, address: address.split('/')[0] ?? '' })
    }
    const ips = leased.map(({ address }) => address)
    await decide(store, (snapshot) => {
      const { answer } = nameIsFree(snapshot)
      if (answer !== undefined) throw nameTaken(answer)
      return record(snapshot, serviceNetwork(snapshot, ref, defaultNetwork), name, ips, host)
    })
  } catch (error) {
    for (const lease of leased) await releaseAddress(lease, signal)
    // Somebody published it since we looked, and that is what was wanted.
    if (existing && isCode(error, 'taken')) return (await decide(store, nameIsFree)).answer ?? fail(error)
    throw error
  }
  return findService(store.snapshot(), text, defaultNetwork)
}
