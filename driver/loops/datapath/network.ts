/**
 * One network's datapath on this host: what is known of it, and one step towards what the store wants.
 *
 * What was applied is remembered, so a change costs no look at the kernel, and only the endpoints that
 * changed are planned; an audit looks at everything again. Additions are done at once. Removals that wait for
 * the kernel's grace period (links, namespaces) are done a little later, and together.
 *
 * A link is made once, for the Join that asks for it: when its container ends, the kernel takes both ends of
 * a veth pair, and a new pair would hang in the host's namespace. Such an endpoint is `link-lost`
 * (core/endpoints/life.ts) until Docker says Leave or the endpoints loop removes it.
 */
import { observedAt } from '../../core/datapath/contents.ts'
import {
  type Datapath,
  type Observed,
  type Op,
  type ProvenOp,
  type Veth,
  withProofs,
} from '../../core/datapath/datapath.ts'
import { containerEndName, desiredFor, endpointsHere } from '../../core/datapath/desired.ts'
import { type Plan, plan } from '../../core/datapath/plan.ts'
import { type Scope, scopeOf } from '../../core/datapath/scope.ts'
import { showOp } from '../../core/datapath/show.ts'
import { type EndpointLife, lifeOf, type UnderWay } from '../../core/endpoints/life.ts'
import { DriverError } from '../../core/errors.ts'
import { type Known, type Proof, recordSays } from '../../core/knowledge.ts'
import type { EndpointId, HostName, Ip, Network, NetworkId, Snapshot } from '../../core/records.ts'
import { endpoint as recordOf } from '../../core/snapshot.ts'
import type { Engine } from '../../engine/engine.ts'
import type { Kernel, Refusal, Underlay } from '../../kernel/kernel.ts'
import type { Log } from '../../log.ts'
import { createRetryBackoff, type RetryBackoff } from '../kit/retry-backoff.ts'
import { createDockerWord, type DockerWord } from './docker-word.ts'
import { createKnownContents, type KnownContents } from './known-contents.ts'
import { createNamespaceWatch, type NamespaceWatch, type NoticeMs } from './namespace-watch.ts'

export interface NetworkDatapath {
  /** One step; calls `ready` when all that is wanted is there. */
  step(ready: () => void): Promise<void>
  /** The endpoint with this key has changed in the store. */
  changed(key: string): void
  /** The next step looks at the kernel instead of trusting what it remembers. */
  audit(): void
  /** The endpoint's Join is waiting: its veths are to be made if they are not there. */
  expect(endpoint: EndpointId): void
  /** The namespace exists, from an earlier life of the driver. */
  adopt(namespace: string): void
  facts(): NetworkFacts
  /** Changes in its namespace are noticed at once: an audit need not be frequent. */
  isWatched(): boolean
  close(): Promise<void>
}

export interface NetworkFacts {
  /** `undefined`: nothing of this network is here. */
  namespace: string | undefined
  /** Operations applied since the start. */
  ops: number
  /** ISO 8601. */
  lastAppliedAt: string | undefined
  /** How long the last step took until it was ready, in milliseconds. */
  lastStepMs: number
  /** Joined endpoints whose veths went with their container. */
  lost: EndpointId[]
  /** Links that stay although the store has no record of them, and why. One clause each. */
  kept: string[]
  /** Entries that the kernel does not take, and its words. One clause each. */
  refused: string[]
}

export interface NetworkOptions extends UnderWay {
  network: NetworkId
  host: HostName
  kernel: Kernel
  log: Log
  snapshot(): Snapshot
  underlay(): Underlay
  localNamespaceOf(network: NetworkId): string | undefined
  /** What the store lacks is gone. */
  mayRemove(): boolean
  /** The network's record, with the difference between gone and not known. */
  record(): Known<Network>
  /** The store has an endpoint of this network that cannot be read and never could. */
  hasUnreadable(): boolean
  engine: Pick<Engine, 'networks' | 'network' | 'attached'>
  /** How long Docker must not show an endpoint before its link goes. */
  graceMs: number
  removalDelayMs: number
  noticeMs: NoticeMs
  /** Asks for another step. */
  again(afterMs: number): void
  /** Pause between two looks at a kernel that goes on changing. */
  lookPauseMs(): number
  /** How long it took to look at the kernel, and to compare what is there with what is wanted. */
  onAudited(durationMs: number): void
}

