/**
 * Pools and addresses that this host has in the store without a use, and the commits that remove endpoints.
 * Pure.
 *
 * dockerd does not say what a crash, a reboot or a lost call left behind.
 */
import { removeEndpoint } from '../../core/record-changes.ts'
import type { Change, EndpointId, HostName, Snapshot } from '../../core/records.ts'
import { endpointsOnHost, keyIn, leasesOnHost, networkOfKey } from '../../core/snapshot.ts'

/**
 * One commit per endpoint: a conflict over one does not stop the others. The addresses go to this host's
 * reserve. `now`: ISO 8601.
 */
export function removalsOf(
  snapshot: Snapshot,
  host: HostName,
  gone: ReadonlySet<EndpointId>,
  now: string,
): { endpoint: EndpointId; changes: Change[] }[] {
  return endpointsOnHost(snapshot, host)
    .filter(({ value }) => gone.has(value.id))
    .map((it) => ({ endpoint: it.value.id, changes: removeEndpoint(snapshot, it, now) }))
}

export interface Leftover {
  /** ISO 8601. */
  since: string
  /** Removes it. */
  change: Change
}

/** Longer than any creation takes. */
const unusedAfterMs = 3 * 60_000

/** When this driver started to answer, and how long Docker may still use what an earlier driver has answered. */
export interface DriverStart {
  at: Date
  graceMs: number
}

/**
 * Pools of this host that no network uses, and addresses whose endpoint is gone: left by creations that
 * failed, and by requests that an earlier driver died over. Docker repeats such a request without its body,
 * so Docker does not learn of the pool.
 */
export function unused(untaken: readonly Leftover[], now: Date, start: DriverStart): Change[] {
  const olderMs = (time: string, than: Date): number => than.getTime() - Date.parse(time)
  const isGraceOver = now.getTime() - start.at.getTime() >= start.graceMs
  const isOld = (time: string): boolean =>
    olderMs(time, now) > unusedAfterMs || (isGraceOver && olderMs(time, start.at) > 0)
  return untaken.flatMap(({ since, change }) => (isOld(since) ? [change] : []))
}

/** What `unused` may name, now or later. */
export function untakenOn(snapshot: Snapshot, host: HostName): Leftover[] {
  // Its endpoint was removed by hand. What lies in the reserve is the addresses loop's.
  const addresses = [...leasesOnHost(snapshot, host)].flatMap(([key, { value, index }]) => {
    const { endpoint, service } = value
    const isTaken = endpoint === undefined || snapshot.endpoints.has(keyIn(networkOfKey(key), endpoint))
    if (isTaken || service !== undefined) return []
    return [{ since: value.leasedAt, change: { op: 'remove', table: 'addresses', key, index } as const }]
  })
  const pools = [...snapshot.pools].flatMap(([key, { value, index }]) => {
    if (value.host !== host || value.network !== undefined) return []
    return [{ since: value.claimedAt, change: { op: 'remove', table: 'pools', key, index } as const }]
  })
  return [...addresses, ...pools]
}
