/**
 * Time that passes only while the process has nothing to do: it jumps to the next timer then.
 *
 * It takes the place of timers, `Date` and `performance.now` in the whole process. Work takes no time, and a
 * delay takes as long as it says. Timers that are due at once fire in the order in which they were made, each
 * in a turn of the event loop of its own. Nothing may wait for the world outside of the process: the clock
 * does not wait for it.
 */
import { createRequire, syncBuiltinESMExports } from 'node:module'

const promises = createRequire(import.meta.url)('node:timers/promises')
const { setImmediate: realImmediate, clearImmediate: realClear, Date: RealDate } = globalThis
const startedAt = RealDate.UTC(2026, 0, 1)
/** So many turns with work while no time passes: it does not come to an end. */
const mostTurns = 1_000_000

let now = 0
/** In the order in which they fire. */
let timers: VirtualTimer[] = []
/** Of the timers that have fired since `resetClock`: how long each was. */
let firedMs: number[] = []
/** Made by `setImmediate`, and not run yet. */
const immediates = new Set<NodeJS.Immediate>()

export function installClock(): void {
  Object.assign(globalThis, {
    setTimeout: (run: Run, ms?: number, ...args: unknown[]) => start(() => run(...args), ms),
    setInterval: (run: Run, ms?: number, ...args: unknown[]) => start(() => run(...args), ms, true),
    clearTimeout: stop,
    clearInterval: stop,
    setImmediate: nextTurn,
    clearImmediate(immediate: NodeJS.Immediate | undefined) {
      if (immediate !== undefined) immediates.delete(immediate)
      realClear(immediate)
    },
    Date: VirtualDate,
  })
  performance.now = () => now
  Object.assign(promises, {
    setTimeout: (ms?: number, value?: unknown, { signal }: { signal?: AbortSignal } = {}) =>
      delay(ms, value, signal),
    setImmediate: (value?: unknown) => new Promise((resolve) => nextTurn(() => resolve(value))),
  })
  syncBuiltinESMExports()
}

/** At its beginning, without timers. */
export function resetClock(): void {
  now = 0
  timers = []
  firedMs = []
}

/** How long each timer was that has fired since the last call. */
export function takeFired(): number[] {
  const taken = firedMs
  firedMs = []
  return taken
}

/** Time passes until the promise is settled. Throws when it is not after `withinMs`, or when it cannot be. */
export async function passTimeUntil<T>(what: Promise<T>, withinMs: number): Promise<T> {
  const deadline = now + withinMs
  let isOver = false
  const end = (): void => {
    isOver = true
  }
  what.then(end, end)
  for (let turns = 0; !isOver; turns += 1) {
    // After it, every promise has gone as far as it can.
    await new Promise<void>((resolve) => void realImmediate(resolve))
    if (turns > mostTurns) throw new Error('the process does not come to rest')
    if (isOver || immediates.size > 0) continue
    fireNext(deadline)
    turns = 0
  }
  return what
}

type Run = (...args: unknown[]) => void

/** As much of `NodeJS.Timeout` as is used. */
class VirtualTimer {
  at = 0
  readonly run: () => void
  readonly ms: number
  readonly repeats: boolean
  constructor(run: () => void, ms: number, repeats: boolean) {
    this.run = run
    this.ms = ms
    this.repeats = repeats
  }
  ref(): this {
    return this
  }
  unref(): this {
    return this
  }
}

class VirtualDate extends RealDate {
  constructor(...args: unknown[]) {
    super(...((args.length === 0 ? [startedAt + now] : args) as [number]))
  }
  static override now(): number {
    return startedAt + now
  }
}

function start(run: () => void, ms = 1, repeats = false): VirtualTimer {
  // As Node does it.
  const timer = new VirtualTimer(run, ms >= 1 ? Math.trunc(ms) : 1, repeats)
  schedule(timer)
  return timer
}

function schedule(timer: VirtualTimer): void {
  timer.at = now + timer.ms
  timers.splice(timers.findLastIndex(({ at }) => at <= timer.at) + 1, 0, timer)
}

function stop(timer: VirtualTimer | undefined): void {
  const index = timer === undefined ? -1 : timers.indexOf(timer)
  if (index >= 0) timers.splice(index, 1)
}

function fireNext(deadline: number): void {
  const next = timers.shift()
  if (next === undefined) throw new Error('what is waited for cannot come: no timer is left')
  if (next.at > deadline) throw new Error('what is waited for has not come in time')
  now = next.at
  if (next.repeats) schedule(next)
  firedMs.push(next.ms)
  next.run()
}

function nextTurn(run: Run, ...args: unknown[]): NodeJS.Immediate {
  const immediate = realImmediate(() => {
    immediates.delete(immediate)
    run(...args)
  })
  immediates.add(immediate)
  return immediate
}

function delay(ms: number | undefined, value: unknown, signal: AbortSignal | undefined): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      stop(timer)
      reject(Object.assign(new Error('The operation was aborted'), { name: 'AbortError', code: 'ABORT_ERR' }))
    }
    const timer = start(() => {
      signal?.removeEventListener('abort', abort)
      resolve(value)
    }, ms)
    if (signal?.aborted) abort()
    else signal?.addEventListener('abort', abort, { once: true })
  })
}
