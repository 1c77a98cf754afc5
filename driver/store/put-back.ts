/**
 * Which records a host puts back into a store that has lost some: emptied, or restored from an older backup.
 * Pure.
 *
 * A host knows its own records best and writes them over what the backup has. What belongs to all hosts, and
 * the records of hosts that are away, is created where it is missing. Nothing is removed: a record that the
 * backup brought back is removed by its own host later, as after any failure. A lease that an endpoint or a
 * service of another host has is left as it is; the host whose container has that address names the conflict
 * (core/endpoints/conflicts.ts).
 */
import type { Change, HostName, Lease, Snapshot, Table, Tables } from '../core/records.ts'
import { isIdle } from '../core/reserve.ts'
import { endpointsOnHost, hostOfKey, networkOfRecord, recordName, tables } from '../core/snapshot.ts'
import type { ChangedKey } from './store.ts'

/** A record as the store has it now. `value` is undefined when it cannot be read. */
export interface Present extends ChangedKey {
  index: number
  value: unknown
}

/** This host's records that the store lacks or has otherwise. */
export function ownChanges(snapshot: Snapshot, host: HostName, present: readonly Present[]): Change[] {
  const there = byName(present)
  return known(snapshot)
    .filter((record) => hostOf(record) === host)
    .flatMap((record): Change[] => {
      const now = there.get(recordName(record))
      if (now === undefined) return [create(record)]
      if (isOthers(record, now, host) || now.value === undefined || same(now.value, record.value)) return []
      return [{ op: 'update', ...record, index: now.index } as Change]
    })
}

/** A lease of another host's, unless it is idle there and of an endpoint here: that host gives it to no container. */
function isOthers({ table, value }: KnownRecord, now: Present, host: HostName): boolean {
  if (table !== 'addresses' || hostOf({ ...now, table }) === host) return false
  const there = now.value as Lease | undefined
  return there === undefined || !isIdle(there) || (value as Lease).endpoint === undefined
}

/**
 * The other records that the store lacks. With `all`, everything that this host has seen; without, because
 * its copy may be old, only the networks that its containers use.
 */
export function missingChanges(
  snapshot: Snapshot,
  host: HostName,
  present: readonly ChangedKey[],
  { all }: { all: boolean },
): Change[] {
  const there = new Set(present.map(recordName))
  const used = new Set(endpointsOnHost(snapshot, host).map(({ value }) => value.network))
  return known(snapshot)
    .filter((record) => hostOf(record) !== host && !there.has(recordName(record)))
    .filter((record) => all || (!written.has(record.table) && used.has(networkOfRecord(record) ?? '')))
    .map(create)
}

interface KnownRecord extends ChangedKey {
  value: unknown
}

/** `wanted` is not put back: such a request has expired. */
const lasting = tables.filter((table) => table !== 'wanted')

function known(snapshot: Snapshot): KnownRecord[] {
  return lasting.flatMap((table) =>
    [...snapshot[table]].map(([key, { value }]) => ({ table, key, value }) as KnownRecord),
  )
}

function create(record: KnownRecord): Change {
  // The value comes from the table that is named beside it.
  return { op: 'create', ...record } as Change
}

/** The host that writes the record; undefined for what belongs to all. */
function hostOf({ table, key, value }: KnownRecord): HostName | undefined {
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
