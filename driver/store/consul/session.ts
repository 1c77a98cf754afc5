/**
 * The Consul session that shows this host as alive. It owns no key: nothing is deleted when it ends.
 *
 * It is renewed at two thirds of its TTL, soon again after a failure, and created again when Consul has lost
 * it. Consul may keep a session for twice its TTL, so a dead host counts as dead after 15 to 30 s.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { within } from '../../within.ts'
import type { ConsulClient } from './client.ts'

export interface SessionKeeper {
  /** Renews the session, or creates one. Throws `unavailable`. */
  session(): Promise<string>
  /** Ends the session if Consul answers soon. */
  close(): Promise<void>
}

export interface SessionOptions {
  name: string
  /** Consul may demand a longer one. */
  ttlMs: number
  /** Called once for each session, however long Consul makes no other one. */
  lost: (id: string) => void
}

/** Consul's own `session_ttl_min` is 10 s. */
export const usualTtlMs = 15_000

/** Shares of the TTL. */
const renewAfter = 2 / 3
const retryAfter = 1 / 15

/** A driver that stops waits no longer for a Consul that may be silent. */
const endsWithinMs = 500

type Sessions = Pick<ConsulClient, 'createSession' | 'renewSession' | 'destroySession'>

export function createSessionKeeper(client: Sessions, options: SessionOptions): SessionKeeper {
  const { name, lost } = options
  let { ttlMs } = options
  const stop = new AbortController()
  let id: string | undefined
  let running: Promise<string> | undefined
  /** The last call failed. */
  let hasFailed = false
  /** By performance.now(). */
  let renewedAt = Number.NEGATIVE_INFINITY

  const renew = async (): Promise<string> => {
    const askedAt = performance.now()
    if (id === undefined || !(await client.renewSession(id))) {
      // What is closed makes no session that it would not end.
      stop.signal.throwIfAborted()
      if (id !== undefined) lost(id)
      id = undefined
      const made = await client.createSession(name, ttlMs)
      refuseStopped(client, made.id, stop.signal)
      id = made.id
      ttlMs = made.ttlMs
    }
    if (!Number.isFinite(renewedAt)) void repeat(renewIfDue, ttlMs * renewAfter, stop.signal)
    renewedAt = askedAt
    return id
  }
  const recorded = async (renewal: Promise<string>): Promise<string> => {
    hasFailed = await renewal.then(
      () => false,
      () => true,
    )
    return renewal
  }
  /** Concurrent callers share one call, so that a host never has two sessions. */
  const session = (): Promise<string> => {
    running ??= recorded(renew()).finally(() => {
      running = undefined
    })
    return running
  }
  const renewIfDue = async (): Promise<number> => {
    // Others ask for the session, too, and each of them renews it.
    const dueInMs = renewedAt + ttlMs * renewAfter - performance.now()
    if (dueInMs > 0) return dueInMs
    return session().then(
      () => ttlMs * renewAfter,
      // Consul does not answer: the client has recorded the failure.
      () => ttlMs * retryAfter,
    )
  }
  return {
    session,
    async close() {
      stop.abort()
      if (id === undefined || hasFailed) return
      await within(end(client, id), endsWithinMs)
    },
  }
}

/** Ends a session that was made while its keeper closed. */
function refuseStopped(client: Sessions, id: string, stop: AbortSignal): void {
  if (stop.aborted) void end(client, id)
  stop.throwIfAborted()
}

/** A session that Consul is not told of ends by itself after its TTL. */
function end(client: Sessions, id: string): Promise<unknown> {
  return client.destroySession(id).catch(() => undefined)
}

/** Until the signal; each run resolves with the pause before the next one. */
async function repeat(run: () => Promise<number>, firstPauseMs: number, signal: AbortSignal): Promise<void> {
  let pauseMs = firstPauseMs
  while (!signal.aborted) {
    await delay(pauseMs, undefined, { signal, ref: false }).catch(() => 'stopped')
    if (!signal.aborted) pauseMs = await run()
  }
}
