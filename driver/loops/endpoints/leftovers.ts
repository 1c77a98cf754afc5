/**
 * What this host has in the store without a reason: endpoints that its engine does not know, addresses and pools of
 * creations that failed. Pure; endpoints.ts removes it.
 *
 * dockerd never tells us of what a crash, a reboot or a lost call left behind.
 */
import { removeEndpointAndLeases } from '../../core/record-changes.ts'
import type { Change, EndpointId, HostName, Snapshot } from '../../core/records.ts'
import { endpointsOnHost, keyIn, leasesOnHost, networkOfKey } from '../../core/snapshot.ts'

/** This host's endpoints that are not among the engine's. */
export function strangers(snapshot: Snapshot, host: HostName, known: ReadonlySet<EndpointId>): EndpointId[] {
  return endpointsOnHost(snapshot, host)
    .map(({ value }) => value.id)
    .filter((id) => !known.has(id))
}

/** One commit per endpoint: a conflict over one must not keep the others. */
export function removalsOf(snapshot: Snapshot, host: HostName, gone: ReadonlySet<EndpointId>): Change[][] {
  return endpointsOnHost(snapshot, host)
    .filter(({ value }) => gone.has(value.id))
    .map((endpoint) => removeEndpointAndLeases(snapshot, endpoint))
}

/** Longer than any creation takes. */
const unusedAfterMs = 10 * 60_000

/** Since when this driver answers, and how long Docker may still come with what an earlier one has answered. */
export interface Life {
  since: Date
  graceMs: number
}

/**
 * Addresses and pools of this host that no endpoint, service or network has taken up: those of creations that failed,
 * and those of requests that a driver which died did not answer any more. Docker repeats such a request without its
 * body, so it is never told of them.
 */
export function unused(snapshot: Snapshot, host: HostName, now: Date, life: Life): Change[] {
  const olderMs = (time: string, than: Date): number => than.getTime() - Date.parse(time)
  const isSettledIn = now.getTime() - life.since.getTime() >= life.graceMs
  const isOld = (time: string): boolean =>
    olderMs(time, now) > unusedAfterMs || (isSettledIn && olderMs(time, life.since) > 0)
  return untaken(snapshot, host).flatMap(({ since, change }) => (isOld(since) ? [change] : []))
}

/** Whether there is something that `unused` will name when the grace is over. */
export function hasUntaken(snapshot: Snapshot, host: HostName): boolean {
  return untaken(snapshot, host).length > 0
}

function untaken(snapshot: Snapshot, host: HostName): { since: string; change: Change }[] {
  const addresses = [...leasesOnHost(snapshot, host)].flatMap(([key, { value, index }]) => {
    const network = networkOfKey(key)
    const taken = value.endpoint !== undefined && snapshot.endpoints.has(keyIn(network, value.endpoint))
    if (taken || value.service !== undefined) return []
    return [{ since: value.leasedAt, change: { op: 'remove', table: 'addresses', key, index } as const }]
  })
  const pools = [...snapshot.pools].flatMap(([key, { value, index }]) => {
    if (value.host !== host || value.network !== undefined) return []
    return [{ since: value.claimedAt, change: { op: 'remove', table: 'pools', key, index } as const }]
  })
  return [...addresses, ...pools]
}