/** What is known of one network here. */
interface State {
  readonly options: NetworkOptions
  readonly contents: KnownContents
  readonly docker: DockerWord
  readonly watch: NamespaceWatch
  /** Entries that the kernel refused, by the operation as `showOp` prints it. */
  readonly refused: RetryBackoff
  /** Full path; undefined while nothing of the network is here. */
  namespace: string | undefined
  /** What the last step has led to; undefined when it failed, or there was none. */
  reached: Reached | undefined
  /** Keys of endpoints that changed since the last step. */
  readonly changed: Set<string>
  auditDue: boolean
  /** Endpoints that the last step wanted. */
  readonly wanted: Set<EndpointId>
  /** Endpoints whose Join waits. */
  readonly joining: Set<EndpointId>
  linksLost: EndpointId[]
  /** When links and namespaces may be removed, by performance.now(); undefined while nothing is to be removed. */
  removeAt: number | undefined
  ops: number
  lastAppliedAt: string | undefined
  lastStepMs: number
}

export function networkDatapath(options: NetworkOptions): NetworkDatapath {
  const state: State = {
    options,
    contents: createKnownContents(options.kernel),
    docker: createDockerWord(options),
    watch: createNamespaceWatch(options),
    refused: createRetryBackoff({
      onNew: (_, message) => options.log.warn({ network: options.network }, message),
    }),
    namespace: undefined,
    reached: undefined,
    changed: new Set(),
    auditDue: false,
    wanted: new Set(),
    joining: new Set(),
    linksLost: [],
    removeAt: undefined,
    ops: 0,
    lastAppliedAt: undefined,
    lastStepMs: 0,
  }
  return {
    async step(ready) {
      const began = performance.now()
      await step(state, () => {
        state.lastStepMs = performance.now() - began
        ready()
      })
    },
    changed: (key) => void state.changed.add(key),
    audit: () => {
      state.auditDue = true
    },
    expect: (endpoint) => void state.joining.add(endpoint),
    adopt: (path) => {
      state.namespace ??= path
    },
    facts: () => ({
      namespace: state.namespace,
      ops: state.ops,
      lastAppliedAt: state.lastAppliedAt,
      lastStepMs: state.lastStepMs,
      lost: state.linksLost,
      kept: state.docker.kept(),
      refused: state.refused.messages(),
    }),
    isWatched: () => state.namespace === undefined || state.watch.isAlive(),
    close: state.watch.close,
  }
}

async function step(state: State, ready: () => void): Promise<void> {
  const { options } = state
  // Asked before `desired`: a store that turns fresh while the kernel is looked at has not made this wish fresh.
  const remove = options.mayRemove()
  const began = performance.now()
  if (state.watch.isLookDue(state.joining.size > 0)) state.auditDue = true
  const snapshot = options.snapshot()
  const scope = scopeNow(state, snapshot, remove)
  const want = desired(options, scope)
  if (state.namespace !== undefined && want !== undefined && want.namespace !== state.namespace && remove) {
    await leaveNamespace(state, state.namespace)
    return step(state, ready)
  }
  if (want !== undefined) {
    if (state.namespace !== want.namespace) state.contents.doubt()
    state.namespace = want.namespace
    const removals = remove ? 'include' : 'leave-out'
    return converge(state, want, { snapshot, scope, removals, began }, ready)
  }
  ready()
  state.linksLost = []
  if (state.namespace === undefined || !remove) return
  const proof = await proofThatUnused(state, state.namespace)
  if (proof !== undefined && isRemovalDue(state)) await removeNamespace(state, state.namespace, proof)
}

