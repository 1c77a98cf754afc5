/**
 * The daemon's part of the Docker 1.8 commands: routes on the control socket, and the file that says that the
 * default network can be used.
 */
import { dirname, join } from 'node:path'
import { isNetworkRecord } from '../core/snapshot.ts'
import type { DockerCommands } from '../engine/docker-commands.ts'
import type { Engine } from '../engine/engine.ts'
import type { Route } from '../http-app.ts'
import type { Loop, LoopRun } from '../loops/kit/loop.ts'
import type { VerbContext } from '../verbs/context.ts'
import type { Verbs } from '../verbs/verbs.ts'
import { callsInDaemon } from './calls-in-daemon.ts'
import { dialectRoutes } from './control-routes.ts'
import { startDefaultNetworkFile } from './default-network-file.ts'
import { readyNetwork } from './ready-network.ts'
import { asScript, translateCommand } from './translate.ts'

export interface DialectOptions {
  context: VerbContext
  verbs: Verbs
  engine: Engine
  docker: DockerCommands
  defaultNetwork: { name: string }
  controlSocket: string
  everyMs: number
  onRun(run: LoopRun): void
}

export interface Dialect {
  routes: Route[]
  /** The engine has made or removed a network, or may have. */
  poke(): void
  /** The engine is about to remove a network: the default network's file goes first. */
  withdraw(): Promise<void>
  status: Loop['status']
  close(): Promise<void>
}

/** Beside the control socket; read by docker-wrapper.ts. */
const defaultNetworkFile = 'default-network'
/** The engine sends its event before a new network can be used. */
const secondLookMs = 1000

export function startDialect(options: DialectOptions): Dialect {
  const { context, verbs, engine, docker, controlSocket, everyMs, onRun } = options
  const { store, host, log } = context
  const { name } = options.defaultNetwork
  const calls = callsInDaemon({ context, verbs, engine, defaultNetwork: name })
  const script = async (words: string[]): Promise<string> =>
    asScript(await translateCommand(words, { calls, docker, environment: {} }))
  const loop = startDefaultNetworkFile({
    name,
    file: join(dirname(controlSocket), defaultNetworkFile),
    ready: async () => (await readyNetwork({ store, engine, host }, name)) !== undefined,
    inSwarmMode: () => docker.inSwarmMode(),
    log,
    everyMs,
    onRun,
  })
  const poke = (): void => {
    loop.poke()
    loop.pokeAfter(secondLookMs)
  }
  const stop = store.onChange((_, changed) => {
    if (changed.some((key) => isNetworkRecord(key, host))) poke()
  })
  return {
    routes: dialectRoutes(calls, script),
    poke,
    withdraw: loop.withdraw,
    status: loop.status,
    async close() {
      stop()
      await loop.close()
    },
  }
}
