/**
 * Makes the store's endpoints of this host those that the engine has, and gives them what only the engine
 * knows: the container, its name and its aliases. plan.ts decides; this file asks and commits.
 *
 * An endpoint is removed when the engine does not know it in two answers with the grace period between them.
 * A question that fails removes nothing. While a container starts, its network answers with its name; its
 * aliases are known when it runs. What Docker asked to remove while the store was away comes first.
 *
 * A record that appears without a call from Docker was adopted, and lacks what only an inspection tells: the
 * container is inspected.
 */
import { defined } from '../../core/defined.ts'
import { lifeOf, type UnderWay } from '../../core/endpoints/life.ts'
import { asDriverError, DriverError, isCode } from '../../core/errors.ts'
import { shortId } from '../../core/names.ts'
import type {
  Change,
  Endpoint,
  EndpointId,
  HostName,
  HostRecord,
  Snapshot,
  Versioned,
} from '../../core/records.ts'
import { wantKey } from '../../core/reserve.ts'
import { endpointsOnHost, keyIn, networkOfKey, recordName, restOf } from '../../core/snapshot.ts'
import type { Engine, EngineContainer } from '../../engine/engine.ts'
import type { Log } from '../../log.ts'
import type { JournaledStore } from '../../store/journal.ts'
import type { ChangedKey } from '../../store/store.ts'
import { splitIntoCommits } from '../../store/transaction-limits.ts'
import { createGracePeriod, type GracePeriod } from '../kit/grace-period.ts'
import { createInspections, type Inspections } from '../kit/inspections.ts'
import { networkInDocker, networksInDocker } from '../kit/local-networks.ts'
import { type Loop, type LoopRun, startLoop } from '../kit/loop.ts'
import { createProblems, type Problems } from '../kit/problems.ts'
import type { WorkQueueStatus } from '../kit/work-queue.ts'
import { batched } from './adoption-commits.ts'
import { createLeftOut, type LeftOut } from './left-out.ts'
import { type Leftover, removalsOf } from './leftovers.ts'
import {
  describedByContainers,
  describedByNetwork,
  planDescriptions,
  planEndpoints,
  type Step,
  untakenBy,
  type View,
} from './plan.ts'

export interface EndpointsOptions {
  store: JournaledStore
  engine: Pick<Engine, 'networks' | 'network' | 'running' | 'container' | 'attached'>
  host: HostName
  /** The verbs' `InFlight`. */
  inFlight: Calls
  /** This host's record while the store has none. */
  blank(): HostRecord
  log: Log
  now?(): Date
  everyMs: number
  /** How long the engine must not know an endpoint before it is removed. */
  graceMs: number
  /** Events within this time share one comparison, which asks the engine about each network. */
  compareAfterMs: number
  onRun?(run: LoopRun): void
}

interface Calls extends Pick<UnderWay, 'calls' | 'arriving'> {
  lost(endpoint: EndpointId): void
  deferred: { flush(): Promise<void>; names(): string[]; onDefer(listener: () => void): () => void }
}

export interface EndpointsLoop {
  /** Looks at everything. */
  poke(): void
  /** Compares the store with the engine in a moment. Many calls make one comparison. */
  compareSoon(): void
  /** Looks at one container: an event names it. */
  look(container: string): void
  /** Docker has put a container on the network with this local id. The container may not run yet. */
  connected(localNetwork: string): void
  status(): WorkQueueStatus & { problems: string[] }
  close(): Promise<void>
}

/** What the loop remembers between two runs. */
interface State {
  readonly options: EndpointsOptions & { now(): Date }
  readonly startedAt: Date
  /** Missing endpoints, and since when. */
  readonly missing: GracePeriod
  /** Pools and addresses without a use, and since when. */
  readonly untaken: GracePeriod
  /** Endpoints that wait for an address from another host's reserve, and since when. */
  readonly waiting: GracePeriod
  /** Address conflicts, for `status`. */
  readonly conflicts: Problems
  /** Texts that no record can hold, for `status`. */
  readonly leftOut: LeftOut
  /** Containers that were inspected since the last run. */
  readonly inspected: Map<string, EngineContainer>
  /** Local ids of networks that a container was connected to since the last run. */
  readonly connected: Set<string>
  readonly inspections: Inspections
  readonly loop: Loop
  /** What the next run does beside the news. */
  due: { reconcile: boolean; describeAll: boolean }
  snapshot: Snapshot
}

