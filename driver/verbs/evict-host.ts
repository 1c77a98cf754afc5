/**
 * Removes a host from the cluster that will not come back: its endpoints, addresses and names become free.
 *
 * A live host is never removed, since its containers would lose their peers. The driver never removes a host
 * by itself: a host that was switched off for a weekend must find its addresses again.
 */

import { DriverError, isCode } from '../core/errors.ts'
import { lifeOf } from '../core/liveness.ts'
import { removeEndpointAndLeases, removeReplica } from '../core/record-changes.ts'
import type { Change, HostName, HostRecord, Snapshot, Versioned } from '../core/records.ts'
import { isIdle } from '../core/reserve.ts'
import { endpointsOnHost, keyIn, leasesOnHost, networkOfKey, replicasOn, usesOn } from '../core/snapshot.ts'
import { isUnreadable, unreadableKeys } from '../store/lookup.ts'
import type { Store } from '../store/store.ts'
import { splitGroupsIntoCommits } from '../store/transaction-limits.ts'

/**
 * `betweenLooks`: resolves when a live host whose session has ended has claimed its name again. Without it
 * one look decides: for a caller that knows the host to be gone.
 */
export async function evict(
  store: Store,
  host: HostName,
  betweenLooks?: () => Promise<unknown>,
): Promise<{ endpoints: number; addresses: number }> {
  const before = await store.read()
  checkKnown(before, host, unreadableKeys(store.status(), 'hosts'))
  if (betweenLooks !== undefined) {
    await foundDead(store, host)
    await betweenLooks()
    await store.read()
  }
  for (let attempt = 0; ; attempt++) {
    try {
      const dead = await foundDead(store, host)
      const commit = whileDead(store, host, dead)
      await commit(endpointsOf(store.snapshot(), host))
      await commit(ungrouped(claimsOf(store.snapshot(), host, unreadableKeys(store.status(), 'endpoints'))))
      if (dead) {
        await checkAway(store, host, dead)
        await store.commit([{ op: 'remove', table: 'hosts', key: host, index: dead.index }])
      }
      await whileDead(store, host, undefined)(ungrouped(replicasAndUsesOf(store.snapshot(), host)))
      return { endpoints: endpointsOnHost(before, host).length, addresses: usedAddresses(before, host) }
    } catch (error) {
      if (!isCode(error, 'conflict') || attempt === 5) throw error
      await store.read()
    }
  }
}

/** Each endpoint with all that belongs to it, so that a host that comes back meanwhile has whole ones. */
function endpointsOf(snapshot: Snapshot, host: HostName): Change[][] {
  return endpointsOnHost(snapshot, host).map((endpoint) => removeEndpointAndLeases(snapshot, endpoint))
}

function ungrouped(changes: readonly Change[]): Change[][] {
  return changes.map((change) => [change])
}

/**
 * Each commit requires that the host's record is still the one that was found dead, or still absent. A host
 * that comes back claims its name some seconds before it changes its record: the store is asked whether the
 * host is away before each commit, too.
 */
function whileDead(store: Store, host: HostName, dead: Versioned<HostRecord> | undefined) {
  const unchanged: Change = dead
    ? { op: 'expect', table: 'hosts', key: host, index: dead.index }
    : { op: 'absent', table: 'hosts', key: host }
  return async (groups: readonly (readonly Change[])[]): Promise<void> => {
    for (const part of splitGroupsIntoCommits(groups)) {
      await checkAway(store, host, dead)
      await store.commit([unchanged, ...part])
    }
  }
}

async function checkAway(
  store: Store,
  host: HostName,
  dead: Versioned<HostRecord> | undefined,
): Promise<void> {
  if (lifeOf(host, dead?.value, await store.liveness()) === 'away') return
  throw new DriverError('conflict', `host ${host} has come back`)
}

/** `unreadable`: hosts whose records cannot be read. */
function checkKnown(snapshot: Snapshot, host: HostName, unreadable: ReadonlySet<HostName>): void {
  const hosts = new Set([...snapshot.hosts.keys(), ...unreadable])
  if (hosts.has(host)) return
  const rest = [endpointsOnHost(snapshot, host).length, leasesOnHost(snapshot, host).size]
  rest.push(replicasOn(snapshot, host).size, usesOn(snapshot, host).size)
  if (rest.some((count) => count > 0)) return
  const known = [...hosts].sort().join(', ')
  throw new DriverError('not-found', `the cluster has no host ${host}`, { hint: `its hosts are ${known}` })
}

/** The host's record, if it has one. Checked before every attempt: the host may have come back. */
async function foundDead(store: Store, host: HostName): Promise<Versioned<HostRecord> | undefined> {
  const record = store.snapshot().hosts.get(host)
  const life = lifeOf(host, record?.value, await store.liveness())
  if (life !== 'alive' && isUnreadable(store.status(), 'hosts', host)) throw cannotRead(host)
  if (life === 'away') return record
  if (life === 'unknown') throw cannotTell(host)
  throw new DriverError('in-use', `host ${host} is alive`, {
    hint: 'stop its driver (systemctl stop multihost) and wait half a minute',
  })
}

/** A later version may have written it, and no commit could require that it is unchanged. */
function cannotRead(host: HostName): DriverError {
  return new DriverError('corrupt', `the record of host ${host} cannot be read: nothing is removed`, {
    hint: `run 'multihost host rm ${host}' on a host whose driver can read it, or after you have corrected or deleted the key hosts/${host} in the store`,
  })
}

/** The host's record has a session that was not asked for. */
function cannotTell(host: HostName): DriverError {
  return new DriverError('in-use', `Consul has not said yet whether host ${host} is alive`, {
    hint: 'try again in some seconds',
  })
}

/** Without the host's reserve, which people do not see. */
function usedAddresses(snapshot: Snapshot, host: HostName): number {
  return [...leasesOnHost(snapshot, host).values()].filter(({ value }) => !isIdle(value)).length
}

/**
 * Addresses that no endpoint has any more, pools that no network has taken, and what the host has wanted.
 * `unreadable`: keys of endpoints whose values cannot be read.
 */
function claimsOf(snapshot: Snapshot, host: HostName, unreadable: ReadonlySet<string>): Change[] {
  const leases = [...leasesOnHost(snapshot, host)].filter(([key, { value }]) => {
    const endpoint = keyIn(networkOfKey(key), value.endpoint ?? '')
    return value.service === undefined && !snapshot.endpoints.has(endpoint) && !unreadable.has(endpoint)
  })
  const pools = [...snapshot.pools].filter(
    ([, { value }]) => value.host === host && value.network === undefined,
  )
  const wants = [...snapshot.wanted].filter(([, { value }]) => value.host === host)
  return [
    ...wants.map(([key, { index }]): Change => ({ op: 'remove', table: 'wanted', key, index })),
    ...leases.map(([key, { index }]): Change => ({ op: 'remove', table: 'addresses', key, index })),
    ...pools.map(([key, { index }]): Change => ({ op: 'remove', table: 'pools', key, index })),
  ]
}

/**
 * Removed after the host's record: a host that comes back meanwhile restores its replicas together with its
 * record, and its networks loop restores its uses.
 */
function replicasAndUsesOf(snapshot: Snapshot, host: HostName): Change[] {
  const uses = [...usesOn(snapshot, host)].map(([network, { index }]): Change => {
    return { op: 'remove', table: 'uses', key: keyIn(host, network), index }
  })
  const replicas = [...replicasOn(snapshot, host).keys()]
  return [...replicas.flatMap((local) => removeReplica(snapshot, host, local)), ...uses]
}
