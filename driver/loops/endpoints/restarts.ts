/**
 * Starts the containers that Docker gave up because this driver was not there, refused or did not answer.
 *
 * At boot Docker starts a container with a restart policy once. When that fails, the container stays down.
 * Such a container has a restart policy, has run before, and has an error of this driver's as its last error;
 * a container that a person stopped has none. Each one is tried again with pauses that double.
 *
 * The engine gives up a start whose client goes away. So the driver waits for a slow start, and the journal
 * keeps what was begun: a start that ended with a driver is begun again by the next one.
 *
 * Before that, containers whose network has another id in Docker now are connected to it again, with and
 * without a policy. After it, their followers are started (followers.ts).
 */
import { asDriverError, DriverError, isCode } from '../../core/errors.ts'
import type { HostName } from '../../core/records.ts'
import type { Engine, EngineNetwork, StoppedContainer } from '../../engine/engine.ts'
import type { Log } from '../../log.ts'
import type { Journal } from '../../store/journal.ts'
import type { Store } from '../../store/store.ts'
import { within } from '../../within.ts'
import { type Loop, startLoop } from '../kit/loop.ts'
import { createRetryBackoff, type RetryBackoff } from '../kit/retry-backoff.ts'
import { limitOf } from '../kit/work-queue.ts'
import { isCutOff, isOfDriver, lostNetworkIn } from './docker-errors.ts'
import { createFollowers } from './followers.ts'
import { planReconnects, type Reconnect } from './reconnects.ts'
import { createTakenNetworks } from './taken-networks.ts'

export interface RestartsOptions {
  store: Pick<Store, 'status' | 'snapshot' | 'lookup' | 'onFresh'> & { journal: Pick<Journal, 'begunStarts'> }
  engine: Pick<
    Engine,
    'stoppedContainers' | 'stoppedContainer' | 'startContainer' | 'networks' | 'network' | 'connect'
  >
  host: HostName
  log: Log
  /** How often the engine is asked by itself. */
  everyMs: number
  /** Docker has given up a container this long after a call for it was refused. */
  refusedAfterMs: number
  /** A start that takes longer holds up no other container. */
  slowMs?: number
}

const startedAtOnce = 4
const nextFollowersMs = 1000
const usualSlowMs = 30_000

export interface RestartsLoop extends Loop {
  /** A call of Docker's was refused that starts a container. The engine has no event for a start that fails. */
  refused(): void
  problems(): string[]
}

/** A loop of its own: a start takes seconds, and nothing else waits for it. */
export function startRestarts(options: RestartsOptions): RestartsLoop {
  const { store, engine, log, everyMs } = options
  const begun = store.journal.begunStarts
  const followers = createFollowers()
  const taken = createTakenNetworks()
  let isClosed = false
  const failures = createRetryBackoff({ onNew: (container, message) => log.warn({ container }, message) })
  const starts = createStarts(options, failures, () => loop.poke())
  const work = async ({ pokeAfter }: Loop): Promise<void> => {
    const found = await engine.stoppedContainers()
    const here = await engine.networks()
    taken.look(found, new Set([...starts.underWay(), ...begun.all()]))
    const lacked = found.flatMap((it) => taken.from(it, here))
    const reconnects = [...plannedReconnects(options, found, here), ...lacked]
    const tried = await reconnect(options, reconnects, failures)
    const isWhole = (it: StoppedContainer) => taken.from(it, here).length === 0
    const waiting = givenUp(tried ? await engine.stoppedContainers() : found, here).filter(isWhole)
    followers.leads(waiting)
    await starts.all(waiting, (it) => {
      const isDue = isWhole(it) && givenUp([it], here).length > 0
      if (isDue) taken.begins(it)
      return isDue
    })
    await forgetEnded(options, starts.underWay())
    const isAsked = followers.mayBeAny() || begun.all().length > 0
    const all = isAsked ? await engine.stoppedContainers({ onAnyNetwork: true }) : []
    const cutOff = all.filter((it) => it.hasPolicy && isCutOff(it.error) && begun.all().includes(it.id))
    const following = [...followers.among(all), ...cutOff]
    failures.keep(new Set([...[...waiting, ...following].map(({ id }) => id), ...reconnects.map(keyOf)]))
    // A follower may have followers.
    followers.leads(following)
    const isStill = (now: StoppedContainer) =>
      following.some(({ id, error }) => id === now.id && error === now.error)
    if ((await starts.all(following, isStill)) > 0) pokeAfter(nextFollowersMs)
    const nextInMs = failures.nextInMs()
    if (nextInMs !== undefined) pokeAfter(nextInMs)
  }
  const loop = startLoop({ name: 'restarts', everyMs, log, work })
  // What failed for want of the store has waited long enough. `startLoops` pokes the loop.
  const stop = store.onFresh(() => failures.keep(new Set()))
  return {
    ...loop,
    refused() {
      if (!isClosed) loop.pokeAfter(options.refusedAfterMs)
    },
    problems: failures.messages,
    /** The containers of the run that were not begun are left to the next driver. */
    async close() {
      isClosed = true
      stop()
      const ended = starts.close()
      await loop.close()
      await ended
    },
  }
}

interface Starts {
  /** Starts each one that may be tried now. How many were tried. */
  all(containers: readonly StoppedContainer[], isDue: IsDue): Promise<number>
  /** Ids of containers. */
  underWay(): ReadonlySet<string>
  /** Begins no other one. Resolves when all have ended. */
  close(): Promise<void>
}