const everythingDue = { reconcile: true, describeAll: true }
/** Deferred work that the store did not answer is tried again this much later. */
const deferredPauseMs = 500
/** A container that cannot be inspected yet is inspected again this much later. */
const inspectAgainMs = 5000
/** How long other hosts have to return an address. They take milliseconds; a host that is away never does. */
const returnedWithinMs = 1500
/** Changes of one commit that releases pools; the rest follow with the next run. */
const releasedAtOnce = 50

export function startEndpoints(options: EndpointsOptions): EndpointsLoop {
  const { store, inFlight, compareAfterMs } = options
  const state = createState(options)
  const { loop } = state
  const stops = [
    inFlight.deferred.onDefer(() => loop.pokeAfter(deferredPauseMs)),
    store.onChange((snapshot, changed) => {
      const before = state.snapshot
      state.snapshot = snapshot
      for (const id of adoptedContainers(state, before, changed)) state.inspections.inspect(id)
      if (!differsFromDocker(state, before, changed)) return
      reconcileDue(state)
      loop.poke()
    }),
  ]
  return {
    poke() {
      state.due = everythingDue
      loop.poke()
    },
    compareSoon: () => loop.pokeAfter(compareAfterMs),
    look: state.inspections.inspect,
    connected(localNetwork) {
      state.connected.add(localNetwork)
      loop.poke()
    },
    status: () => ({
      ...loop.status(),
      problems: [...state.conflicts.messages(), ...state.leftOut.messages()],
    }),
    async close() {
      for (const stop of stops) stop()
      await loop.close()
    },
  }
}

function createState(options: EndpointsOptions): State {
  const { now = () => new Date(), everyMs, log, store, onRun } = options
  const state: State = {
    options: { ...options, now },
    startedAt: now(),
    missing: createGracePeriod(),
    untaken: createGracePeriod(),
    waiting: createGracePeriod(),
    conflicts: createProblems({ onNew: (endpoint, message) => log.warn({ endpoint }, message) }),
    leftOut: createLeftOut(log),
    inspected: new Map(),
    connected: new Set(),
    inspections: createInspections({
      engine: options.engine,
      inspected(id, container) {
        if (container === undefined) return
        state.inspected.set(id, container)
        state.loop.poke()
      },
      failed(container, err) {
        log.debug({ container, err }, 'the container could not be inspected')
        state.due = everythingDue
        state.loop.pokeAfter(inspectAgainMs)
      },
    }),
    loop: startLoop({
      name: 'endpoints',
      everyMs,
      log,
      work: () => run(state),
      onTick: () => reconcileDue(state),
      onRun,
    }),
    due: everythingDue,
    snapshot: store.snapshot(),
  }
  return state
}

/** The next run reconciles. */
function reconcileDue(state: State): void {
  state.due = { ...state.due, reconcile: true }
}

/** Containers of this host's endpoints whose record has appeared while no call from Docker is under way. */
function adoptedContainers(
  { snapshot, options: { host, inFlight } }: State,
  before: Snapshot,
  changed: readonly ChangedKey[],
): string[] {
  return changed.flatMap(({ table, key }) => {
    if (table !== 'endpoints' || before.endpoints.has(key)) return []
    const is = snapshot.endpoints.get(key)?.value
    const isAdopted = is?.host === host && !inFlight.calls().has(is.id)
    return isAdopted ? (is.container?.id ?? []) : []
  })
}

/**
 * True when an endpoint of this host lost its record or a lease and Docker has not said Leave: a container
 * may have it. Also when one has a record that Docker has not asked for, or has asked to remove: it is from a
 * backup of the store. And when an address is free that this host has asked for.
 */
function differsFromDocker(
  { snapshot, options: { host, inFlight } }: State,
  before: Snapshot,
  changed: readonly ChangedKey[],
): boolean {
  const calls = inFlight.calls()
  return changed.some(({ table, key }) => {
    if (table === 'addresses') {
      const want = wantKey(networkOfKey(key), host, restOf(key))
      if (snapshot.wanted.has(want) && !snapshot.addresses.has(key)) return true
      const { host: of, endpoint } = before.addresses.get(key)?.value ?? {}
      const record = endpoint && snapshot.endpoints.get(keyIn(networkOfKey(key), endpoint))
      return of === host && record !== undefined && !snapshot.addresses.has(key)
    }
    if (table !== 'endpoints') return false
    const was = before.endpoints.get(key)?.value
    const is = snapshot.endpoints.get(key)?.value
    if (was === undefined && is?.host === host) return [undefined, 'leave'].includes(calls.get(is.id))
    if (was?.host !== host || snapshot.endpoints.has(key)) return false
    return lifeOf({ record: was, call: calls.get(was.id) }) !== 'leaving'
  })
}

