/**
 * The store as verbs and loops see it: versioned records, atomic commits, and a snapshot that follows the
 * changes of all hosts.
 *
 * Two implementations pass one contract suite (test/fixtures/store-contract.ts): Consul, and a store in
 * memory for fast tests.
 */
import type { Change, Snapshot, Table } from '../core/records.ts'

export interface Store {
  /**
   * The last known state, own commits included. Returns at once and never throws; `status().fresh` tells
   * whether it is current.
   */
  snapshot(): Snapshot
  /** Reads consistently: every commit before the call is in the result. Throws `unavailable`. */
  read(): Promise<Snapshot>
  /**
   * Applies all changes or none; the snapshot contains them when the promise resolves. At most 60 changes,
   * see transaction-limits.ts. Throws `conflict` (message and `error.cause`, a ConflictCause, name the first
   * change that was refused) or `unavailable` when Consul does not answer within `timeoutMs`. After
   * `unavailable` the commit may have been applied: then the watch delivers it.
   */
  commit(changes: readonly Change[]): Promise<void>
  /**
   * Calls the listener after every change of the snapshot, with the changed keys. Returns the function that
   * removes it.
   */
  onChange(listener: (snapshot: Snapshot, changed: readonly ChangedKey[]) => void): () => void
  /**
   * Calls the listener each time `status().fresh` becomes true, at the first connection too. Returns the
   * function that removes it.
   */
  onFresh(listener: () => void): () => void
  status(): StoreStatus
  /** Creates or renews the session that shows this host as alive. Returns its id. */
  session(): Promise<string>
  /**
   * The sessions that Consul knows. A host is alive while its record names one of them. Throws `unavailable`.
   */
  sessions(): Promise<ReadonlySet<string>>
  close(): Promise<void>
}

/** `error.cause` of a `conflict`. */
export interface ConflictCause {
  table: Table
  key: string
}

export interface ChangedKey {
  table: Table
  key: string
}

export interface StoreStatus {
  /** The address, for messages: `consul://192.168.33.10:8500/multihost`. */
  url: string
  /** The watch is connected, and the last call was answered. */
  fresh: boolean
  /** Milliseconds since the last answer; `undefined` before the first. */
  ageMs: number | undefined
  /** Consul's index of the snapshot. */
  index: number
  lastError: string | undefined
  /** Keys whose values do not match their schema. They are absent from the snapshot. */
  corrupt: string[]
}
