/**
 * Takes a host out of the cluster that will not come back: its endpoints, addresses and names become free.
 *
 * Never a live one, whose containers would lose their peers; and never by itself: a host that was switched off for a
 * weekend must find its addresses again.
 */
import { isAlive } from '../core/alive.ts'
import { removeEndpointAndLeases } from '../core/changes.ts'
import { DriverError, isCode } from '../core/errors.ts'
import type { Change, HostName, Snapshot } from '../core/model.ts'
import { endpointsOnHost, leasesOnHost } from '../core/snapshot.ts'
import type { Store } from '../store/store.ts'

export async function evict(store: Store, host: HostName): Promise<{ endpoints: number; addresses: number }> {
  const [sessions, before] = [await store.sessions(), await store.read()]
  checkGone(before, host, sessions)
  for (let attempt = 0; ; attempt++) {
    try {
      for (const endpoint of endpointsOnHost(store.snapshot(), host)) {
        await store.commit(removeEndpointAndLeases(store.snapshot(), endpoint))
      }
      const rest = restOf(store.snapshot(), host)
      for (let at = 0; at < rest.length; at += 50) await store.commit(rest.slice(at, at + 50))
      return { endpoints: endpointsOnHost(before, host).length, addresses: leasesOnHost(before, host).size }
    } catch (error) {
      if (!isCode(error, 'conflict') || attempt === 5) throw error
      await store.read()
    }
  }
}

function checkGone(snapshot: Snapshot, host: HostName, sessions: ReadonlySet<string>): void {
  const record = snapshot.hosts.get(host)
  if (
    record === undefined &&
    endpointsOnHost(snapshot, host).length + leasesOnHost(snapshot, host).size === 0
  ) {
    const known = [...snapshot.hosts.keys()].sort().join(', ')
    throw new DriverError('not-found', `the cluster has no host ${host}`, { hint: `it has ${known}` })
  }
  if (isAlive(record?.value, sessions)) {
    throw new DriverError('in-use', `host ${host} is alive`, {
      hint: 'stop its driver (systemctl stop multihost) and wait for half a minute',
    })
  }
}

/** The host's own record goes last: while it is there, this can be done again. */
function restOf(snapshot: Snapshot, host: HostName): Change[] {
  const leases = [...leasesOnHost(snapshot, host)].filter(([, { value }]) => value.service === undefined)
  const pools = [...snapshot.pools].filter(
    ([, { value }]) => value.host === host && value.network === undefined,
  )
  const record = snapshot.hosts.get(host)
  return [
    ...leases.map(([key, { index }]): Change => ({ op: 'remove', table: 'addresses', key, index })),
    ...pools.map(([key, { index }]): Change => ({ op: 'remove', table: 'pools', key, index })),
    ...(record === undefined
      ? []
      : [{ op: 'remove', table: 'hosts', key: host, index: record.index } as const]),
  ]
}
