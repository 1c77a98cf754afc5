/**
 * Which records a host puts back into a store that has lost some: emptied, or restored from an older backup.
 * Pure.
 *
 * A host knows its own records best and writes them over what the backup has. What belongs to all hosts, and
 * the records of hosts that are away, is created where it is missing, and written over where the backup has
 * an earlier version: the name, VNI and pool of a network, a service or an address that changed hands since
 * belong to the present holder. Nothing is removed: a record that the backup brought back is removed by its
 * own host later, as after any failure.
 *
 * What another host has put back is left as it is. The host whose container has an address that is leased to
 * another names the conflict (core/endpoints/conflicts.ts), and so does every host for two networks with one
 * name, VNI or pool (core/network-rivals.ts).
 */
import type { Change, HostName, Lease, Snapshot, Table, Tables } from '../core/records.ts'
import { isIdle } from '../core/reserve.ts'
import { endpointsOnHost, hostOfKey, networkOfRecord, recordName, tables } from '../core/snapshot.ts'
import type { Order } from './incarnation.ts'
import type { ChangedKey } from './store.ts'

/** A record as the store has it now. `value` is undefined when it cannot be read. */
export interface Present extends ChangedKey {
  index: number
  value: unknown
}

/** The store that has lost records. */
export interface Restored {
  present: readonly Present[]
  /** ModifyIndex of the key `cluster`, which the repair has written: records with a lower one are the backup's. */
  repairedAt: number
  /** How this host's records are related to the backup's. */
  order: Order
  /** This host's records are a copy from disk: those of other hosts may be earlier than the backup's. */
  isFromDisk: boolean
  /** What the store lacks and has this index or a lower one may have been removed since the repair. */
  lacksAbove: number
}

/** This host's records that the store lacks or has otherwise. */
export function ownChanges(snapshot: Snapshot, host: HostName, store: Restored): Change[] {
  const there = byName(store.present)
  return known(snapshot)
    .filter((record) => hostOf(record) === host)
    .flatMap((record): Change[] => {
      const now = there.get(recordName(record))
      if (now === undefined) return [create(record)]
      const isLeft = isOthers(record, now, host) && (store.isFromDisk || !isEarlier(record, now, store))
      return isLeft ? [] : writeOver(record, now)
    })
}

/** The backup's version of a key that this host has seen replaced. */
function isEarlier(record: KnownRecord, now: Present, { repairedAt, order }: Restored): boolean {
  return now.index < repairedAt && (order === 'later' || (order === 'by-index' && now.index < record.index))
}

/** Nothing for a value that a person has written and that cannot be read. */
function writeOver({ table, key, value }: KnownRecord, now: Present): Change[] {
  if (now.value === undefined || same(now.value, value)) return []
  return [{ op: 'update', table, key, value, index: now.index } as Change]
}

/** A lease of another host's, unless it is idle there and of an endpoint here: that host gives it to no container. */
function isOthers({ table, value }: KnownRecord, now: Present, host: HostName): boolean {
  if (table !== 'addresses' || hostOf({ ...now, table }) === host) return false
  const there = now.value as Lease | undefined
  return there === undefined || !isIdle(there) || (value as Lease).endpoint === undefined
}

/**
 * The other records that the store lacks, or has in an earlier version: everything that this host has seen.
 * Of what may have been removed since, only the records of its containers' networks that belong to all hosts.
 */
export function othersChanges(snapshot: Snapshot, host: HostName, store: Restored): Change[] {
  const there = byName(store.present)
  const used = new Set(endpointsOnHost(snapshot, host).map(({ value }) => value.network))
  return known(snapshot)
    .filter((record) => hostOf(record) !== host)
    .flatMap((record): Change[] => {
      const now = there.get(recordName(record))
      const isUsed = !written.has(record.table) && used.has(networkOfRecord(record) ?? '')
      if (now === undefined) return record.index > store.lacksAbove || isUsed ? [create(record)] : []
      const mayWrite = !store.isFromDisk || isUsed
      return mayWrite && isEarlier(record, now, store) ? writeOver(record, now) : []
    })
}

interface KnownRecord extends ChangedKey {
  value: unknown
  index: number
}

/** `wanted` is not put back: such a request has expired. */
const lasting = tables.filter((table) => table !== 'wanted')

function known(snapshot: Snapshot): KnownRecord[] {
  return lasting.flatMap((table) =>
    [...snapshot[table]].map(([key, { value, index }]) => ({ table, key, value, index }) as KnownRecord),
  )
}

function create({ table, key, value }: KnownRecord): Change {
  // The value comes from the table that is named beside it.
  return { op: 'create', table, key, value } as Change
}

/** The host that writes the record; undefined for what belongs to all. */
function hostOf({ table, key, value }: Omit<KnownRecord, 'index'>): HostName | undefined {
  switch (table) {
    case 'hosts':
      return key
    case 'replicas':
    case 'uses':
      return hostOfKey(key)
    case 'endpoints':
    case 'addresses':
      return (value as { host?: HostName } | undefined)?.host
    case 'services':
      return (value as Tables['services'] | undefined)?.holder?.host
    default:
      return undefined
  }
}

/** Their host puts these back, whoever else uses the network. */
const written: ReadonlySet<Table> = new Set<Table>(['endpoints', 'addresses', 'replicas', 'uses'])

/** Compares values as JSON; the order of their fields does not matter. */
function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(sorted(a)) === JSON.stringify(sorted(b))
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return Object.fromEntries(entries.map(([key, part]) => [key, sorted(part)]))
}

function byName(present: readonly Present[]): Map<string, Present> {
  return new Map(present.map((record) => [recordName(record), record]))
}
