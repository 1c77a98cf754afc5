/**
 * Tells the docker wrapper, by a file, that the default network can be used: its name, as long as the engine here has
 * it and is not in swarm mode.
 *
 * With the file a plain `docker run` is translated by the shell alone. Without it the wrapper asks the driver and
 * waits, so a file that comes late costs milliseconds; one that stays too long would let the engine say that the
 * network is not there, so it goes before the network does. Written beside and renamed: the shell reads all of it or
 * nothing.
 */
import { rename, rm, writeFile } from 'node:fs/promises'
import type { Log } from '../log.ts'
import { type Loop, type LoopRun, startLoop } from '../loops/kit/loop.ts'

export interface DefaultNetworkOptions {
  name: string
  file: string
  /** The engine has the cluster's network of that name. */
  ready(name: string): Promise<boolean>
  inSwarmMode(): Promise<boolean>
  log: Log
  everyMs?: number
  onRun?(run: LoopRun): void
}

export interface DefaultNetworkLoop extends Loop {
  /** A network of the engine is about to go: resolves when no file tells of it; it is back if the wrong one was meant. */
  withdraw(): Promise<void>
}

export function startDefaultNetwork(options: DefaultNetworkOptions): DefaultNetworkLoop {
  const { name, file, ready, inSwarmMode, log, everyMs = 2000, onRun } = options
  let present: boolean | undefined
  let withdrawals = 0
  const work = async (): Promise<void> => {
    const before = withdrawals
    const wanted = (await ready(name)) && !(await inSwarmMode())
    // What was asked before a withdrawal tells nothing; another run follows it.
    if (wanted === present || withdrawals !== before) return
    await (wanted ? write(file, name) : rm(file, { force: true }))
    present = wanted
    log.info({ network: name, usable: wanted }, 'the default network')
  }
  const loop = startLoop({ name: 'default network', everyMs, log, work, onRun })
  return {
    ...loop,
    async withdraw() {
      withdrawals += 1
      present = false
      await rm(file, { force: true })
      loop.poke()
    },
    async close() {
      await loop.close()
      await rm(file, { force: true })
    },
  }
}

async function write(file: string, name: string): Promise<void> {
  await writeFile(`${file}.new`, `${name}\n`, { mode: 0o644 })
  await rename(`${file}.new`, file)
}