/** A start that takes longer than `slowMs` goes on, and pokes when it has ended. */
function createStarts(options: RestartsOptions, failures: RetryBackoff, poke: () => void): Starts {
  const { slowMs = usualSlowMs } = options
  const limit = limitOf(startedAtOnce)
  const underWay = new Map<string, Promise<void>>()
  let isClosed = false
  const begin = async (it: StoppedContainer, isDue: IsDue): Promise<void> => {
    if (isClosed) return
    const ended = start(options, it, isDue, failures).finally(() => underWay.delete(it.id))
    underWay.set(it.id, ended)
    const isOver = await within(
      ended.then(() => true),
      slowMs,
    )
    if (!isOver) void ended.then(poke)
  }
  return {
    async all(containers, isDue) {
      const due = containers.filter(({ id }) => failures.mayTry(id) && !underWay.has(id))
      await Promise.all(due.map((it) => limit(() => begin(it, isDue))))
      return due.length
    },
    underWay: () => new Set(underWay.keys()),
    async close() {
      isClosed = true
      await Promise.all(underWay.values())
    },
  }
}

/** Whether a container that does not run, as the engine tells now, is to be started. */
type IsDue = (now: StoppedContainer) => boolean

/** Never rejects. */
async function start(
  { store, engine, log }: RestartsOptions,
  { id, name }: StoppedContainer,
  isDue: IsDue,
  failures: RetryBackoff,
): Promise<void> {
  const begun = store.journal.begunStarts
  try {
    // A person may have started and stopped it meanwhile.
    const now = await engine.stoppedContainer(id)
    if (now === undefined || !isDue(now)) return
    await begun.add(id).catch(() => 'the journal names its file in the status')
    await engine.startContainer(id)
    begun.done(id)
    log.info({ container: name }, 'started: Docker had given it up because of this driver')
  } catch (error) {
    // Without an answer the engine goes on with it, or has given it up.
    if (!isCode(error, 'unavailable')) begun.done(id)
    const hint = `tried again by itself; docker start ${name}`
    failures.failed(id, `container ${name} does not start: ${asDriverError(error).message}; ${hint}`)
  }
}

/** The container runs, is gone, or did not start for another reason. One that the engine does not describe waits. */
async function forgetEnded({ store, engine }: RestartsOptions, underWay: ReadonlySet<string>): Promise<void> {
  const begun = store.journal.begunStarts
  const silent = begun.all().filter((id) => !underWay.has(id))
  const look = async (id: string): Promise<void> => {
    const stopped = await engine.stoppedContainer(id)
    if (stopped === undefined || !isCutOff(stopped.error)) begun.done(id)
  }
  await Promise.allSettled(silent.map(look))
}

/** None while the store does not answer, or proves nothing. */
function plannedReconnects(
  { store, host }: RestartsOptions,
  stopped: readonly StoppedContainer[],
  here: readonly EngineNetwork[],
): Reconnect[] {
  const { fresh, doubt } = store.status()
  if (!fresh || doubt !== undefined) return []
  const lookup = (network: string) => store.lookup('networks', network)
  return planReconnects({ snapshot: store.snapshot(), host, stopped, here, lookup })
}

/** True when it was tried. One call of the engine each: a driver that ends in between leaves nothing half done. */
async function reconnect(
  { engine, log }: RestartsOptions,
  reconnects: readonly Reconnect[],
  failures: RetryBackoff,
): Promise<boolean> {
  const due = reconnects.filter((it) => failures.mayTry(keyOf(it)))
  for (const it of due) {
    const { container, network, lost, connection, isProven } = it
    try {
      // Of another driver: the list has only this driver's networks.
      if (lost !== undefined && (await engine.network(lost)) !== undefined) continue
      if (!isProven) throw new DriverError('in-use', unproven(lost))
      await engine.connect(network, container.id, connection)
      const why = lost === undefined ? 'Docker had taken it off the network' : 'the network has a new id'
      log.info({ container: container.name, network, lost }, `connected again: ${why}`)
    } catch (error) {
      const connect = `docker network connect ${network} ${container.name}, with its --alias and --ip`
      const disconnect = `docker network disconnect -f ${network} ${container.name}, then connect`
      const hint = lost === undefined ? connect : disconnect
      const why = asDriverError(error).message
      failures.failed(keyOf(it), `container ${container.name} is not on network ${network}: ${why}; ${hint}`)
    }
  }
  return due.length > 0
}

function unproven(lost: string | undefined): string {
  return lost === undefined
    ? 'Docker has taken it off the network when its start failed'
    : 'Docker has removed the network that it was on'
}

function keyOf({ container, network, lost }: Reconnect): string {
  return `${container.id} ${lost ?? network}`
}

/** The containers of the list that Docker gave up because of this driver. `here`: this driver's networks. */
export function givenUp(
  containers: readonly StoppedContainer[],
  here: readonly EngineNetwork[],
): StoppedContainer[] {
  const names = new Set(here.map(({ name }) => name))
  return containers.filter(
    (it) => it.hasPolicy && it.hasRun && (isOfDriver(it.error, names) || hasNetworkAgain(it, names)),
  )
}

/**
 * The engine did not find a network of the container. The network is back under its name, or the container is
 * connected to a network of another id since.
 */
function hasNetworkAgain({ error, networks }: StoppedContainer, names: ReadonlySet<string>): boolean {
  const lost = lostNetworkIn(error)
  if (lost === undefined || networks.some(({ id }) => id === lost)) return false
  const byName = networks.find(({ name }) => name === lost)
  return byName === undefined || names.has(lost)
}
