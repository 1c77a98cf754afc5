/**
 * Makes the store's endpoints of this host those that the engine has, and gives them what only the engine knows:
 * the container, its name and aliases.
 *
 * An endpoint is removed when the engine, asked twice with some seconds between, has answered and does not know it.
 * A failed question removes nothing. The name of a container that is being started is learnt from its network, which answers
 * meanwhile; its aliases when it runs. One that is in a container and has lost its record (a key that was deleted by
 * hand) gets it back at once, before the datapath takes its links down. Things that Docker told us to remove while the store was away come first.
 */

import { adoptions } from '../../core/endpoints/adoption.ts'
import { displaced } from '../../core/endpoints/conflicts.ts'
import type { DockerNetwork } from '../../core/endpoints/docker-state.ts'
import { isCode } from '../../core/errors.ts'
import type { Change, Endpoint, EndpointId, HostName, HostRecord, Snapshot } from '../../core/records.ts'
import { endpointsOnHost, keyIn } from '../../core/snapshot.ts'
import type { Engine, EngineContainer } from '../../engine/engine.ts'
import type { Log } from '../../log.ts'
import type { Store } from '../../store/store.ts'
import { lasting } from '../kit/grace-period.ts'
import { networkInDocker, networksInDocker } from '../kit/local-networks.ts'
import { type LoopRun, startLoop } from '../kit/loop.ts'
import { troubles } from '../kit/retry-backoff.ts'
import type { LaneStatus } from '../kit/work-queue.ts'
import { containerLooks } from './inspections.ts'
import { hasUntaken, removalsOf, strangers, unused } from './leftovers.ts'

export interface EndpointsOptions {
  store: Store
  engine: Pick<Engine, 'networks' | 'network' | 'containers' | 'container'>
  host: HostName
  /** Endpoints that Docker is making at this moment. */
  making(): Iterable<EndpointId>
  /** Endpoints that Docker has just taken out of their containers: it may still show them. */
  leaving(): Iterable<EndpointId>
  /** This host's record while the store has none. */
  blank(): HostRecord
  /** The verbs' notes. */
  settleOwed(): Promise<void>
  log: Log
  now?(): Date
  everyMs?: number
  /** How long the engine must not know an endpoint. */
  graceMs?: number
  onRun?(run: LoopRun): void
}

export interface EndpointsLoop {
  /** Looks at everything. */
  poke(): void
  /** Looks at one container, as an event tells. */
  look(container: string): void
  /** A container was put on the network with this id of Docker's, and may not run yet. */
  connected(localNetwork: string): void
  status(): LaneStatus & { problems: string[] }
  close(): Promise<void>
}

const everythingDue = { reconcile: true, describeAll: true }

