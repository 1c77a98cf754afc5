/**
 * What this host has in the store without a reason: endpoints that its engine does not know, addresses and pools of
 * creations that failed. Pure; endpoints.ts removes it.
 *
 * dockerd never tells us of what a crash, a reboot or a lost call left behind.
 */
import { removeEndpointAndLeases } from '../core/changes.ts'
import type { Change, EndpointId, HostName, Snapshot } from '../core/model.ts'
import { endpointsOnHost, keyIn, leasesOnHost } from '../core/snapshot.ts'

/** Longer than any creation takes. */
const unusedAfterMs = 10 * 60_000

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

export function unused(snapshot: Snapshot, host: HostName, now: Date): Change[] {
  const isOld = (time: string): boolean => now.getTime() - Date.parse(time) > unusedAfterMs
  const addresses = [...leasesOnHost(snapshot, host)].flatMap(([key, { value, index }]): Change[] => {
    const network = key.slice(0, key.indexOf('/'))
    const taken = value.endpoint !== undefined && snapshot.endpoints.has(keyIn(network, value.endpoint))
    if (taken || value.service !== undefined || !isOld(value.leasedAt)) return []
    return [{ op: 'remove', table: 'addresses', key, index }]
  })
  const pools = [...snapshot.pools].flatMap(([key, { value, index }]): Change[] => {
    if (value.host !== host || value.network !== undefined || !isOld(value.claimedAt)) return []
    return [{ op: 'remove', table: 'pools', key, index }]
  })
  return [...addresses, ...pools]
}