/** The network has another Docker id here. The device of the old namespace holds the VNI that the new one needs. */
async function leaveNamespace(state: State, old: string): Promise<void> {
  const { network, host } = state.options
  const proof = state.docker.ofNamespace(old, [])
  if (proof !== undefined) return removeNamespace(state, old, proof)
  throw new DriverError(
    'unavailable',
    `network ${network.slice(0, 12)} has another Docker id on ${host} now, and Docker has not said yet that no container uses the namespace ${old} of the earlier one`,
  )
}

/** Undefined while the network's record cannot be read, or a container may be on the network. */
async function proofThatUnused(state: State, namespace: string): Promise<Proof | undefined> {
  const { options, contents, docker } = state
  if (options.record().is === 'unknown' || options.hasUnreadable()) return undefined
  if (!contents.isSure()) await contents.look(namespace, (seen) => seen)
  const ports = contents.contents()?.ports.keys() ?? []
  return docker.ofNamespace(namespace, [...ports, ...[...state.wanted].map(containerEndName)])
}

async function converge(state: State, want: Datapath, input: StepInput, ready: () => void): Promise<void> {
  const { snapshot, scope, removals, began } = input
  const { options, contents } = state
  const waiting = [...state.joining]
  const looks = state.auditDue || !contents.isSure()
  const wasRight =
    state.auditDue &&
    contents.isSure() &&
    planned(state, want, { snapshot, scope: undefined, removals: 'include' }).ops.every(
      (op) => isLinkRemoval(op) || !state.refused.mayTry(showOp(op)),
    )
  // What changes during the look is noticed for the next one.
  state.auditDue = false
  if (looks) await look(state, snapshot, want)
  // The watch would hold a namespace that is gone, and its VNI.
  if (looks && !contents.contents()?.marked) await state.watch.close()
  const { ops, reasons, lost } = planned(state, want, input)
  if (looks) options.onAudited(performance.now() - began)
  if (scope === undefined) state.refused.keep(new Set(ops.map(showOp)))
  const isComplete = removals === 'include' && !options.hasUnreadable()
  const now = withProofs(
    ops.filter((op) => !isLinkRemoval(op) && state.refused.mayTry(showOp(op))),
    (op) => entryProof(op, want, isComplete),
  )
  const slow = provenLinks(state, want.namespace, ops)
  logChange(state, now, reasons, wasRight)
  await applyEntries(state, now)
  noteLost(state, lost)
  state.wanted.clear()
  for (const { endpoint } of want.veths) state.wanted.add(endpoint)
  for (const endpoint of waiting) state.joining.delete(endpoint)
  state.reached = { snapshot, vtep: want.vxlan.local, removed: isComplete }
  ready()
  await state.watch.follow(want.namespace)
  if (slow.length === 0) state.removeAt = undefined
  else if (isRemovalDue(state)) {
    logChange(state, slow, reasons, false)
    await apply(state, slow)
  }
}

/** An entry of an endpoint that cannot be read may be any entry without a record. */
function entryProof(op: Op, { peers }: Datapath, isComplete: boolean): Proof | undefined {
  const isMoved = op.op === 'fdb-del' && peers.some(({ mac }) => mac === op.mac)
  if (isMoved) return recordSays('the endpoint is on another host now')
  return isComplete ? recordSays('no endpoint of the network has the entry') : undefined
}

function provenLinks({ docker }: State, namespace: string, ops: readonly Op[]): ProvenOp[] {
  const links = ops.filter(isLinkRemoval)
  const proofs = docker.ofLinks(
    namespace,
    links.map(({ port }) => port),
  )
  return withProofs(links, (op) => ('port' in op ? proofs.get(op.port) : undefined))
}

