/**
 * Refusals because of a container on some host. They send people to that host; where it does not live nothing can be
 * done there, and the way out is another.
 */

import { DriverError, type ErrorCode } from '../core/errors.ts'
import { isAlive } from '../core/liveness.ts'
import type { HostName } from '../core/records.ts'
import type { Store } from '../store/store.ts'

/** `hint`: what to do while that host lives. */
export function hostConflict(host: HostName, code: ErrorCode, message: string, hint: string): DriverError {
  return new DriverError(code, message, { hint, cause: { containerOn: host } satisfies InTheWay })
}

/** Does the work; a refusal because of a host that is away says so, and how to go on without it. */
export async function explainIfAway<T>(
  store: Pick<Store, 'snapshot' | 'sessions'>,
  work: () => T | Promise<T>,
): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof DriverError)) throw error
    const host = (error.cause as Partial<InTheWay> | undefined)?.containerOn
    if (host === undefined || !(await isAway(store, host))) throw error
    throw new DriverError(error.code, `${error.message}, which is away`, {
      hint: `if ${host} does not come back, take it out of the cluster: multihost host rm ${host}`,
      cause: error,
    })
  }
}

/** `cause` of a refusal. */
interface InTheWay {
  containerOn: HostName
}

/** False when Consul cannot tell. */
async function isAway(store: Pick<Store, 'snapshot' | 'sessions'>, host: HostName): Promise<boolean> {
  const sessions = await store.sessions().catch(() => undefined)
  return sessions !== undefined && !isAlive(store.snapshot().hosts.get(host)?.value, sessions)
}
