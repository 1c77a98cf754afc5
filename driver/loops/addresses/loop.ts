/**
 * Keeps this host's reserves of addresses: fills them, returns what is too much and what another host wants.
 * plan.ts decides; this file asks the engine and commits.
 *
 * An address that goes back is given to no container from before the commit until its outcome is known: a
 * commit that was not answered may have happened, and then another host may have the address.
 */
import { asDriverError, isCode } from '../../core/errors.ts'
import type { Change, HostName, Lease, Snapshot } from '../../core/records.ts'
import { isIdle } from '../../core/reserve.ts'
import { keyIn } from '../../core/snapshot.ts'
import type { Engine } from '../../engine/engine.ts'
import type { Log } from '../../log.ts'
import type { JournaledStore } from '../../store/journal.ts'
import { unreadableKeys } from '../../store/lookup.ts'
import type { ChangedKey } from '../../store/store.ts'
import { mayHideNetworks, networkOf, otherNetworks } from '../kit/configured-network.ts'
import { type Loop, type LoopRun, startLoop } from '../kit/loop.ts'
import { hasAsked, planReserves, type Step, wantedForMs } from './plan.ts'

export interface AddressesOptions {
  store: JournaledStore
  engine: Pick<Engine, 'configuredContainers' | 'network'>
  host: HostName
  /** The verbs' `InFlight.addresses`. */
  addresses: Held
  log: Log
  now?(): Date
  everyMs: number
  onRun?(run: LoopRun): void
}

interface Held {
  isHeld(key: string, lease: Lease): boolean
  name(keys: ReadonlySet<string>): void
  retire(keys: readonly string[]): void
  retired(keys: readonly string[]): void
}

/** Requests for addresses end by themselves, and a reserve is filled when they have. */
const wantedPauseMs = 5000
/** After a conflict: another host has changed one of the records. */
const conflictPauseMs = 200
/** Each pause brings what other hosts have committed. What a person has written comes by a read alone. */
const conflictsBeforeRead = 3

interface State {
  options: AddressesOptions & { now(): Date }
  /** Keys whose return was not answered. */
  uncertain: Set<string>
  /**
   * Records of `wanted` with their index, and when this host saw them first (ms). No clock of another host
   * counts.
   */
  seen: Map<string, number>
  /** The containers of this host may have changed since the last look at them. */
  isStale: boolean
  /**
   * By performance.now(). The engine tells nothing when a stopped container is connected to a network or
   * disconnected.
   */
  lookedAt: number
  readonly lookEveryMs: number
  /** Keys of the addresses that they named at that look. */
  named: ReadonlySet<string>
  /** Commits in a row that a conflict has ended. */
  conflicts: number
  readonly loop: Loop
}

export interface AddressesLoop extends Loop {
  /** A container was made or removed, or connected to a network or disconnected. */
  containersChanged(): void
}

export function startAddresses(options: AddressesOptions): AddressesLoop {
  const { store, host, log, everyMs, onRun } = options
  const state: State = {
    options: { ...options, now: options.now ?? (() => new Date()) },
    uncertain: new Set(store.journal.returnedLeases.earlier),
    seen: new Map(),
    isStale: true,
    lookedAt: Number.NEGATIVE_INFINITY,
    lookEveryMs: 3 * everyMs,
    named: new Set(),
    conflicts: 0,
    loop: startLoop({ name: 'addresses', everyMs, log, work: () => run(state), onRun }),
  }
  options.addresses.retire([...state.uncertain])
  const { loop } = state
  const stop = store.onChange((snapshot, changed) => {
    // A container may name its network before this host knows that.
    if (changed.some((it) => isOfNames(host, it))) state.isStale = true
    if (state.isStale || changed.some((key) => concerns(snapshot, host, key))) loop.poke()
  })
  return {
    ...loop,
    containersChanged() {
      state.isStale = true
      loop.poke()
    },
    async close() {
      stop()
      await loop.close()
    },
  }
}

function isOfNames(host: HostName, { table, key }: ChangedKey): boolean {
  return table === 'network-names' || (table === 'replicas' && key.startsWith(`${host}/`))
}

function concerns(snapshot: Snapshot, host: HostName, { table, key }: ChangedKey): boolean {
  if (table === 'wanted') return snapshot.wanted.has(key)
  if (table === 'addresses') return snapshot.addresses.get(key)?.value.host === host
  return table === 'uses' && key.startsWith(`${host}/`)
}

