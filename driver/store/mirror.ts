/**
 * This host's copy of the records, updated from three sources that overtake each other.
 *
 * Own commits are in it as soon as Consul has answered, before the watch tells of them; the log's entries
 * come in their order; a full read may be older than both when it arrives. Consul's index decides each time:
 * nothing ever turns a key back to an older index, and what a later commit deleted does not come back. A full
 * read of a new incarnation of the store counts alone. A value that cannot be read leaves the last readable
 * one in place, with its old index, so that a compare-and-set on it fails. So does a key that was deleted by
 * hand: a full read lacks it, and the log has no removal of it (missing.ts).
 */
import { isCode } from '../core/errors.ts'
import type { Snapshot } from '../core/records.ts'
import { type AnyDelta, applyDeltas, keysIn, recordName } from '../core/snapshot.ts'
import { checkRecord, readRecord } from './schemas.ts'
import type { ChangedKey } from './store.ts'

/** A record as a full read delivers it. */
export interface RawRecord extends ChangedKey {
  index: number
  text: string
}

/** A record after a commit; `value` is undefined when the commit deleted it. */
export interface Written extends ChangedKey {
  value: unknown
}

export interface Mirror {
  snapshot(): Snapshot
  /** The snapshot contains everything up to this index of Consul. */
  index(): number
  /** The records whose values cannot be read, by their names. */
  corrupt(): ChangedKey[]
  /** The store has the key, and its value cannot be read: the key is in `corrupt`. */
  isUnreadable(at: ChangedKey): boolean
  /** Records that the store lacks, and that no host has removed. The snapshot has them. */
  missing(): ChangedKey[]
  /** Applies a commit of this host, to which Consul has given this index. */
  commit(index: number, written: readonly Written[]): void
  /** Applies commits from the log, oldest first. Afterwards the snapshot is complete up to `top`. */
  follow(entries: readonly LoggedCommit[], top: number): void
  /** Must be called before the full read is sent. The answer goes to `finish`, a failure to `abandon`. */
  beginFullRead(): FullRead
}

export interface LoggedCommit {
  index: number
  written: readonly Written[]
}

export interface FullRead {
  /**
   * `top` is the highest index of all keys that were read, the log's too. `reset`: the store is of another
   * incarnation than the records here, so that no index is compared with theirs.
   */
  finish(
    records: readonly RawRecord[],
    top: number,
    how?: { reset: boolean; log?: ReadLog | undefined },
  ): void
  abandon(): void
}

/** The log as the same read has it, where it has every commit that this mirror has not. */
export interface ReadLog {
  /** Oldest first. */
  commits: readonly LoggedCommit[]
  /** Whether a record stays that the read lacks and no commit removes. */
  keeps(snapshot: Snapshot, at: ChangedKey): boolean
}

export interface MirrorEvents {
  changed(snapshot: Snapshot, keys: readonly ChangedKey[]): void
  /** Called once per key and index. */
  corrupt(error: unknown): void
}

interface State extends MirrorEvents {
  snapshot: Snapshot
  complete: number
  /**
   * False while the values come from the disk copy, which may be of another Consul: their indexes are not
   * compared.
   */
  confirmed: boolean
  /** Deletions of own commits that the log has not delivered yet. */
  deleted: Map<string, number>
  /** Name → the record, with the index of the value. */
  unreadable: Map<string, ChangedKey & { index: number }>
  /** Name → the record. */
  missing: Map<string, ChangedKey>
  journals: Set<Journal>
}

/** What has happened since a full read was sent. */
interface Journal {
  /** Name → index of the commits. */
  changed: Map<string, number>
  /** The highest index that another full read has delivered; -1 without one. */
  surpassed: number
}

export function createMirror(snapshot: Snapshot, events: MirrorEvents): Mirror {
  const state: State = {
    ...events,
    snapshot,
    complete: 0,
    confirmed: false,
    deleted: new Map(),
    unreadable: new Map(),
    missing: new Map(),
    journals: new Set(),
  }
  return {
    snapshot: () => state.snapshot,
    index: () => state.complete,
    corrupt: () => byName(state.unreadable),
    isUnreadable: (at) => state.unreadable.has(recordName(at)),
    missing: () => byName(state.missing),
    commit: (index, written) => {
      if (index > state.complete) set(state, advance(state, index, written))
    },
    follow: (entries, top) => follow(state, entries, top),
    beginFullRead: () => beginFullRead(state),
  }
}

function follow(state: State, entries: readonly LoggedCommit[], top: number): void {
  const fresh = entries.filter(({ index }) => index > state.complete)
  completeTo(state, Math.max(state.complete, top))
  set(
    state,
    fresh.flatMap(({ index, written }) => advance(state, index, written)),
  )
}

