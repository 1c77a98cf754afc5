/**
 * The Consul session that shows this host as alive. It owns no key: nothing is deleted when it ends.
 *
 * It is renewed at two thirds of its TTL, soon again after a failure, and created again when Consul has lost
 * it. Consul may keep a session for twice its TTL, so a dead host counts as dead after 15 to 30 s.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { ConsulClient } from './client.ts'

export interface SessionKeeper {
  /** Renews the session, or creates one. Throws `unavailable`. */
  session(): Promise<string>
  /** Ends the session if Consul answers. */
  close(): Promise<void>
}

export interface SessionOptions {
  name: string
  /** Consul may demand a longer one. */
  ttlMs: number
  lost: (id: string) => void
}

/** Consul's own `session_ttl_min` is 10 s. */
export const usualTtlMs = 15_000

/** Shares of the TTL. */
const renewAfter = 2 / 3
const retryAfter = 1 / 15

type Sessions = Pick<ConsulClient, 'createSession' | 'renewSession' | 'destroySession'>

export function createSessionKeeper(client: Sessions, options: SessionOptions): SessionKeeper {
  const { name, lost } = options
  let { ttlMs } = options
  const stop = new AbortController()
  let id: string | undefined
  let running: Promise<string> | undefined
  let renewing: Promise<void> | undefined
  /** By performance.now(). */
  let renewedAt = 0

  const renew = async (): Promise<string> => {
    const askedAt = performance.now()
    if (id === undefined || !(await client.renewSession(id))) {
      if (id !== undefined) lost(id)
      const made = await client.createSession(name, ttlMs)
      id = made.id
      ttlMs = made.ttlMs
    }
    renewedAt = askedAt
    renewing ??= keepRenewing()
    return id
  }
  /** Concurrent callers share one call, so that a host never has two sessions. */
  const session = (): Promise<string> => {
    running ??= renew().finally(() => {
      running = undefined
    })
    return running
  }
  const keepRenewing = async (): Promise<void> => {
    let pauseMs = ttlMs * renewAfter
    while (!stop.signal.aborted) {
      await sleep(pauseMs, undefined, { signal: stop.signal, ref: false }).catch(() => 'stopped')
      // Others ask for the session, too, and each of them renews it.
      pauseMs = renewedAt + ttlMs * renewAfter - performance.now()
      if (stop.signal.aborted || pauseMs > 0) continue
      pauseMs = await session().then(
        () => ttlMs * renewAfter,
        // Consul does not answer: the client has recorded the failure.
        () => ttlMs * retryAfter,
      )
    }
  }
  return {
    session,
    async close() {
      stop.abort()
      await Promise.allSettled([running, renewing])
      if (id !== undefined) await client.destroySession(id).catch(() => 'it ends by itself after its TTL')
    },
  }
}
