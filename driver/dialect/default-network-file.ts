/**
 * Keeps the file that tells the docker wrapper the default network's name, while the engine here has that
 * network and is not in swarm mode.
 *
 * With the file the shell alone translates a plain `docker run`. Without it the wrapper asks the driver and
 * waits: a file that appears late costs milliseconds. With a file that stays too long the engine would answer
 * that there is no such network, so the file goes before the network does. The file is written beside and
 * renamed: the shell reads all of it or nothing.
 */
import { existsSync } from 'node:fs'
import { rename, rm, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Log } from '../log.ts'
import { type Loop, type LoopRun, startLoop } from '../loops/kit/loop.ts'
import { makeRunFolder } from '../run-folder.ts'

export interface DefaultNetworkFileOptions {
  name: string
  file: string
  /** The engine has the cluster's network of that name. */
  ready(name: string): Promise<boolean>
  inSwarmMode(): Promise<boolean>
  log: Log
  everyMs: number
  onRun?(run: LoopRun): void
}

export interface DefaultNetworkFile extends Loop {
  /**
   * The engine is about to remove a network. Resolves when the file is gone; the loop writes it again if the
   * removed network was another one.
   */
  withdraw(): Promise<void>
}

export function startDefaultNetworkFile(options: DefaultNetworkFileOptions): DefaultNetworkFile {
  const { name, file, ready, inSwarmMode, log, everyMs, onRun } = options
  let present: boolean | undefined
  let withdrawals = 0
  const work = async (): Promise<void> => {
    const before = withdrawals
    const wanted = (await ready(name)) && !(await inSwarmMode())
    // An answer from before a withdrawal is out of date; another run follows.
    if (withdrawals !== before || (wanted === present && wanted === existsSync(file))) return
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
  makeRunFolder(dirname(file))
  await writeFile(`${file}.new`, `${name}\n`, { mode: 0o644 })
  await rename(`${file}.new`, file)
}
