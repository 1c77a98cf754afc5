/**
 * What the driver does for `multihost service` and the docker wrapper, put together: answers on the control socket,
 * the file that says that the default network can be used, and the socket's group.
 *
 * Whoever may talk to dockerd is as good as root, so the group that may (`docker`) may talk to us as well.
 */
import { chown, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Hono } from 'hono'
import { choosePool } from '../core/pools.ts'
import { isOfNetworks } from '../core/snapshot.ts'
import type { Engine } from '../engine/engine.ts'
import type { Log } from '../log.ts'
import type { Loop, LoopRun } from '../loops/kit/loop.ts'
import type { VerbContext } from '../verbs/context.ts'
import { serviceVerbs } from '../verbs/service.ts'
import { recently } from '../verbs/ttl-set.ts'
import type { Verbs } from '../verbs/verbs.ts'
import { readyNetwork, viewNetworks, waitForNetwork } from './cluster-networks.ts'
import { startDefaultNetwork } from './default-network.ts'
import { dialectApp } from './routes.ts'

export interface DialectOptions {
  context: VerbContext
  verbs: Verbs
  engine: Engine
  defaultNetwork: { name: string }
  controlSocket: string
  inSwarmMode(): Promise<boolean>
  script(words: string[]): Promise<string>
  onRun(run: LoopRun): void
}

export interface Dialect {
  app: Hono
  /** The engine has made or removed a network. */
  poke(): void
  /** The engine is about to remove a network: docker's words lead nobody to it any more. */
  withdraw(): Promise<void>
  status: Loop['status']
  close(): Promise<void>
}

/** Beside the control socket; read by driver/dialect/wrapper.ts. */
export const defaultNetworkFile = 'default-network'
/** A pool that was chosen and not taken by then is chosen again. */
const chosenForMs = 5000

export function startDialect(options: DialectOptions): Dialect {
  const { context, verbs, engine, controlSocket, inSwarmMode, onRun } = options
  const { store, host, log, now } = context
  const { name } = options.defaultNetwork
  const chosen = recently<string>(chosenForMs, now)
  const app = dialectApp({
    defaultNetwork: name,
    services: serviceVerbs({ store, host, now, defaultNetwork: name }, verbs),
    networks: () => viewNetworks(store.snapshot(), host),
    claimed: () => [...store.snapshot().pools.keys()],
    async choosePool(refused) {
      const pool = choosePool({
        sources: context.pools,
        claimed: [...store.snapshot().pools.keys()],
        routed: await context.routes(),
        refused: [...refused, ...chosen.all()],
      })
      chosen.add(pool)
      return pool
    },
    script: options.script,
    ready: (wanted, waitMs) => waitForNetwork({ store, engine, host }, wanted, waitMs),
  })
  const loop = startDefaultNetwork({
    name,
    file: join(dirname(controlSocket), defaultNetworkFile),
    ready: async () => (await readyNetwork({ store, engine, host }, name)) !== undefined,
    inSwarmMode,
    log,
    onRun,
  })
  const stop = store.onChange((_, changed) => {
    if (changed.some((key) => isOfNetworks(key, host))) loop.poke()
  })
  return {
    app,
    poke: loop.poke,
    withdraw: loop.withdraw,
    status: loop.status,
    async close() {
      stop()
      await loop.close()
    },
  }
}

export async function shareWithGroup(path: string, group: string, log: Log): Promise<void> {
  try {
    const line = (await readFile('/etc/group', 'utf8')).split('\n').find((it) => it.startsWith(`${group}:`))
    const gid = Number(line?.split(':')[2])
    if (line !== undefined && Number.isInteger(gid)) await chown(path, process.getuid?.() ?? 0, gid)
  } catch (err) {
    log.warn({ err, path, group }, 'the group cannot be given the socket: only root may use it')
  }
}