/** Endpoints that the last step did not know as they are; undefined: all are to be planned. */
function scopeNow(state: State, snapshot: Snapshot, remove: boolean): Scope | undefined {
  const { options, contents, reached, namespace } = state
  const keys = [...state.changed]
  state.reached = undefined
  state.changed.clear()
  if (reached === undefined || !contents.isSure() || state.auditDue) return undefined
  if (remove && !reached.removed) return undefined
  if (state.refused.nextInMs() === 0) return undefined
  const same =
    reached.snapshot.networks.get(options.network) === snapshot.networks.get(options.network) &&
    reached.vtep === options.underlay().address &&
    namespace === options.localNamespaceOf(options.network)
  return same ? scopeOf(reached.snapshot, snapshot, keys) : undefined
}

/** The plan for what is to be there: endpoints whose links are lost are left out. */
function planned(
  state: State,
  want: Datapath,
  { snapshot, scope, removals }: Omit<StepInput, 'began'>,
): Plan & { lost: EndpointId[] } {
  const have = state.contents.contents()
  const calls = state.options.calls()
  const lost = new Set(want.veths.filter((veth) => lifeHere(state, snapshot, calls, veth) === 'link-lost'))
  const target = { ...want, veths: want.veths.filter((veth) => !lost.has(veth)) }
  return {
    ...plan(have && observedAt(have, scope?.places), target, { remove: removals === 'include' }),
    lost: [...lost].map(({ endpoint }) => endpoint),
  }
}

type Calls = ReturnType<State['options']['calls']>

function lifeHere(state: State, snapshot: Snapshot, calls: Calls, veth: Veth): EndpointLife {
  return lifeOf({
    record: recordOf(snapshot, state.options.network, veth.endpoint)?.value,
    call: isArriving(state, snapshot, calls, veth) ? 'join' : undefined,
    hasLink: state.contents.contents()?.ports.has(veth.port) ?? false,
  })
}

/** Its link is to be made: the container does not have the endpoint yet. */
function isArriving(
  { joining, options }: State,
  snapshot: Snapshot,
  calls: Calls,
  { endpoint }: Veth,
): boolean {
  const call = calls.get(endpoint)
  const isJoined = recordOf(snapshot, options.network, endpoint)?.value.joined ?? false
  return joining.has(endpoint) || call === 'create' || call === 'join' || (!isJoined && call === undefined)
}

/** The kernel keeps an unmounted namespace and its links while the watch is in the namespace. */
async function look(state: State, snapshot: Snapshot, want: Datapath): Promise<void> {
  const { options, contents, watch } = state
  const see = (): Promise<void> =>
    contents.look(want.namespace, (seen) =>
      want.kind === 'bridge' ? seen : { ...seen, ports: childrenOf(state, snapshot, seen, want) },
    )
  await see()
  if (contents.contents() !== undefined || !watch.isAlive()) return
  // While it cannot be mounted, no other one is made in its place.
  contents.doubt()
  if (await watch.remount(want.namespace)) {
    const { network, log } = options
    log.warn({ network, namespace: want.namespace }, 'the namespace was unmounted, and is mounted again')
  }
  await see()
}

/**
 * Only its container sees a macvlan child: what was there is there while vxlan1 is. An earlier driver made
 * its own.
 */
function childrenOf(
  state: State,
  snapshot: Snapshot,
  { vxlan }: Observed,
  { veths }: Datapath,
): Observed['ports'] {
  if (vxlan === undefined) return []
  const have = state.contents.contents()
  if (have !== undefined) return [...have.ports.values()]
  const calls = state.options.calls()
  return veths
    .filter((veth) => !isArriving(state, snapshot, calls, veth))
    .map(({ port }) => ({ name: port, up: true, child: true as const }))
}

/**
 * Applies what callers wait for. A refused entry is tried once more at once, since the kernel may have been
 * busy, and then with growing pauses; the step is ready without it.
 */
