/**
 * What Docker says of links and namespaces that the store has no record for.
 *
 * A missing record does not say that a container is gone: a key can be deleted by hand. A link goes only when
 * Docker has called Leave or DeleteEndpoint or was told that CreateEndpoint failed, when Docker does not show
 * the endpoint in two answers with the grace period between them, or when a record says that another endpoint
 * has the address now. Answers that came while the endpoint was on its way into its container do not count.
 * Docker shows an endpoint from before its Join on, also while it is in no container: a driver that has just
 * started does not know of the Join. A namespace also goes when Docker has no such network and no running
 * container that says it is on it: with `live-restore`, containers outlive Docker's database of networks.
 * Docker is asked in the background, once for all links of a network. No caller waits for it: the kernel
 * removes the ends with their container.
 */
import { basename } from 'node:path'
import { containerEndName } from '../../core/datapath/desired.ts'
import type { EndpointCall, UnderWay } from '../../core/endpoints/life.ts'
import { asDriverError } from '../../core/errors.ts'
import { dockerSays, type Proof, recordSays } from '../../core/knowledge.ts'
import type { EndpointId, Lease, NetworkId, Snapshot } from '../../core/records.ts'
import { keyIn } from '../../core/snapshot.ts'
import type { Engine, EngineNetwork } from '../../engine/engine.ts'
import { createGracePeriod, type GracePeriod } from '../kit/grace-period.ts'

export interface DockerWordOptions extends UnderWay {
  network: NetworkId
  engine: Pick<Engine, 'networks' | 'network' | 'attached'>
  snapshot(): Snapshot
  graceMs: number
  /** Asks for another step. */
  again(afterMs: number): void
}

export interface DockerWord {
  /** Proofs by link, of the links in this namespace that have no record. A link without a proof stays. */
  ofLinks(namespace: string, links: readonly string[]): Map<string, Proof>
  /** Undefined while a container may be on the namespace's network. `links`: every link that is known there. */
  ofNamespace(namespace: string, links: readonly string[]): Proof | undefined
  /** Links that stay without a record, and why. One clause each. */
  kept(): string[]
}

type EngineEndpoint = EngineNetwork['endpoints'][number]
/** `isLost`: Docker has lost the network, and the container runs on. */
type Shown = Pick<EngineEndpoint, 'id' | 'name'> &
  Partial<Pick<EngineEndpoint, 'v4' | 'v6'>> & { isLost?: true }

interface State {
  readonly options: DockerWordOptions
  /** The links of the namespace that was last in question. */
  links: readonly string[]
  /**
   * Links and namespaces without a record, since the last step. A link with a proof stays among them until it
   * is removed.
   */
  unrecorded: Set<string>
  /** Those of them without a proof. */
  doubtful: Set<string>
  /** Those of them that Docker has not shown for the grace period. */
  gone: Set<string>
  absence: GracePeriod
  asking: boolean
  /** When the last answer came, by performance.now(). */
  answeredAt: number
  /** The network's endpoints, by the last answer. */
  shown: readonly Shown[]
  lastError: string | undefined
}

export function createDockerWord(options: DockerWordOptions): DockerWord {
  const state: State = {
    options,
    links: [],
    unrecorded: new Set(),
    doubtful: new Set(),
    gone: new Set(),
    absence: createGracePeriod(),
    asking: false,
    answeredAt: Number.NEGATIVE_INFINITY,
    shown: [],
    lastError: undefined,
  }
  return {
    ofLinks(namespace, links) {
      const proofs = proofsOf(state, links)
      const doubtful = links.filter((link) => !proofs.has(link))
      doubt(state, namespace, links, doubtful)
      return proofs
    },
    ofNamespace(namespace, links) {
      state.links = links
      const haveLeft = links.length > 0 && proofsOf(state, links).size === links.length
      if (haveLeft) return dockerSays('every endpoint of the network has left')
      if (state.gone.has(namespace) && !isArriving(state, namespace))
        return dockerSays('Docker has no endpoint on the network')
      doubt(state, namespace, [namespace], [namespace])
      return undefined
    },
    kept: () => kept(state),
  }
}

function proofsOf(state: State, links: readonly string[]): Map<string, Proof> {
  const calls = [...state.options.calls()]
  const ended = [...state.options.ended()]
  const proofs = new Map<string, Proof>()
  for (const link of links) {
    const isIts = ([endpoint]: readonly [EndpointId, unknown]): boolean => isOf(link, endpoint)
    const proof = ended.find(isIts)?.[1] ?? proofOf(state, link, calls.find(isIts)?.[1])
    if (proof !== undefined) proofs.set(link, proof)
  }
  return proofs
}

