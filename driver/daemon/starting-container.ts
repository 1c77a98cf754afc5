/**
 * Which container a RequestAddress is for. Docker does not say. Two things tell: a container that was created
 * a moment ago has not started yet; and the engine does not describe a container that it is starting, since
 * it holds the container's lock (moby daemon/start.go, daemon/inspect.go).
 *
 * This is the one question that a verb asks of Docker. Its answer is not waited for longer than `boundMs`, so
 * that it cannot stand in the way of the start that waits for us.
 */
import type { Engine, EngineEvent } from '../engine/engine.ts'
import type { StartingContainer } from '../verbs/context.ts'

export interface FollowedContainers extends StartingContainer {
  /** An event of the engine. */
  happened(event: EngineEvent): void
}

/** From `docker create` to the start that follows in `docker run`, on a slow machine. */
const newForMs = 30_000
const boundMs = 150
/** Pause after the engine has described none of several containers. */
const restMs = 5000
const askedAtOnce = 16
const mostGone = 1000

export function createStartingContainer(
  engine: Pick<Engine, 'container'>,
  now: () => Date,
): FollowedContainers {
  const created = new Map<string, number>()
  const gone = new Set<string>()
  let restsUntil = 0
  const forget = (container: string): void => {
    created.delete(container)
    gone.add(container)
    const [oldest] = gone
    if (gone.size > mostGone && oldest !== undefined) gone.delete(oldest)
  }
  return {
    happened({ type, action, id }) {
      if (type !== 'container') return
      if (action === 'create') created.set(id, now().getTime())
      else if (action === 'destroy') forget(id)
      else if (action === 'start' || action === 'die') created.delete(id)
    },
    isNew() {
      for (const [id, at] of created) if (now().getTime() - at > newForMs) created.delete(id)
      return created.size > 0
    },
    isGone: (container) => gone.has(container),
    async among(containers) {
      const end = performance.now() + boundMs
      // The engine describes many within the bound, and not all at once. A round that is cut short proves nothing.
      const mayAsk = (): boolean => now().getTime() >= restsUntil && end - performance.now() >= boundMs / 2
      for (let at = 0; at < containers.length && mayAsk(); at += askedAtOnce) {
        const asked = containers.slice(at, at + askedAtOnce)
        const silent = await undescribed(engine, asked, { withinMs: end - performance.now(), isGone: forget })
        const describesNone = silent.size === asked.length && asked.length > 1
        if (describesNone) restsUntil = now().getTime() + restMs
        else if (silent.size > 0) return silent
      }
      return new Set()
    },
  }
}

/** Those that the engine does not describe within the bound. Of several, the last one is not waited for. */
async function undescribed(
  engine: Pick<Engine, 'container'>,
  containers: readonly string[],
  { withinMs, isGone }: { withinMs: number; isGone(container: string): void },
): Promise<Set<string>> {
  const silent = new Set(containers)
  let timer: NodeJS.Timeout | undefined
  const bound = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, withinMs)
  })
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
  await Promise.race([answers, bound])
  clearTimeout(timer)
  return silent
}

/** The last answer may be on its way. */
const settleMs = 30
