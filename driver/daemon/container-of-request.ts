/**
 * Which container a RequestAddress is for. Docker does not say. The engine does not describe a container that
 * it is starting, since it holds the container's lock (moby daemon/start.go, daemon/inspect.go). Of several
 * containers those that are described show that the engine answers. For one container, a question that needs
 * no lock shows it. A busy engine answers neither: then a container that was created a moment ago and has not
 * started yet is the likelier one.
 *
 * Two modules ask Docker from a verb: this one and engine-of-request.ts. The answers are not waited for
 * longer than `boundMs`, so that they cannot stand in the way of the start that waits for us.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { Engine, EngineEvent } from '../engine/engine.ts'
import type { StartingContainer } from '../verbs/context.ts'
import { within } from '../within.ts'

export interface FollowedContainers extends StartingContainer {
  /** An event of the engine. */
  happened(event: EngineEvent): void
}

/** From `docker create` to the start that follows in `docker run`, on a slow machine. */
const newForMs = 30_000
const boundMs = 150
/** Pause after the engine has described none of several containers, or has answered nothing. */
const restMs = 5000
const askedAtOnce = 16
const mostGone = 1000

type AskedEngine = Pick<Engine, 'container' | 'has'>

export function createStartingContainer(engine: AskedEngine, now: () => Date): FollowedContainers {
  const created = new Map<string, number>()
  const gone = new Set<string>()
  let restsUntil = 0
  const forget = (container: string): void => {
    created.delete(container)
    gone.add(container)
    const [oldest] = gone
    if (gone.size > mostGone && oldest !== undefined) gone.delete(oldest)
  }
  const isNew = (): boolean => {
    for (const [id, at] of created) if (now().getTime() - at > newForMs) created.delete(id)
    return created.size > 0
  }
  const isResting = (): boolean => now().getTime() < restsUntil
  const rest = (): void => {
    restsUntil = now().getTime() + restMs
  }
  const isOnlyOneStarting = async (container: string): Promise<boolean> => {
    const isSilent = isResting() ? undefined : await isLocked(engine, container, forget)
    if (isSilent === undefined && !isResting()) rest()
    return isSilent ?? !isNew()
  }
  return {
    happened({ type, action, id }) {
      if (type !== 'container') return
      if (action === 'create') created.set(id, now().getTime())
      else if (action === 'destroy') forget(id)
      else if (action === 'start' || action === 'die') created.delete(id)
    },
    isGone: (container) => gone.has(container),
    async among(containers) {
      const [only] = containers
      if (only !== undefined && containers.length === 1)
        return new Set((await isOnlyOneStarting(only)) ? [only] : [])
      const end = performance.now() + boundMs
      // The engine describes many within the bound, and not all at once. A round that is cut short proves nothing.
      const mayAsk = (): boolean => !isResting() && end - performance.now() >= boundMs / 2
      for (let at = 0; at < containers.length && mayAsk(); at += askedAtOnce) {
        const asked = containers.slice(at, at + askedAtOnce)
        const silent = await undescribed(engine, asked, { withinMs: end - performance.now(), isGone: forget })
        const describesNone = silent.size === asked.length && asked.length > 1
        if (describesNone) rest()
        else if (silent.size > 0) return silent
      }
      return new Set()
    },
  }
}

/** Between the two controls of `isLocked`: longer than an idle engine takes to describe a container. */
const controlPauseMs = 8

/**
 * True when the engine answers two later questions and does not describe the container: the second one makes
 * up for a slow engine, and for an answer that this process has not read yet. Undefined when it answers
 * neither.
 */
async function isLocked(
  engine: AskedEngine,
  container: string,
  isGone: (container: string) => void,
): Promise<boolean | undefined> {
  const end = new AbortController()
  const question = async (): Promise<false> => {
    if ((await engine.container(container)) === undefined) isGone(container)
    return false
  }
  const controls = async (): Promise<true> => {
    await engine.has(container)
    await delay(controlPauseMs, undefined, { signal: end.signal })
    await engine.has(container)
    return true
  }
  try {
    return await within(Promise.race([question(), controls()]), boundMs)
  } catch {
    // The engine is not there, or refuses to answer.
    return undefined
  } finally {
    end.abort()
  }
}

/** Those that the engine does not describe within the bound. Of several, the last one is not waited for. */
async function undescribed(
  engine: Pick<Engine, 'container'>,
  containers: readonly string[],
  { withinMs, isGone }: { withinMs: number; isGone(container: string): void },
): Promise<Set<string>> {
  const silent = new Set(containers)
  const enough = containers.length === 1 ? 0 : 1
  const answers = new Promise<void>((resolve) => {
    for (const id of containers) {
      const answered = (found: unknown): void => {
        silent.delete(id)
        if (found === undefined) isGone(id)
        if (silent.size === 0) resolve()
        else if (silent.size <= enough) setTimeout(resolve, settleMs)
      }
      // On an error the container counts as not starting.
      engine.container(id).then(answered, () => answered('unknown'))
    }
  })
  await within(answers, withinMs)
  return silent
}

/** The last answer may be on its way. */
const settleMs = 30