async function run(state: State): Promise<void> {
  const { store, inFlight } = state.options
  const { fresh } = store.status()
  if (fresh) {
    await inFlight.deferred.flush()
    if (inFlight.deferred.names().length > 0) state.loop.pokeAfter(deferredPauseMs)
  }
  // Also while the store is away: names go to the journal, and this host's containers know each other.
  await orEverything(state, describeNews(state))
  if (!fresh) return describeWithoutStore(state)
  if (!state.due.reconcile) return
  const { describeAll } = state.due
  state.due = { reconcile: false, describeAll: false }
  await reconcile(state, describeAll).catch((error: unknown) => {
    state.due = { reconcile: true, describeAll: state.due.describeAll || describeAll }
    throw error
  })
}

async function describeWithoutStore(state: State): Promise<void> {
  if (!state.due.describeAll) return
  state.due = { ...state.due, describeAll: false }
  await orEverything(state, inspectRunning(state))
}

/** Of what fails the news is lost: everything is due. */
async function orEverything(state: State, work: Promise<void>): Promise<void> {
  try {
    await work
  } catch (error) {
    state.due = everythingDue
    throw error
  }
}

/** Names of containers that the engine's events told of since the last run. */
async function describeNews(state: State): Promise<void> {
  const { engine, store, host } = state.options
  const networks = [...state.connected]
  const containers = [...state.inspected.values()]
  state.connected.clear()
  state.inspected.clear()
  for (const id of networks) {
    const network = await networkInDocker(engine, () => store.snapshot(), host, id)
    if (network !== undefined) state.leftOut.onNetwork(network)
    await apply(state, planDescriptions(store.snapshot(), host, describedByNetwork(network)))
  }
  await describeContainers(state, containers)
}

/** Each on its own: a container that is locked (a long `docker cp`) holds up no other one. */
async function inspectRunning(state: State): Promise<void> {
  for (const id of await state.options.engine.running()) state.inspections.inspect(id)
}

async function describeContainers(state: State, containers: readonly EngineContainer[]): Promise<void> {
  const { store, host } = state.options
  for (const container of containers) state.leftOut.inContainer(container)
  await apply(state, planDescriptions(store.snapshot(), host, describedByContainers(containers)))
}

async function reconcile(state: State, describeAll: boolean): Promise<void> {
  const { engine, store, host, blank, inFlight, now, graceMs } = state.options
  const askedAt = performance.now()
  const networks = await networksInDocker(engine, () => store.snapshot(), host)
  for (const network of networks) state.leftOut.onNetwork(network)
  state.leftOut.keep(networks)
  const looked = store.snapshot()
  const view: View = {
    snapshot: looked,
    host,
    vtep: blank().vtep,
    networks,
    now: now().toISOString(),
    calls: inFlight.calls(),
    arriving: new Set(inFlight.arriving()),
    start: { at: state.startedAt, graceMs },
  }
  const steps = planEndpoints(view)
  const absent = endpointsOf(steps, 'remove')
  const gone = state.missing.since(absent, graceMs, askedAt)
  const untaken = state.untaken.since(untakenBy(view).map(nameOf), graceMs, askedAt)
  const waiting = endpointsOf(steps, 'want')
  const unanswered = state.waiting.since(waiting, returnedWithinMs, askedAt)
  const lasting = [...endpointsOf(steps, 'report'), ...endpointsOf(steps, 'adopt'), ...unanswered]
  state.conflicts.keep(new Set(lasting))
  await apply(
    state,
    steps.filter((it) => it.step !== 'release' || untaken.has(recordName(it.change))),
    unanswered,
  )
  if (waiting.length > unanswered.size) state.loop.pokeAfter(returnedWithinMs + 50)
  if (gone.size > 0) await remove(state, gone, looked)
  const hasUntaken = untakenBy({ ...view, snapshot: store.snapshot() }).length > 0
  if (absent.length > gone.size || hasUntaken) state.loop.pokeAfter(graceMs + 50)
  const isNameless = endpointsOnHost(store.snapshot(), host).some(
    ({ value }) => value.joined && !value.container,
  )
  if (isNameless) state.loop.pokeAfter(inspectAgainMs)
  if (!describeAll && !isNameless) return
  await inspectRunning(state)
}

function nameOf({ change }: Leftover): string {
  return recordName(change)
}

