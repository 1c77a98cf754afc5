/**
 * Several servers of one store: one of them is asked until it fails, then the next one. Any server reaches the leader,
 * so one that works is kept.
 *
 * A call is repeated on the next server only when the server that failed cannot have begun it: it was not reached, or it
 * knows no leader. A call that was begun and not answered may have been applied.
 */
import type { DriverError } from '../../core/errors.ts'

export interface InTurn {
  /** Called after every call. Undefined when a server has answered, with success or an error. */
  heard?: (failure: DriverError | undefined) => void
}

/** Throws the failure of the server that was asked last. */
export function askInTurn<At extends { failureOf(error: unknown): DriverError }>(
  servers: readonly At[],
  { heard }: InTurn,
): <T>(what: (at: At) => Promise<T>) => Promise<T> {
  let current = 0
  return async (what) => {
    for (let tried = 1; ; tried++) {
      const asked = current
      const at = servers[asked] as At
      try {
        const answer = await what(at)
        heard?.(undefined)
        return answer
      } catch (error) {
        const failure = at.failureOf(error)
        const isAway = failure.code === 'unavailable'
        // Of several calls that fail together, the first one moves on.
        if (isAway && current === asked) current = (asked + 1) % servers.length
        if (isAway && tried < servers.length && !mayHaveBegun(error)) continue
        heard?.(isAway ? failure : undefined)
        throw failure
      }
    }
  }
}

function mayHaveBegun(error: unknown): boolean {
  const { message, code, response } = error as NodeJS.ErrnoException & { response?: { body?: unknown } }
  const said = `${code} ${message} ${response?.body}`
  return !/ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_AGAIN|No cluster leader/i.test(said)
}
