/**
 * Tells when something in a network namespace changes: links, addresses, neighbours and FDB entries, by `ip monitor`.
 *
 * The program holds the namespace as long as it runs, so it must end before the namespace is removed, and with the driver:
 * the kernel ends it when its parent dies (PR_SET_PDEATHSIG, prctl(2)). Lookups of vxlan1 that find nothing are no changes
 * (`l2miss`, `l3miss`).
 */
import { spawn } from 'node:child_process'
import type { Socket } from 'node:net'

export interface KernelWatch {
  /** False when the program does not run: changes may have been missed. */
  isAlive(): boolean
  close(): Promise<void>
}

export type Watched = 'link' | 'address' | 'neigh'

/** `enter`: the prefix of a command that runs in the namespace. `neigh` has FDB entries, too. */
export function watchNamespace(
  enter: readonly string[],
  what: readonly Watched[],
  changed: () => void,
): KernelWatch {
  const command = ['setpriv', '--pdeathsig', 'KILL', ...enter, 'ip', '-o', 'monitor', ...what]
  const [program = '', ...args] = command
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'ignore'] })
  let alive = true
  const ended = new Promise<void>((resolve) => {
    const end = (): void => {
      alive = false
      resolve()
    }
    child.once('error', end)
    child.once('exit', end)
  })
  // With too many open files there is a process object without pipes, which reports an error.
  const output = child.stdout as Socket | undefined
  output?.on('data', (chunk: Buffer) => {
    if (hasChange(chunk.toString('latin1'))) changed()
  })
  // An idle driver may end.
  child.unref()
  output?.unref()
  return {
    isAlive: () => alive,
    async close() {
      child.ref()
      child.kill('SIGKILL')
      await ended
    },
  }
}

function hasChange(text: string): boolean {
  return text.split('\n').some((line) => line !== '' && !line.includes('miss '))
}
