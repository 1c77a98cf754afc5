/**
 * Makes this host's engine have the cluster's networks, and records what only the engine knows: names and
 * labels.
 *
 * An old snapshot removes nothing: before a removal the store is read consistently and the plan is made anew.
 * A network that cannot be made or removed is reported and tried again later; the other networks go on.
 */

import { asDriverError, DriverError, isCode } from '../../core/errors.ts'
import { addReplica, markRemoved, removeReplica } from '../../core/record-changes.ts'
import type { Change, HostName, Network, Snapshot } from '../../core/records.ts'
import { isNetworkRecord } from '../../core/snapshot.ts'
import type { Engine, EngineNetwork } from '../../engine/engine.ts'
import type { Log } from '../../log.ts'
import type { Store } from '../../store/store.ts'
import { createGracePeriod } from '../kit/grace-period.ts'
import { type Loop, type LoopRun, startLoop } from '../kit/loop.ts'
import { createRetryBackoff, type RetryBackoff } from '../kit/retry-backoff.ts'
import type { WorkQueueStatus } from '../kit/work-queue.ts'
import { planNetworks, replicaOf, type Step, type View } from './plan.ts'
import { startUses } from './uses.ts'

export interface NetworksOptions {
  store: Store
  engine: Engine
  host: HostName
  /** Networks that Docker is making, has just made, or has removed while the store was away. */
  changing(): readonly string[]
  /** The engine shows such a network now. If the engine lacks it later, the engine has lost it. */
  shown(local: string): void
  /** Called before the engine removes a network. */
  removing(): Promise<void>
  /** The verb DeleteNetwork: removes a network from this host, and from all hosts when no host uses it. */
  discard(local: string): Promise<void>
  /** Finishes a removal that was begun (`finishRemoval` of the verbs). */
  finish(network: string): Promise<void>
  log: Log
  everyMs: number
  /** Steps that another call may be about to make superfluous wait for so long. */
  graceMs: number
  onRun?(run: LoopRun): void
}

export interface NetworksLoop {
  poke(): void
  /** A container was made or removed, or connected to a network. */
  pokeUses(): void
  status(): WorkQueueStatus & { problems: string[] }
  close(): Promise<void>
}

export function startNetworks(options: NetworksOptions): NetworksLoop {
  const { store, engine, host, log, everyMs, graceMs, onRun } = options
  const known = createRetryBackoff({ onNew: (key, message) => log.warn({ network: key }, message) })
  const waiting = createGracePeriod()

  const plan = async (): Promise<Step[]> => {
    const here = await engine.networks()
    for (const { id } of here) options.shown(id)
    const steps = planNetworks(viewOf(options, here))
    if (!steps.some(({ step }) => step === 'remove' || step === 'yield')) return steps
    await store.read()
    return planNetworks(viewOf(options, here))
  }
  const work = async ({ pokeAfter }: Loop): Promise<void> => {
    // The disk copy may be old. `onFresh` pokes the loop.
    if (!store.status().fresh) return
    const askedAt = performance.now()
    const steps = await plan()
    const unsure = steps.filter(needsGrace).map(keyOf)
    const sure = waiting.since(unsure, graceMs, askedAt)
    known.keep(new Set(steps.map(keyOf)))
    for (const step of steps) {
      if (needsGrace(step) && !sure.has(keyOf(step))) continue
      if (known.mayTry(keyOf(step)) && !(await attempt(step, known, options))) pokeAfter(0)
    }
    if (unsure.length > 0) pokeAfter(graceMs)
    if (known.messages().length > 0) pokeAfter(1000)
  }
  const loop = startLoop({ name: 'networks', everyMs, log, work, onRun })
  const uses = startUses({ store, engine, host, log, everyMs, graceMs, onRun })
  const poke = (): void => {
    loop.poke()
    uses.poke()
  }
  const stops = [
    store.onChange((_, changed) => {
      if (changed.some((key) => isNetworkRecord(key, host))) poke()
    }),
    // What failed for want of the store has waited long enough. `startLoops` pokes the loop.
    store.onFresh(() => known.keep(new Set())),
  ]
  return {
    poke,
    pokeUses: uses.poke,
    status: () => ({ ...loop.status(), problems: known.messages() }),
    async close() {
      for (const stop of stops) stop()
      await Promise.all([loop.close(), uses.close()])
    },
  }
}

function viewOf({ store, host, changing }: NetworksOptions, here: readonly EngineNetwork[]): View {
  return {
    snapshot: store.snapshot(),
    host,
    here,
    changing: changing(),
    lookup: (network) => store.lookup('networks', network),
    corrupt: store.status().corrupt,
    doubt: store.status().doubt?.why,
  }
}

function needsGrace({ step }: Step): boolean {
  return ['map', 'forget', 'discard', 'yield', 'finish'].includes(step)
}

