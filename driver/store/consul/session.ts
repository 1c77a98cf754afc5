/**
 * The Consul session that shows this host as alive. It owns no key: nothing is deleted when it ends.
 *
 * It is renewed at a third of its TTL, and created again when Consul has lost it. Consul may keep a session
 * for twice its TTL, so a dead host counts as dead after 15 to 30 s.
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
  ttlMs: number
  lost: (id: string) => void
}

type Sessions = Pick<ConsulClient, 'createSession' | 'renewSession' | 'destroySession'>

export function createSessionKeeper(client: Sessions, { name, ttlMs, lost }: SessionOptions): SessionKeeper {
  const stop = new AbortController()
  let id: string | undefined
  let running: Promise<string> | undefined
  let renewing: Promise<void> | undefined

  const renew = async (): Promise<string> => {
    if (id !== undefined && (await client.renewSession(id))) return id
    if (id !== undefined) lost(id)
    id = await client.createSession(name, ttlMs)
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
    while (!stop.signal.aborted) {
      // Consul does not answer: the client has recorded the failure, and the session is created again later.
      // Stopped: the loop ends.
      const ignore = (): undefined => undefined
      await sleep(ttlMs / 3, undefined, { signal: stop.signal, ref: false }).catch(ignore)
      if (!stop.signal.aborted) await session().catch(ignore)
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
