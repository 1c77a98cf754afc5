/**
 * Takes a host out of the cluster that will not come back: its endpoints, addresses and names become free.
 *
 * Never a live one, whose containers would lose their peers; and never by itself: a host that was switched off for a
 * weekend must find its addresses again.
 */
import { isAlive } from '../core/alive.ts'
import { removeEndpointAndLeases, removeReplica } from '../core/changes.ts'
import { DriverError, isCode } from '../core/errors.ts'
import type { Change, HostName, Snapshot } from '../core/model.ts'
import { endpointsOnHost, leasesOnHost, replicasOn } from '../core/snapshot.ts'
import type { Store } from '../store/store.ts'

export async function evict(store: Store, host: HostName): Promise<{ endpoints: number; addresses: number }> {
  const before = await store.read()
  checkKnown(before, host)
  for (let attempt = 0; ; attempt++) {
    try {
      await checkDead(store, host)
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

function checkKnown(snapshot: Snapshot, host: HostName): void {
  if (snapshot.hosts.has(host)) return
  const rest = [endpointsOnHost(snapshot, host).length, leasesOnHost(snapshot, host).size]
  if ([...rest, replicasOn(snapshot, host).size].some((count) => count > 0)) return
  const known = [...snapshot.hosts.keys()].sort().join(', ')
  throw new DriverError('not-found', `the cluster has no host ${host}`, { hint: `it has ${known}` })
}

/** Before every attempt: it may have come back meanwhile, which is what the attempt failed on. */
async function checkDead(store: Store, host: HostName): Promise<void> {
  const sessions = await store.sessions()
  if (isAlive(store.snapshot().hosts.get(host)?.value, sessions)) {
    throw new DriverError('in-use', `host ${host} is alive`, {
      hint: 'stop its driver (systemctl stop multihost) and wait for half a minute',
    })
  }
}

/** The replicas go last: a host that comes back meanwhile remembers those that it had with its own record. */
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
    ...[...replicasOn(snapshot, host).keys()].flatMap((local) => removeReplica(snapshot, host, local)),
  ]
}