function keyOf(step: Step): string {
  if (step.step === 'report') return `report ${step.key}`
  return `${step.step} ${'local' in step ? step.local : step.network}`
}

/** False when the store has changed meanwhile and the plan must be made anew. */
async function attempt(step: Step, known: RetryBackoff, options: NetworksOptions): Promise<boolean> {
  try {
    if (step.step === 'report') known.failed(keyOf(step), step.message)
    else {
      await apply(step, options)
      known.clear(keyOf(step))
      if (step.step === 'remove') retryCreate(step.name, known, options)
    }
    return true
  } catch (error) {
    // A hint says that trying again cannot help: the value of the key cannot be read.
    if (isCode(error, 'conflict') && error.hint === undefined) return false
    known.failed(keyOf(step), `${describe(step)}: ${asDriverError(error).line}`)
    return true
  }
}

/** The cluster's network of that name could not be made here while the engine had another one. */
function retryCreate(name: string, known: RetryBackoff, { store }: NetworksOptions): void {
  const network = store.snapshot()['network-names'].get(name)?.value
  if (network !== undefined) known.clear(keyOf({ step: 'create', network, name }))
}

async function apply(step: Exclude<Step, { step: 'report' }>, options: NetworksOptions): Promise<void> {
  const { store, engine, host, log } = options
  switch (step.step) {
    case 'learn':
      await store.commit(learn(store.snapshot(), step))
      return log.info({ network: step.network, name: step.name }, 'network has got its name')
    case 'map':
      return store.commit([addReplica(store.snapshot(), host, step.local, step.network)])
    case 'forget':
      if (await isInEngine(engine, step.local)) return
      log.warn({ local: step.local }, 'the engine does not have this network any more')
      return store.commit(removeReplica(store.snapshot(), host, step.local))
    case 'discard':
      if (await isInEngine(engine, step.local)) return
      log.warn({ local: step.local }, 'a network that the engine never got is removed')
      return options.discard(step.local)
    case 'yield':
      await store.commit(markForRival(store.snapshot(), step))
      log.warn({ network: step.network, to: step.to }, 'a network whose place another one has is removed')
      return options.finish(step.network)
    case 'finish':
      return options.finish(step.network)
    case 'remove':
      await options.removing()
      await engine.removeNetwork(step.local, step.proof)
      return log.info(
        { local: step.local, name: step.name, why: step.proof.says },
        'network removed from the engine',
      )
    case 'create': {
      const network = store.snapshot().networks.get(step.network)?.value
      if (network === undefined || network.removing) return
      const local = await engine.createNetwork(replicaOf(network))
      options.shown(local)
      return log.info({ network: step.network, name: step.name, local }, 'network made in the engine')
    }
  }
}

/** Asked again before a removal: the list that the plan was made from may be seconds old. */
async function isInEngine(engine: Engine, local: string): Promise<boolean> {
  return (await engine.network(local)) !== undefined
}

function learn(
  snapshot: Snapshot,
  { network: id, name, labels, attachable }: Extract<Step, { step: 'learn' }>,
): Change[] {
  const network = snapshot.networks.get(id)
  if (network === undefined) return []
  const claim = snapshot['network-names'].get(name)
  // Another host claimed the name after the plan was made.
  if (claim !== undefined && claim.value !== id && snapshot.networks.has(claim.value)) {
    throw new DriverError('conflict', `network ${claim.value.slice(0, 12)} has the name ${name}`)
  }
  const held: Change =
    claim === undefined
      ? { op: 'create', table: 'network-names', key: name, value: id }
      : { op: 'update', table: 'network-names', key: name, value: id, index: claim.index }
  const value: Network = { ...network.value, name, labels, ...(attachable && { attachable }) }
  return [held, { op: 'update', table: 'networks', key: id, value, index: network.index }]
}

/** Throws `conflict` where either of the two has changed: of two that exclude each other one stays. */
function markForRival(
  { networks }: Snapshot,
  { network: id, to }: Extract<Step, { step: 'yield' }>,
): Change[] {
  const [network, rival] = [networks.get(id), networks.get(to)]
  if (network === undefined || network.value.removing || rival === undefined || rival.value.removing)
    throw new DriverError('conflict', 'one of the two networks is being removed')
  return [{ op: 'expect', table: 'networks', key: to, index: rival.index }, markRemoved(network)]
}

function describe(step: Step): string {
  switch (step.step) {
    case 'report':
      return step.message
    case 'create':
      return `network ${step.name} cannot be made on this host`
    case 'remove':
      return `network ${step.name} cannot be removed from this host (${step.proof.says})`
    default:
      return `network ${('local' in step ? step.local : step.network).slice(0, 12)}: ${step.step}`
  }
}
