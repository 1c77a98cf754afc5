/**
 * Records that a person deleted in the store by hand: a full read lacks them, and the change log, through
 * which every driver removes, has no removal. Pure.
 *
 * A host keeps them and puts its own back, and those of all hosts: networks with their claims, hosts,
 * services. Each commit requires the records that a removal would change or delete as well (`siblingsOf`), so
 * that it never undoes a removal that begins meanwhile. What nothing refers to any more may be deleted by
 * hand: claims and leases of a network that is gone or is being removed, records of a host that the cluster
 * does not have, a pool without a network, wants.
 */
import { claimsOf } from '../core/record-changes.ts'
import type { Change, HostName, NetworkId, Snapshot, Table } from '../core/records.ts'
import {
  addressesOf,
  endpoint,
  hostOfKey,
  keyIn,
  networkOfKey,
  networkOfRecord,
  recordName,
} from '../core/snapshot.ts'
import type { ChangedKey } from './store.ts'
import { bytesOf, packed } from './transaction-limits.ts'

/** The store has the key, and its value cannot be read. */
export type IsUnreadable = (at: ChangedKey) => boolean

/** Whether the record stays although the store lacks it. */
export function isKept(snapshot: Snapshot, at: ChangedKey, isUnreadable: IsUnreadable): boolean {
  if (at.table === 'hosts' || isOfUnreadableNetwork(snapshot, at, isUnreadable)) return true
  const network = networkOf(snapshot, at)
  if (network === undefined || !stands(snapshot, network)) return false
  if (isClaim(at) && !claimsIn(snapshot, network).some((it) => recordName(it) === recordName(at)))
    return false
  const owner = ownerOf(snapshot, at)
  return owner === undefined || snapshot.hosts.has(owner) || isUnreadable({ table: 'hosts', key: owner })
}

/** Whether the record of its network or of its host cannot be read: nothing tells then that it may go. */
export function isOfUnreadable(snapshot: Snapshot, at: ChangedKey, isUnreadable: IsUnreadable): boolean {
  const owner = ownerOf(snapshot, at)
  const isOfHost = owner !== undefined && isUnreadable({ table: 'hosts', key: owner })
  return isOfHost || isOfUnreadableNetwork(snapshot, at, isUnreadable)
}

function isOfUnreadableNetwork(snapshot: Snapshot, at: ChangedKey, isUnreadable: IsUnreadable): boolean {
  const network = at.table === 'networks' ? undefined : networkOf(snapshot, at)
  return network !== undefined && isUnreadable({ table: 'networks', key: network })
}

/**
 * Whether each record that the commit would require can be read. With another one the store refuses the whole
 * commit, and nothing tells whether the record is there to stay.
 */
export function canBePutBack(snapshot: Snapshot, at: ChangedKey, isUnreadable: IsUnreadable): boolean {
  return !isOfUnreadableNetwork(snapshot, at, isUnreadable) && !siblingsOf(snapshot, at).some(isUnreadable)
}

/** The host that puts the record back; undefined where every host does. */
export function ownerOf(snapshot: Snapshot, { table, key }: ChangedKey): HostName | undefined {
  switch (table) {
    case 'replicas':
    case 'uses':
      return hostOfKey(key)
    case 'endpoints':
      return snapshot.endpoints.get(key)?.value.host
    case 'macs':
      return endpoint(snapshot, networkOfKey(key), snapshot.macs.get(key)?.value ?? '')?.value.host
    case 'addresses': {
      const lease = snapshot.addresses.get(key)?.value
      return lease?.service === undefined ? lease?.host : undefined
    }
    default:
      return undefined
  }
}

/** In this order: what comes later requires what comes first. */
export const stages: readonly ((snapshot: Snapshot, host: HostName, at: ChangedKey) => boolean)[] = [
  (_, __, at) => at.table === 'networks' || isClaim(at),
  (snapshot, _, at) => at.table !== 'networks' && !isClaim(at) && ownerOf(snapshot, at) === undefined,
  (snapshot, host, at) => ownerOf(snapshot, at) === host,
]

/** Each with its siblings is at most four changes. */
const recordsPerCommit = 14

/** The commits that put the records back; those of one network together. `missing`: all that the store lacks. */
export function commitsFor(
  snapshot: Snapshot,
  records: readonly ChangedKey[],
  missing: readonly ChangedKey[],
): Change[][] {
  const absent = new Set(missing.map(recordName))
  const groups = new Map<NetworkId | undefined, ChangedKey[]>()
  for (const at of records) {
    const network = networkOf(snapshot, at)
    const group = groups.get(network) ?? []
    group.push(at)
    groups.set(network, group)
  }
  return [...groups.values()].flatMap((group) =>
    packed(group, (at) => bytesOf(creationOf(snapshot, at)), recordsPerCommit).map((part) =>
      commitOf(snapshot, part, absent),
    ),
  )
}

function creationOf(snapshot: Snapshot, at: ChangedKey): Change {
  // The value comes from the table that is named beside it.
  return { op: 'create', ...at, value: versioned(snapshot, at)?.value } as Change
}

function commitOf(snapshot: Snapshot, records: readonly ChangedKey[], absent: ReadonlySet<string>): Change[] {
  const siblings = records.flatMap((at) => siblingsOf(snapshot, at))
  const expected = new Map(siblings.map((at) => [recordName(at), at]))
  for (const name of absent) expected.delete(name)
  const expects = [...expected.values()].map((at) => {
    return { op: 'expect', ...at, index: versioned(snapshot, at)?.index }
  })
  // The indexes come from the table that is named beside them.
  return [...(expects as Change[]), ...records.map((at) => creationOf(snapshot, at))]
}

/** What every removal of the record changes or deletes in the same commit, or before. */
function siblingsOf(snapshot: Snapshot, at: ChangedKey): ChangedKey[] {
  const network = networkOf(snapshot, at)
  const all: ChangedKey[] =
    network === undefined || at.table === 'networks' ? [] : [{ table: 'networks', key: network }]
  if (at.table === 'endpoints' || at.table === 'services') {
    const value = snapshot[at.table].get(at.key)?.value
    const ips = value === undefined ? [] : addressesOf(value)
    for (const ip of ips) all.push({ table: 'addresses', key: keyIn(network ?? '', ip) })
  }
  const service = at.table === 'addresses' ? snapshot.addresses.get(at.key)?.value.service : undefined
  if (service !== undefined) all.push({ table: 'services', key: keyIn(network ?? '', service) })
  return all.filter((it) => versioned(snapshot, it) !== undefined)
}

function networkOf(snapshot: Snapshot, at: ChangedKey): NetworkId | undefined {
  return networkOfRecord({ ...at, value: versioned(snapshot, at)?.value })
}

/** The network is there to stay, and no other one has what it claims. */
function stands(snapshot: Snapshot, id: NetworkId): boolean {
  const network = snapshot.networks.get(id)?.value
  if (network === undefined || network.removing) return false
  return claimsIn(snapshot, id).every((at) => [undefined, id].includes(networkOf(snapshot, at)))
}

const claims: ReadonlySet<Table> = new Set<Table>(['network-names', 'vnis', 'pools'])

function isClaim({ table }: ChangedKey): boolean {
  return claims.has(table)
}

function claimsIn(snapshot: Snapshot, id: NetworkId): ChangedKey[] {
  const network = snapshot.networks.get(id)?.value
  return network === undefined ? [] : claimsOf(network)
}

function versioned(
  snapshot: Snapshot,
  { table, key }: ChangedKey,
): { value: unknown; index: number } | undefined {
  return snapshot[table].get(key)
}
