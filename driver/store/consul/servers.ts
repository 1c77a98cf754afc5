/**
 * Several servers of one store: one of them is asked until it fails, then the next one. Any server reaches
 * the leader, so one that works is kept.
 *
 * A call that may change something is repeated on the next server only when the one that failed cannot have
 * begun it: no connection was made, or Consul's words or status say that no leader has handled the call. A
 * call that was begun and not answered may have been applied.
 */
import type { DriverError } from '../../core/errors.ts'

export interface InTurn {
  /** Limit of a call, with its repetitions. */
  timeoutMs: number
  /** Called after every call. Undefined when a server has answered, with success or an error. */
  heard?: (failure: DriverError | undefined, sort: CallSort) => void
}

/** What a token may do or not: read keys, write keys, keep a session. */
export type CallSort = 'read' | 'write' | 'session'

interface CallKind {
  /** It changes nothing, and may be repeated. */
  isRead?: boolean
  sort: CallSort
}

export interface Call<At> {
  /** `withinMs`: what is left of the limit. Throws the failure of the server that was asked last. */
  <T>(what: (at: At, withinMs: number) => Promise<T>, kind: CallKind): Promise<T>
  /** Keeps to the first of the other servers that fits. */
  moveTo(fits: (at: At, withinMs: number) => Promise<boolean>): Promise<Moved>
}

/** `silent`: no server fits of those that answer, and this one does not. */
export type Moved = { is: 'moved' } | { is: 'none' } | { is: 'silent'; failure: DriverError }

export function askInTurn<At extends { failureOf(error: unknown): DriverError }>(
  servers: readonly At[],
  { timeoutMs, heard }: InTurn,
): Call<At> {
  let current = 0
  const call: Call<At> = async (what, { isRead = false, sort }) => {
    const end = performance.now() + timeoutMs
    for (let tried = 1; ; tried++) {
      const asked = current
      const at = servers[asked] as At
      try {
        const answer = await what(at, Math.max(1, end - performance.now()))
        heard?.(undefined, sort)
        return answer
      } catch (error) {
        // The caller has given the call up: the server has not failed.
        if (isAbort(error)) throw error
        const failure = at.failureOf(error)
        const isAway = failure.code === 'unavailable'
        // Of several calls that fail together, the first one moves on.
        if (isAway && current === asked) current = (asked + 1) % servers.length
        const mayGoOn = tried < servers.length && performance.now() < end
        if (isAway && mayGoOn && (isRead || !mayHaveBegun(error))) continue
        heard?.(isAway ? failure : undefined, sort)
        throw failure
      }
    }
  }
  call.moveTo = async (fits) => {
    const before = current
    const others = servers.map((_, step) => (before + step) % servers.length).slice(1)
    let failure: DriverError | undefined
    for (const at of others) {
      const server = servers[at] as At
      try {
        if (!(await fits(server, timeoutMs))) continue
        current = at
        return { is: 'moved' }
      } catch (error) {
        failure = server.failureOf(error)
      }
    }
    return failure === undefined ? { is: 'none' } : { is: 'silent', failure }
  }
  return call
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === 'AbortError'
}

/**
 * The words of errors that come before a leader handles the call: no leader or no server is known, or a rate
 * limit is reached (canRetry in Consul's agent/consul/rpc.go, RPC in agent/consul/client.go, Allow in
 * agent/consul/rate/handler.go). A server that has asked another one puts `rpc error making call: ` before
 * them.
 */
const unbegun =
  /(No cluster leader|No known Consul servers|rate limit exceeded, try again later or against a different server|rate limit exceeded for operation that can only be performed by the leader, try again later)\s*$/

/**
 * Node says `connect ECONNREFUSED …`, and fails with all addresses of a name together. Status 429 is that of
 * rate limits, and of too many connections from one address: both come before the call.
 */
function mayHaveBegun(error: unknown): boolean {
  const { message, response } = error as Error & { response?: { statusCode?: number; body?: unknown } }
  if (error instanceof AggregateError || /\b(connect|getaddrinfo) E[A-Z_]+/.test(message)) return false
  return response?.statusCode !== 429 && !unbegun.test(String(response?.body))
}
