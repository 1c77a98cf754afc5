/**
 * Namespaces of an earlier driver: each is given to its network, or removed when Docker has no such network.
 *
 * They are looked for until every one is explained. A namespace without a record that Docker still has a
 * network for is kept, and `status` shows it.
 */
import { basename } from 'node:path'
import { isCode } from '../../core/errors.ts'
import { dockerSays } from '../../core/knowledge.ts'
import type { HostName, NetworkId } from '../../core/records.ts'
import { networksUsedBy } from '../../core/snapshot.ts'
import type { Engine } from '../../engine/engine.ts'
import type { Kernel } from '../../kernel/kernel.ts'
import type { Log } from '../../log.ts'
import type { Store } from '../../store/store.ts'

export interface StrayNamespaces {
  /** Looks for them if that is due. */
  look(): void
  /** The next look is due at once: a namespace that was kept may have its record now. */
  recordsChanged(): void
  /** Looks for them again, also when the last look has explained all. */
  lookAnew(): void
  /** The last look has explained all. */
  areGone(): boolean
  /** One sentence each, for `multihost status`. */
  problems(): string[]
  /** No further look; resolves when the present one is over. */
  close(): Promise<void>
}

export interface StrayNamespacesOptions {
  kernel: Pick<Kernel, 'namespaces' | 'apply'>
  store: Pick<Store, 'snapshot' | 'status'>
  engine: Pick<Engine, 'networks' | 'attached'>
  host: HostName
  localNamespaceOf(network: NetworkId): string | undefined
  /** What the store lacks is gone. */
  mayRemove(): boolean
  /** A network of this driver's has the namespace. */
  isHeld(namespace: string): boolean
  /** The namespace is that network's. */
  adopt(network: NetworkId, namespace: string): void
  /** Pause after a look that failed. */
  retryMs: number
  log: Log
}

/** A look enters every namespace of the folder. */
const keptLookPauseMs = 10_000

interface State {
  readonly options: StrayNamespacesOptions
  /** Every namespace has its network, or is removed. */
  areGone: boolean
  looking: Promise<void> | undefined
  /** Namespaces that no record explains and that Docker still has a network for. */
  kept: string[]
  /** The next look, by performance.now(). */
  notBefore: number
  closed: boolean
}

export function createStrayNamespaces(options: StrayNamespacesOptions): StrayNamespaces {
  const state: State = {
    options,
    areGone: false,
    looking: undefined,
    kept: [],
    notBefore: 0,
    closed: false,
  }
  return {
    look: () => look(state),
    recordsChanged() {
      state.notBefore = 0
    },
    lookAnew() {
      state.areGone = false
      state.notBefore = 0
      look(state)
    },
    areGone: () => state.areGone,
    problems: () =>
      state.kept.map(
        (path) =>
          `the namespace ${path} is kept: no network in the store explains it, and Docker or a running container has the network ${basename(path)}`,
      ),
    async close() {
      state.closed = true
      await state.looking
    },
  }
}

function look(state: State): void {
  const { mayRemove, retryMs, log } = state.options
  const isDue = !state.areGone && performance.now() >= state.notBefore
  if (!isDue || state.closed || !mayRemove()) return
  state.looking ??= lookOnce(state)
    .catch((error: unknown) => {
      const isAway = isCode(error, 'unavailable')
      log[isAway ? 'debug' : 'error']({ err: error }, 'old namespaces could not be removed')
      state.notBefore = performance.now() + retryMs
    })
    .finally(() => {
      state.looking = undefined
    })
}

async function lookOnce(state: State): Promise<void> {
  const { kernel, store, host, localNamespaceOf, isHeld, adopt } = state.options
  const found = await kernel.namespaces()
  const snapshot = store.snapshot()
  const known = [...snapshot.networks.keys(), ...unreadableNetworks(store)]
  const owners = new Map(known.map((id) => [localNamespaceOf(id), id]))
  const strays = found.filter((namespace) => !owners.has(namespace) && !isHeld(namespace))
  for (const namespace of found) {
    const owner = owners.get(namespace)
    if (owner !== undefined) adopt(owner, namespace)
  }
  // A stray may be the namespace of a network whose local id is not known yet.
  const isUnmapped = networksUsedBy(snapshot, host).some((id) => localNamespaceOf(id) === undefined)
  if (isUnmapped && strays.length > 0) return
  await remove(state, strays)
}

/**
 * A namespace is a stray when neither Docker nor a running container has a network with the id that it is
 * named after.
 */
async function remove(state: State, strays: readonly string[]): Promise<void> {
  const { kernel, engine, log } = state.options
  const locals = strays.length === 0 ? [] : await networksInUse(engine)
  state.kept = strays.filter((path) => locals.some((id) => id.startsWith(basename(path))))
  for (const namespace of strays) {
    if (state.kept.includes(namespace)) continue
    const proof = dockerSays(`Docker has no network ${basename(namespace)}`)
    await kernel.apply([{ op: 'namespace-del', namespace, proof }])
    log.info({ namespace }, 'namespace removed: its network does not exist any more')
  }
  state.areGone = state.kept.length === 0
  state.notBefore = performance.now() + keptLookPauseMs
}

function unreadableNetworks(store: StrayNamespacesOptions['store']): NetworkId[] {
  return store.status().corrupt.flatMap(({ table, key }) => (table === 'networks' ? [key] : []))
}

/** Local ids: of Docker's networks, and of those that it lost under a running container. */
async function networksInUse(engine: StrayNamespacesOptions['engine']): Promise<string[]> {
  const [networks, attached] = await Promise.all([engine.networks(), engine.attached()])
  return [...networks.map(({ id }) => id), ...attached.map(({ network }) => network)]
}