function proofOf(state: State, link: string, call: EndpointCall | undefined): Proof | undefined {
  // Also soon after the Join: a host that was removed from the cluster can come back before its calls are forgotten.
  const shown = state.shown.find(({ id }) => isOf(link, id))
  const heir = shown && heirOf(state.options, shown)
  if (heir !== undefined) return recordSays(`the address is of another endpoint on ${heir}`)
  if (call !== undefined) return undefined
  return state.gone.has(link) ? dockerSays('Docker has no such endpoint') : undefined
}

/** The link is on its way into a container, or a link of the namespace is. */
function isArriving({ links, options }: State, it: string): boolean {
  const of = isNamespace(it) ? links : [it]
  const arriving = options.arriving()
  return of.some((link) => arriving.some((endpoint) => isOf(link, endpoint)))
}

/** Both ends of a pair, and a macvlan child, are named after the endpoint. */
function isOf(link: string, endpoint: EndpointId): boolean {
  return link.slice(-8) === containerEndName(endpoint).slice(-8)
}

/** The host whose endpoint has an address of this one by now. */
function heirOf({ network, snapshot }: DockerWordOptions, { id, v4, v6 }: Shown): string | undefined {
  const { addresses, services } = snapshot()
  const leases = [v4, v6].flatMap((ip) => addresses.get(keyIn(network, ip ?? ''))?.value ?? [])
  // A service's address has its endpoint in the record of the service.
  const holderOf = ({ endpoint, service = '' }: Lease): EndpointId | undefined =>
    endpoint ?? services.get(keyIn(network, service))?.value.endpoint
  return leases.find((lease) => ![undefined, id].includes(holderOf(lease)))?.host
}

/** Asks Docker about what is doubtful, unless Docker has been asked a short time ago. */
function doubt(
  state: State,
  namespace: string,
  unrecorded: readonly string[],
  doubtful: readonly string[],
): void {
  const { graceMs, again } = state.options
  state.unrecorded = new Set(unrecorded)
  state.doubtful = new Set(doubtful)
  state.gone = new Set([...state.gone].filter((it) => state.unrecorded.has(it)))
  if (unrecorded.length === 0) {
    state.absence = createGracePeriod()
    state.shown = []
  }
  if (doubtful.length === 0 || state.asking) return
  const dueInMs = state.answeredAt + Math.max(100, graceMs) - performance.now()
  if (dueInMs > 0) again(dueInMs)
  else void ask(state, namespace)
}

async function ask(state: State, namespace: string): Promise<void> {
  const { graceMs, again } = state.options
  state.asking = true
  const askedAt = performance.now()
  try {
    const endpoints = await endpointsOf(state.options.engine, namespace)
    state.shown = endpoints ?? []
    const isShown = (it: string): boolean =>
      it === namespace ? state.shown.length > 0 : state.shown.some(({ id }) => isOf(it, id))
    const absent = [...state.unrecorded].filter((it) => !isShown(it) && !isArriving(state, it))
    state.gone = state.absence.since(absent, graceMs, askedAt)
    // No container is on a network that does not exist; a container of a network that does may be shown late.
    if (endpoints === undefined && state.unrecorded.has(namespace)) state.gone.add(namespace)
    state.lastError = undefined
  } catch (error) {
    state.lastError = asDriverError(error).line
  }
  state.asking = false
  // The grace period lies between two answers, and not between two questions.
  state.answeredAt = performance.now()
  again(0)
}

/**
 * A namespace is named after the first digits of Docker's id of the network. Undefined where Docker has no
 * such network, and no running container was on it.
 */
async function endpointsOf(
  engine: DockerWordOptions['engine'],
  namespace: string,
): Promise<readonly Shown[] | undefined> {
  const local = (await engine.networks()).find(({ id }) => id.startsWith(basename(namespace)))
  if (local === undefined) {
    const lost = (await engine.attached()).filter((at) => at.network.startsWith(basename(namespace)))
    if (lost.length === 0) return undefined
    return lost.map(({ name, endpoint }) => ({ id: endpoint, name, isLost: true }))
  }
  return (await engine.network(local.id))?.endpoints
}

function kept({ doubtful, shown: all, lastError }: State): string[] {
  return [...doubtful].flatMap((it) => {
    const what = isNamespace(it) ? `the namespace ${it}` : `the link ${it}`
    const shown = isNamespace(it) ? all : all.filter(({ id }) => isOf(it, id))
    const names = shown.map(({ name }) => name)
    if (shown.some(({ isLost }) => isLost))
      return [
        `${what} of container ${names.join(', ')} is kept: Docker has lost its network, and the container runs on; docker stop ${names.join(' ')}, and start it again`,
      ]
    if (names.length > 0)
      return [`${what} of container ${names.join(', ')} is kept: the store has no record of the endpoint`]
    if (lastError === undefined) return []
    return [`${what} is kept: the store has no record of it, and Docker cannot be asked (${lastError})`]
  })
}

function isNamespace(doubtful: string): boolean {
  return doubtful.includes('/')
}