function beginFullRead(state: State): FullRead {
  const before = state.complete
  const journal: Journal = { changed: new Map(), surpassed: -1 }
  state.journals.add(journal)
  return {
    abandon: () => void state.journals.delete(journal),
    finish: (records, top, { reset, log } = { reset: false }) => {
      state.journals.delete(journal)
      const wentBack = reset || top < before
      if (!reset && top <= journal.surpassed) return
      if (!wentBack && log !== undefined) follow(state, log.commits, log.commits.at(-1)?.index ?? 0)
      // Where no index can be compared, a record that a commit names is as the read says.
      const named = new Set(wentBack ? log?.commits.flatMap(({ written }) => written.map(recordName)) : [])
      const keeps: ReadLog['keeps'] = (next, at) =>
        !named.has(recordName(at)) && log?.keeps(next, at) === true
      merge(state, records, { top, wentBack, keeps, ...journal })
    },
  }
}

/** The changes of one commit, without keys that are newer here. */
function advance(state: State, index: number, written: readonly Written[]): AnyDelta[] {
  const deltas: AnyDelta[] = []
  for (const { value, ...at } of written) {
    if (index <= indexOf(state, at)) continue
    const check = () => (value === undefined ? undefined : checkRecord(at.table, at.key, value))
    const delta = deltaOf(state, at, index, check)
    for (const { changed } of state.journals) changed.set(recordName(at), index)
    if (delta === undefined) continue
    if (delta.record === undefined && index > state.complete) state.deleted.set(recordName(at), index)
    else state.deleted.delete(recordName(at))
    deltas.push(delta)
  }
  return deltas
}

interface Answer {
  top: number
  wentBack: boolean
  keeps: ReadLog['keeps']
  changed: Journal['changed']
}

function merge(state: State, records: readonly RawRecord[], answer: Answer): void {
  const { top, wentBack, changed, keeps } = answer
  const newer = (name: string): boolean => (changed.get(name) ?? 0) > top
  const trusted = state.confirmed && !wentBack
  const found = new Set(records.map(recordName))
  const gone = (name: string): boolean => !found.has(name) && !newer(name)
  const unknown = records.filter(
    (record) => !newer(recordName(record)) && !(trusted && isSame(state, record)),
  )
  const deltas = unknown.flatMap(
    ({ table, key, index, text }) =>
      deltaOf(state, { table, key }, index, () => readRecord(table, key, text)) ?? [],
  )
  for (const name of state.unreadable.keys()) if (gone(name)) state.unreadable.delete(name)
  if (wentBack) state.deleted.clear()
  completeTo(state, wentBack ? top : Math.max(top, state.complete))
  state.confirmed = true
  for (const other of state.journals) other.surpassed = Math.max(other.surpassed, top)
  const absent = keysIn(state.snapshot).filter((at) => gone(recordName(at)))
  const next = absent.length === 0 ? state.snapshot : applyDeltas(state.snapshot, deltas)
  const kept = absent.filter((at) => keeps(next, at))
  state.missing = new Map(kept.map((at) => [recordName(at), at]))
  const removed = absent.filter((at) => !state.missing.has(recordName(at)))
  const renewed = wentBack ? kept.map((at) => ofAnotherPast(state, at)) : []
  set(state, [...deltas, ...renewed, ...removed.map(removal)])
}

/** Its index is of another past: every change of this one is newer. Not 0, which a commit takes for an absent key. */
function ofAnotherPast({ snapshot }: State, { table, key }: ChangedKey): AnyDelta {
  return { table, key, record: { value: snapshot[table].get(key)?.value, index: 1 } } as AnyDelta
}

function set(state: State, deltas: readonly AnyDelta[]): void {
  const seen = deltas.filter(
    ({ table, key, record }) => record !== undefined || state.snapshot[table].has(key),
  )
  if (seen.length === 0) return
  state.snapshot = applyDeltas(state.snapshot, deltas)
  state.changed(
    state.snapshot,
    seen.map(({ table, key }) => ({ table, key })),
  )
}

/** The change, or none when the value cannot be read: then the key is named, and its last readable value stays. */
function deltaOf(state: State, at: ChangedKey, index: number, read: () => unknown): AnyDelta | undefined {
  const name = recordName(at)
  try {
    const value = read()
    state.unreadable.delete(name)
    state.missing.delete(name)
    // The value was checked against the schema of `table`.
    return { ...at, record: value === undefined ? undefined : { value, index } } as AnyDelta
  } catch (error) {
    if (!isCode(error, 'corrupt')) throw error
    if (state.unreadable.get(name)?.index !== index) state.corrupt(error)
    state.unreadable.set(name, { table: at.table, key: at.key, index })
    return undefined
  }
}

function completeTo(state: State, index: number): void {
  state.complete = index
  for (const [name, at] of state.deleted) if (at <= index) state.deleted.delete(name)
}

function indexOf(state: State, { table, key }: ChangedKey): number {
  return state.snapshot[table].get(key)?.index ?? state.deleted.get(recordName({ table, key })) ?? 0
}

function isSame(state: State, { table, key, index }: RawRecord): boolean {
  return (
    state.snapshot[table].get(key)?.index === index ||
    state.unreadable.get(recordName({ table, key }))?.index === index
  )
}

function removal(at: ChangedKey): AnyDelta {
  return { ...at, record: undefined } as AnyDelta
}

function byName(records: ReadonlyMap<string, ChangedKey>): ChangedKey[] {
  const sorted = [...records].sort(([a], [b]) => (a < b ? -1 : 1))
  return sorted.map(([, { table, key }]) => ({ table, key }))
}