function endpointsOf(steps: readonly Step[], kind: 'adopt' | 'remove' | 'want' | 'report'): EndpointId[] {
  return steps.flatMap((it) => (it.step === kind ? [it.endpoint] : []))
}

/** All steps but `remove`. `unanswered`: endpoints that have waited for their address for long enough. */
async function apply(
  state: State,
  steps: readonly Step[],
  unanswered: ReadonlySet<EndpointId> = new Set(),
): Promise<void> {
  const { log, store } = state.options
  await adopt(
    state,
    steps.filter((it) => it.step === 'adopt'),
  )
  for (const step of steps) {
    const isReported = step.step === 'report' || (step.step === 'want' && unanswered.has(step.endpoint))
    if (isReported) state.conflicts.add(step.endpoint, step.message)
    if (step.step === 'describe') describe(store, step.change)
  }
  const wants = steps.flatMap((step) => (step.step === 'want' ? step.changes : []))
  for (const changes of splitIntoCommits(wants)) await commit(state, changes)
  const releases = steps.flatMap((step) => (step.step === 'release' ? [step.change] : []))
  const released = releases.slice(0, releasedAtOnce)
  if (released.length > 0 && (await commit(state, released))) {
    log.warn({ keys: released.map(({ key }) => key) }, 'unused pools are released')
  }
}

/** By the journal, so that this host's names have it at once, and while the store is away. */
function describe({ journal }: JournaledStore, change: Change): void {
  if (change.op !== 'update' || change.table !== 'endpoints') return
  const { container, aliases, hostname, withoutIpv6 } = change.value
  journal.update(change.key, (now) => defined({ ...now, container, aliases, hostname, withoutIpv6 }))
}

/**
 * A batch that meets a conflict, or that the store refuses, is done one by one: one endpoint does not stop
 * the others.
 */
async function adopt(state: State, adoptions: readonly Extract<Step, { step: 'adopt' }>[]): Promise<void> {
  const adopted: EndpointId[] = []
  for (const batch of batched(adoptions)) {
    const together = await commit(state, batch.changes).catch(refusal)
    for (const { endpoint, changes } of batch.adoptions) {
      const isLast = together === true || batch.adoptions.length === 1
      const outcome = isLast ? together : await commit(state, changes).catch(refusal)
      if (outcome === true) adopted.push(endpoint)
      if (outcome instanceof DriverError)
        state.conflicts.add(endpoint, `endpoint ${shortId(endpoint)} has lost its record: ${outcome.line}`)
    }
  }
  if (adopted.length > 0)
    state.options.log.warn({ endpoints: adopted }, 'endpoints had lost their records and have them again')
}

/** `looked`: what the engine was compared with. An endpoint whose record has changed since, as by Join, stays. */
async function remove(state: State, gone: ReadonlySet<EndpointId>, looked: Snapshot): Promise<void> {
  const { store, engine, host, log, now, inFlight } = state.options
  // Docker may have lost its networks while the containers run on.
  const attached = new Set((await engine.attached()).map(({ endpoint }) => endpoint))
  if ([...gone].every((id) => attached.has(id))) return
  const snapshot = await store.read()
  const versionOf = ({ value, index }: Versioned<Endpoint>): string => `${value.id} ${index} ${value.joined}`
  const before = new Set(endpointsOnHost(looked, host).map(versionOf))
  const still = new Set(
    endpointsOnHost(snapshot, host).flatMap((it) =>
      gone.has(it.value.id) && !attached.has(it.value.id) && before.has(versionOf(it)) ? [it.value.id] : [],
    ),
  )
  const callOf = (id: EndpointId) => inFlight.calls().get(id)
  const removed: EndpointId[] = []
  for (const { endpoint, changes } of removalsOf(snapshot, host, still, now().toISOString())) {
    if ([undefined, 'leave'].includes(callOf(endpoint)) && (await commit(state, changes)))
      removed.push(endpoint)
  }
  // Their links may go without another grace period.
  for (const id of removed) if (callOf(id) === undefined) inFlight.lost(id)
  if (removed.length > 0)
    log.warn({ endpoints: removed }, 'the engine does not know these endpoints: removed')
}

/** False when a record has changed meanwhile: the next run plans anew. */
async function commit(state: State, changes: readonly Change[]): Promise<boolean> {
  try {
    await state.options.store.commit(changes)
    return true
  } catch (error) {
    if (!isCode(error, 'conflict')) throw error
    return false
  }
}

/** Why the store takes none of it. Throws `unavailable`. */
function refusal(error: unknown): DriverError {
  if (isCode(error, 'unavailable')) throw error
  return asDriverError(error)
}