async function run(state: State): Promise<void> {
  const { store, host, now, addresses } = state.options
  const { fresh, doubt } = store.status()
  if (!fresh || doubt !== undefined) return
  await learnOutcomes(state)
  const unreadable = unreadableKeys(store.status(), 'addresses')
  const isHeld: Held['isHeld'] = (key, lease) => unreadable.has(key) || addresses.isHeld(key, lease)
  const before = { snapshot: store.snapshot(), host, isHeld }
  const isDue = state.isStale || performance.now() - state.lookedAt >= state.lookEveryMs
  const named = isDue || hasAsked(before) ? await namedAddresses(state) : state.named
  const snapshot = store.snapshot()
  const isCurrent = currentWants(state, snapshot)
  const steps = planReserves({ ...before, snapshot, now: now(), named, unreadable, isCurrent })
  const urgent = steps.filter((it) => it.step === 'return' && it.wanted)
  const others = steps.filter((it) => !urgent.includes(it))
  for (const step of [...urgent, ...others]) await apply(state, step)
  if (store.snapshot().wanted.size > 0) state.loop.pokeAfter(wantedPauseMs)
}

function currentWants({ seen }: State, { wanted }: Snapshot): (key: string) => boolean {
  const nameOf = (key: string): string => `${key} ${wanted.get(key)?.index}`
  const names = new Set([...wanted.keys()].map(nameOf))
  for (const name of seen.keys()) if (!names.has(name)) seen.delete(name)
  for (const name of names) if (!seen.has(name)) seen.set(name, performance.now())
  return (key) => performance.now() - (seen.get(nameOf(key)) ?? 0) < wantedForMs
}

/** A read of everything tells whether a commit happened that was not answered. */
async function learnOutcomes({ options: { store, addresses }, uncertain }: State): Promise<void> {
  if (uncertain.size === 0) return
  await store.read()
  addresses.retired([...uncertain])
  uncertain.clear()
}

async function apply(state: State, step: Step): Promise<void> {
  const { addresses, log, store } = state.options
  if (step.step !== 'return') {
    await commit(state, step.changes)
    return
  }
  // Docker may have been given one of them since the plan was made.
  const changes = step.changes.filter(({ key }) => isFree(state, key))
  const keys = changes.map(({ key }) => key)
  if (keys.length === 0) return
  addresses.retire(keys)
  try {
    await store.journal.returnedLeases.add(keys)
    const isReturned = await commit(state, changes)
    addresses.retired(keys)
    if (isReturned)
      log.debug({ addresses: keys, wanted: step.wanted }, 'addresses of the reserve are returned')
  } catch (error) {
    for (const key of keys) state.uncertain.add(key)
    throw error
  }
}

function isFree({ options: { store, addresses } }: State, key: string): boolean {
  const lease = store.snapshot().addresses.get(key)?.value
  return lease !== undefined && isIdle(lease) && !addresses.isHeld(key, lease)
}

/** False: a record is not as this host knows it, and the next run makes another plan. */
async function commit(state: State, changes: readonly Change[]): Promise<boolean> {
  const { store } = state.options
  try {
    await store.commit(changes)
    state.conflicts = 0
    return true
  } catch (error) {
    if (!isCode(error, 'conflict')) throw error
    state.conflicts += 1
    if (state.conflicts % conflictsBeforeRead === 0) await store.read()
    state.loop.pokeAfter(conflictPauseMs * (1 + Math.random()))
    return false
  }
}

/** Keys of the leases that a container's configuration names. Undefined when that is not known of all. */
async function namedAddresses(state: State): Promise<ReadonlySet<string> | undefined> {
  const { engine, store, host, addresses, log } = state.options
  try {
    state.isStale = false
    state.lookedAt = performance.now()
    const containers = await engine.configuredContainers()
    const snapshot = store.snapshot()
    const others = await otherNetworks(snapshot, host, containers, engine)
    const found = new Set(
      containers.flatMap(({ networks }) =>
        networks.flatMap((at) => {
          const network = networkOf(snapshot, host, at, others)
          return network === undefined ? [] : at.addresses.map((ip) => keyIn(network, ip))
        }),
      ),
    )
    const isPart = mayHideNetworks(store.status().corrupt, host)
    state.named = isPart ? new Set([...state.named, ...found]) : found
    addresses.name(state.named)
    // All are looked for again in the next run.
    if (isPart) state.isStale = true
    return isPart ? undefined : state.named
  } catch (error) {
    state.isStale = true
    log.debug(
      { err: asDriverError(error) },
      'the engine does not list its containers: addresses of --ip stay',
    )
    return undefined
  }
}
