/**
 * Tells when something in a network namespace changes: links, addresses, neighbours and FDB entries by
 * `ip monitor`, the driver's rules by `nft monitor`.
 *
 * The program holds the namespace as long as it runs, so it must end before the namespace is removed, and
 * with the driver: the kernel ends it when its parent dies (PR_SET_PDEATHSIG, prctl(2)). Lookups of vxlan1
 * that find nothing are no changes (`l2miss`, `l3miss`). A container can cause one with every packet, so the
 * program ends when they are many.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import type { Socket } from 'node:net'

export interface KernelWatch {
  /** The program, which is in the namespace soon after its start. Undefined when it could not be started. */
  readonly pid: number | undefined
  /** False when the program does not run: changes may have been missed. */
  isAlive(): boolean
  close(): Promise<void>
}

export type Watched = 'link' | 'address' | 'neigh'

/** In a second. Reading that many takes less than a hundredth of a processor. */
export const mostMisses = 1000

/**
 * `enter`: the prefix of a command that runs in the namespace. `neigh` has FDB entries, too. `flooded`: the
 * watch is about to end, because of more lookups that found nothing than `mostMisses`.
 */
export function watchNamespace(
  enter: readonly string[],
  what: readonly Watched[],
  changed: () => void,
  flooded: () => void,
): KernelWatch {
  let misses = { count: 0, since: performance.now() }
  const read = (lines: readonly string[]): void => {
    const others = lines.filter((line) => !line.includes('miss '))
    if (others.some((line) => line !== '')) changed()
    const now = performance.now()
    if (now - misses.since > 1000) misses = { count: 0, since: now }
    misses.count += lines.length - others.length
    if (misses.count <= mostMisses) return
    flooded()
    watch.end()
  }
  const watch = follow([...enter, 'ip', '-o', 'monitor', ...what], read, changed)
  return watch
}

/** Rules that cannot be made as wanted are not made anew more often. */
const rulesPauseMs = { first: 50, next: 1000 }
/** A program that ends, as where there is no `nft`, is started again at this pace. */
const restartMs = 10_000

/** Calls `changed` after a change of the driver's own tables. What changes while `nft` does not run is not told. */
export function watchRules(enter: readonly string[], changed: () => void): Pick<KernelWatch, 'close'> {
  const isOurs = (line: string): boolean => /\b(inet multihost|ip multihost_dns)\b/.test(line)
  let toldAt = Number.NEGATIVE_INFINITY
  let telling: NodeJS.Timeout | undefined
  const tell = (): void => {
    const waitMs = Math.max(rulesPauseMs.first, toldAt + rulesPauseMs.next - performance.now())
    telling ??= setTimeout(() => {
      telling = undefined
      toldAt = performance.now()
      changed()
    }, waitMs)
  }
  const read = (lines: readonly string[]): void => {
    if (lines.some(isOurs)) tell()
  }
  const start = (): KernelWatch => follow([...enter, 'nft', 'monitor'], read, tell)
  let watch = start()
  const restarts = setInterval(() => {
    if (!watch.isAlive()) watch = start()
  }, restartMs)
  return {
    async close() {
      clearInterval(restarts)
      clearTimeout(telling)
      await watch.close()
    },
  }
}

interface Followed extends KernelWatch {
  /** As if the program had ended by itself. */
  end(): void
}

/** `changed`: something may have been missed. */
function follow(
  command: readonly string[],
  read: (lines: readonly string[]) => void,
  changed: () => void,
): Followed {
  const child = started(['setpriv', '--pdeathsig', 'KILL', ...command])
  if (child === undefined)
    return { pid: undefined, isAlive: () => false, close: async () => undefined, end: () => undefined }
  let alive = true
  let isClosing = false
  const ended = new Promise<void>((resolve) => {
    const end = (): void => {
      const wasExpected = isClosing || !alive
      alive = false
      resolve()
      if (!wasExpected) changed()
    }
    child.once('error', end)
    child.once('exit', end)
  })
  const { stdout, stderr } = child as unknown as Record<'stdout' | 'stderr', Socket>
  let rest = ''
  stdout.on('data', (chunk: Buffer) => {
    const lines = (rest + chunk.toString('latin1')).split('\n')
    rest = lines.pop() ?? ''
    read(lines)
  })
  // Messages were lost (ENOBUFS).
  stderr.on('data', () => changed())
  // An idle driver may end.
  for (const part of [child, stdout, stderr]) part.unref()
  return {
    pid: child.pid,
    isAlive: () => alive,
    end() {
      stdout.destroy()
      child.kill('SIGKILL')
    },
    async close() {
      isClosing = true
      child.ref()
      child.kill('SIGKILL')
      await ended
    },
  }
}

/** Undefined with too many open files or without memory: then there is no process, or one without pipes. */
function started(command: readonly string[]): ChildProcess | undefined {
  const [program = '', ...args] = command
  try {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    if (child.stdout != null && child.stderr != null) return child
    child.on('error', () => undefined)
    child.kill('SIGKILL')
  } catch {
    // Told by `isAlive`.
  }
  return undefined
}