export function startEndpoints(options: EndpointsOptions): EndpointsLoop {
  const {
    store,
    engine,
    host,
    blank,
    log,
    now = () => new Date(),
    everyMs = 5000,
    graceMs = 3000,
    onRun,
  } = options
  const missing = lasting(() => now().getTime())
  const cut = troubles({ onNew: (endpoint, message) => log.warn({ endpoint }, message) })
  const seen = new Map<string, EngineContainer>()
  const networksToAsk = new Set<string>()
  const since = now()
  let again: NodeJS.Timeout | undefined
  /** What is due with the next run. */
  let due = everythingDue

  const describe = async (told: ReadonlyMap<EndpointId, Described>): Promise<void> => {
    for (const change of descriptions(store.snapshot(), host, told)) {
      if (!(await commit([change]))) due = everythingDue
    }
  }
  /** What changed meanwhile is looked at again with the next run. */
  const commit = async (changes: Change[]): Promise<boolean> => {
    try {
      await store.commit(changes)
      return true
    } catch (error) {
      if (!isCode(error, 'conflict')) throw error
      return false
    }
  }
  const adopt = async (networks: readonly DockerNetwork[]): Promise<void> => {
    const state = { snapshot: store.snapshot(), host, vtep: blank().vtep, networks, now: now().toISOString() }
    const moving = new Set([...options.leaving(), ...options.making()])
    for (const changes of adoptions(state, moving)) {
      if (!(await commit(changes))) continue
      log.warn({ keys: changes.map(({ key }) => key) }, 'an endpoint had lost its record and has it again')
    }
    const cutOff = displaced(state, moving)
    cut.keep(new Set(cutOff.keys()))
    for (const [endpoint, sentence] of cutOff) cut.failed(endpoint, sentence)
  }
  /** When what is doubtful now has been so for long enough. */
  const lookAgain = (): void => {
    again ??= setTimeout(() => {
      again = undefined
      due = { ...due, reconcile: true }
      loop.poke()
    }, graceMs + 50)
  }
  const reconcile = async (describeAll: boolean): Promise<void> => {
    const networks = await networksInDocker(engine, () => store.snapshot(), host)
    await adopt(networks)
    for (const network of networks) await describe(toldByNetwork(network))
    const known = new Set([
      ...options.making(),
      ...networks.flatMap((it) => it.endpoints.map(({ id }) => id)),
    ])
    const unknown = strangers(store.snapshot(), host, known)
    const gone = missing.since(unknown, graceMs)
    if (unknown.length > gone.size || hasUntaken(store.snapshot(), host)) lookAgain()
    if (gone.size > 0) {
      for (const changes of removalsOf(await store.read(), host, gone)) await commit(changes)
      log.warn({ endpoints: [...gone] }, 'endpoints that the engine does not know, removed')
    }
    const nameless = endpointsOnHost(store.snapshot(), host).some(
      ({ value }) => value.joined && !value.container,
    )
    if (describeAll || nameless) await describe(toldByContainers(await engine.containers()))
    const changes = unused(store.snapshot(), host, now(), { since, graceMs })
    if (changes.length > 0 && (await commit(changes.slice(0, 50)))) {
      log.warn({ keys: changes.map(({ key }) => key) }, 'addresses and pools that nobody came for, released')
    }
  }
  const work = async (): Promise<void> => {
    if (!store.status().fresh) return
    await options.settleOwed()
    await describeNews().catch((error: unknown) => {
      due = everythingDue // what was told is not known any more
      throw error
    })
    if (!due.reconcile) return
    const { describeAll } = due
    due = { reconcile: false, describeAll: false }
    await reconcile(describeAll).catch((error: unknown) => {
      due = { reconcile: true, describeAll: due.describeAll || describeAll }
      throw error
    })
  }

  const describeNews = async (): Promise<void> => {
    const [networks, containers] = [[...networksToAsk], [...seen.values()]]
    networksToAsk.clear()
    seen.clear()
    for (const id of networks)
      await describe(toldByNetwork(await networkInDocker(engine, () => store.snapshot(), host, id)))
    await describe(toldByContainers(containers))
  }
  const looks = containerLooks({
    engine,
    seen(id, container) {
      if (container === undefined) return
      seen.set(id, container)
      loop.poke()
    },
    failed(container, err) {
      log.debug({ container, err }, 'a container could not be looked at')
      due = everythingDue
    },
  })
  const loop = startLoop({ name: 'endpoints', everyMs, log, work, onRun })
  let last = store.snapshot()
  /** An endpoint of ours is gone, and nobody here took it away. */
  const stop = store.onChange((snapshot, changed) => {
    const before = last
    last = snapshot
    const lost = changed.some(({ table, key }) => {
      const was = table === 'endpoints' ? before.endpoints.get(key)?.value : undefined
      return was?.host === host && !snapshot.endpoints.has(key) && ![...options.leaving()].includes(was.id)
    })
    if (!lost) return
    due = { ...due, reconcile: true }
    loop.poke()
  })
  const everything = setInterval(() => {
    due = { ...due, reconcile: true }
  }, everyMs)
  return {
    poke() {
      due = everythingDue
      loop.poke()
    },
    look: looks.look,
    connected(localNetwork) {
      networksToAsk.add(localNetwork)
      loop.poke()
    },
    status: () => ({ ...loop.status(), problems: cut.messages() }),
    async close() {
      stop()
      clearTimeout(again)
      clearInterval(everything)
      await loop.close()
    },
  }
}

/** What the engine knows of an endpoint; of its aliases, when it was asked about the container. */
type Described = Pick<Endpoint, 'container'> & Partial<Pick<Endpoint, 'aliases'>>

function toldByContainers(containers: readonly EngineContainer[]): Map<EndpointId, Described> {
  return new Map(
    containers.flatMap(({ id, name, attachments }) =>
      attachments.map(({ endpoint, aliases }) => [endpoint, { container: { id, name }, aliases }] as const),
    ),
  )
}

function toldByNetwork(network: DockerNetwork | undefined): Map<EndpointId, Described> {
  const described = network?.endpoints.flatMap(({ id, container }) =>
    container === undefined ? [] : [[id, { container }] as const],
  )
  return new Map(described)
}

/** Endpoints of this host whose container is not, or no longer, described as the engine has it. */
function descriptions(
  snapshot: Snapshot,
  host: HostName,
  told: ReadonlyMap<EndpointId, Described>,
): Change[] {
  return endpointsOnHost(snapshot, host).flatMap(({ value, index }): Change[] => {
    const described = { ...value, ...told.get(value.id) }
    if (isDescribedBy(value, described)) return []
    return [
      { op: 'update', table: 'endpoints', key: keyIn(value.network, value.id), value: described, index },
    ]
  })
}

function isDescribedBy({ container, aliases }: Endpoint, told: Endpoint): boolean {
  return (
    container?.id === told.container?.id &&
    container?.name === told.container?.name &&
    aliases.join('\n') === told.aliases.join('\n')
  )
}
