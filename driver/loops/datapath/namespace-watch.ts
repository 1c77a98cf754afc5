/**
 * Notices what others change in a network's namespace, and says when the kernel is to be looked at.
 *
 * The kernel tells that something has changed, not what, and tells of this driver's own changes too. One look
 * serves several changes, and looks are not more frequent than their share of a processor allows.
 */
import type { Kernel } from '../../kernel/kernel.ts'
import { type KernelWatch, mostMisses } from '../../kernel/watch.ts'
import type { Log } from '../../log.ts'

export interface NamespaceWatch {
  /** Watches that namespace from now on, and no other. Nothing happens while it is watched already. */
  follow(namespace: string): Promise<void>
  /** What changes during `work`, and for a moment after it, is this driver's own. */
  ownChange<Result>(work: () => Promise<Result>): Promise<Result>
  /**
   * Whether to look at the kernel now. When it is not time yet, it asks for a step when it is. Joins go
   * before the look.
   */
  isLookDue(hasJoins: boolean): boolean
  /** Changes in the namespace are noticed at once. */
  isAlive(): boolean
  /** Mounts the namespace, which is not at its path any more, again. False when the watch does not hold it. */
  remount(namespace: string): Promise<boolean>
  /** Stops watching; `follow` begins again. */
  close(): Promise<void>
}

/** From a change to the look at it, so that one look serves several changes. */
export interface NoticeMs {
  /** Where the kernel was quiet before. */
  first: number
  /** From one look to the next, while the kernel goes on changing. */
  next: number
  /** After a change of this driver's own, and after the watch began. */
  afterOwn: number
}

export interface NamespaceWatchOptions {
  kernel: Pick<Kernel, 'watch' | 'remount'>
  log: Log
  /** Asks for another step. */
  again(afterMs: number): void
  /** Pause between two looks at a kernel that goes on changing. */
  lookPauseMs(): number
  noticeMs: NoticeMs
}

/**
 * Changes are told some time after they are made. What others change in that time is found by the look that
 * follows.
 */
const ownChangesMs = 25
/** A watch that ends at once, or in a flood of misses, is not started again for this time. */
const restMs = 10_000

/** Times are by performance.now(). */
interface State {
  readonly options: NamespaceWatchOptions
  watch: KernelWatch | undefined
  /** The namespace that the watch is in. */
  watched: string | undefined
  /** A watch that has ended is not started again before this time. */
  notBefore: number
  /** One has ended in a flood of misses. */
  wasFlooded: boolean
  /** Until then, changes are this driver's own. */
  quietUntil: number
  /** When the last look for a change that was noticed began, and when the next one is due. */
  noticedAt: number
  lookAt: number
}

export function createNamespaceWatch(options: NamespaceWatchOptions): NamespaceWatch {
  const state: State = {
    options,
    watch: undefined,
    watched: undefined,
    notBefore: 0,
    wasFlooded: false,
    quietUntil: 0,
    noticedAt: Number.NEGATIVE_INFINITY,
    lookAt: Number.POSITIVE_INFINITY,
  }
  return {
    follow: (namespace) => follow(state, namespace),
    async ownChange(work) {
      state.quietUntil = Number.POSITIVE_INFINITY
      return work().finally(() => {
        state.quietUntil = performance.now() + ownChangesMs
      })
    },
    isLookDue: (hasJoins) => isLookDue(state, hasJoins),
    isAlive: () => isAlive(state),
    async remount(namespace) {
      const { watch, watched, options } = state
      return watch !== undefined && watched === namespace && options.kernel.remount(namespace, watch)
    },
    close: () => close(state),
  }
}

async function follow(state: State, namespace: string): Promise<void> {
  if (state.watched === namespace && (isAlive(state) || performance.now() < state.notBefore)) return
  await close(state)
  state.watched = namespace
  state.notBefore = performance.now() + restMs
  state.watch = state.options.kernel.watch(
    namespace,
    () => noticed(state),
    () => flooded(state, namespace),
  )
  // It hears nothing for its first moments.
  lookIn(state, state.options.noticeMs.afterOwn)
}

/** Logged once, as long as each watch that is started again ends soon. */
function flooded(state: State, namespace: string): void {
  const now = performance.now()
  const isNew = !state.wasFlooded || now > state.notBefore
  state.wasFlooded = true
  state.notBefore = now + restMs
  if (!isNew) return
  state.options.log.warn(
    { namespace },
    `containers send more than ${mostMisses} packets a second to MACs or addresses that no endpoint has: the namespace is not watched meanwhile, and audits find what others change in it`,
  )
}

function isAlive({ watch }: State): boolean {
  return watch?.isAlive() ?? false
}

async function close(state: State): Promise<void> {
  await state.watch?.close()
  state.watch = undefined
  state.watched = undefined
}

function noticed(state: State): void {
  const { noticeMs, lookPauseMs } = state.options
  const now = performance.now()
  const pauseMs = Math.max(noticeMs.next, lookPauseMs())
  const soonMs = Math.max(noticeMs.first, state.noticedAt + pauseMs - now)
  lookIn(state, now < state.quietUntil ? noticeMs.afterOwn : soonMs)
}

/** The earliest time that was asked for counts. */
function lookIn(state: State, ms: number): void {
  const at = performance.now() + ms
  if (at >= state.lookAt) return
  state.lookAt = at
  state.options.again(ms)
}

function isLookDue(state: State, hasJoins: boolean): boolean {
  const now = performance.now()
  if (state.lookAt === Number.POSITIVE_INFINITY) return false
  // A timer may be a moment early.
  if (now < state.lookAt - 1) {
    state.options.again(state.lookAt - now)
    return false
  }
  state.lookAt = Number.POSITIVE_INFINITY
  if (hasJoins) lookIn(state, state.options.noticeMs.first)
  else state.noticedAt = now
  return !hasJoins
}