async function applyEntries(state: State, ops: readonly ProvenOp[]): Promise<void> {
  const first = await apply(state, ops)
  const again = new Set(first.map(({ op }) => showOp(op)))
  const refusals = await apply(
    state,
    ops.filter((op) => again.has(showOp(op))),
  )
  for (const { op, words } of refusals) {
    const line = showOp(op)
    state.refused.failed(line, `the kernel refuses ${line.replace(/ +/g, ' ')}: ${words}`)
  }
  const dueInMs = state.refused.nextInMs()
  if (dueInMs !== undefined) state.options.again(dueInMs)
}

async function apply(state: State, ops: readonly ProvenOp[]): Promise<Refusal[]> {
  if (ops.length === 0) return []
  const refusals = await state.watch.ownChange(() => state.contents.apply(ops))
  state.ops += ops.length - refusals.length
  state.lastAppliedAt = new Date().toISOString()
  return refusals
}

/** True when the time for slow removals has come; otherwise asks for a step when it has. */
function isRemovalDue(state: State): boolean {
  const now = performance.now()
  state.removeAt ??= now + state.options.removalDelayMs
  if (now < state.removeAt) {
    state.options.again(state.removeAt - now)
    return false
  }
  state.removeAt = undefined
  return true
}

async function removeNamespace(state: State, path: string, proof: Proof): Promise<void> {
  const { network, log } = state.options
  await state.watch.close()
  await apply(state, [{ op: 'namespace-del', namespace: path, proof }])
  log.info({ network, namespace: path, reason: proof.says }, 'namespace removed')
  state.namespace = undefined
  state.contents.forget()
  state.reached = undefined
  state.linksLost = []
  state.wanted.clear()
}

function noteLost(state: State, lost: EndpointId[]): void {
  const { network, log } = state.options
  const news = lost.filter((endpoint) => !state.linksLost.includes(endpoint))
  if (news.length > 0) log.warn({ network, endpoints: news }, 'joined endpoints have no veth any more')
  state.linksLost = lost
}

function logChange(state: State, ops: readonly Op[], reasons: readonly string[], wasRight: boolean): void {
  if (ops.length === 0) return
  const { network, log } = state.options
  const fields = { network, namespace: state.namespace, reasons: first(reasons), ops: first(ops.map(showOp)) }
  if (wasRight) log.warn(fields, 'datapath was altered, repaired')
  else log.info(fields, 'datapath changed')
}

/** What one step goes by. */
interface StepInput {
  snapshot: Snapshot
  /** Undefined: all endpoints. */
  scope: Scope | undefined
  removals: 'include' | 'leave-out'
  /** By performance.now(). */
  began: number
}

interface Reached {
  snapshot: Snapshot
  vtep: Ip
  /** What is not wanted is not there: removals were not left out. */
  removed: boolean
}

function desired(options: NetworkOptions, scope: Scope | undefined): Datapath | undefined {
  const { network, host } = options
  const snapshot = options.snapshot()
  const namespace = options.localNamespaceOf(network)
  if (namespace === undefined) {
    if (endpointsHere(snapshot, host, network).length === 0) return undefined
    throw new DriverError('unavailable', `network ${network.slice(0, 12)} has no Docker network on ${host}`)
  }
  const { address, mtuBytes } = options.underlay()
  return desiredFor(snapshot, host, network, { vtep: address, mtuBytes, namespace }, scope)
}

/** The kernel waits for all its readers (an RCU grace period, some 20 ms) before a link is gone. */
function isLinkRemoval(op: Op): op is Extract<Op, { op: 'veth-del' | 'child-del' }> {
  return op.op === 'veth-del' || op.op === 'child-del'
}

/** A log line names the first few, and how many more there are. */
function first(lines: readonly string[], most = 20): string[] {
  return lines.length <= most ? [...lines] : [...lines.slice(0, most), `and ${lines.length - most} more`]
}
