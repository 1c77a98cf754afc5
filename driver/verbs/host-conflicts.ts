/**
 * Errors about a container on another host. Their hint sends people to that host; when the host is away, the
 * hint says how to remove it from the cluster instead.
 */

import { DriverError, type ErrorCode } from '../core/errors.ts'
import { lifeOf } from '../core/liveness.ts'
import type { HostName } from '../core/records.ts'
import type { Store } from '../store/store.ts'

/** `hint`: what to do while the host is alive. */
export function hostConflict(host: HostName, code: ErrorCode, message: string, hint: string): DriverError {
  return new DriverError(code, message, { hint, cause: { containerOn: host } satisfies OtherHost })
}

/**
 * Runs the work. When it fails because of a host that is away, the error says so and how to remove that host.
 */
export async function explainIfAway<T>(
  store: Pick<Store, 'snapshot' | 'liveness'>,
  work: () => T | Promise<T>,
): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof DriverError)) throw error
    const host = (error.cause as Partial<OtherHost> | undefined)?.containerOn
    if (host === undefined || !(await isAway(store, host))) throw error
    throw new DriverError(error.code, `${error.message}; ${host} is away`, {
      hint: `if ${host} does not come back, remove it from the cluster: multihost host rm ${host}`,
      cause: error,
    })
  }
}

/** `cause` of such an error. */
interface OtherHost {
  containerOn: HostName
}

/** False when Consul cannot tell. */
async function isAway(store: Pick<Store, 'snapshot' | 'liveness'>, host: HostName): Promise<boolean> {
  const seen = await store.liveness().catch(() => undefined)
  if (seen === undefined) return false
  return lifeOf(host, store.snapshot().hosts.get(host)?.value, seen) === 'away'
}
